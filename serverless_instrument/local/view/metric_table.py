"""The metrics of a run as a table in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from serverless_instrument.local.view import metric_series, quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from serverless_instrument.local.view.metric_series import Series
    from serverless_instrument.local.view.otlp_data import Data

_GAP = 2
_HEADINGS = ("value", "count", "mean", "p50", "p95", "max")
# A narrow terminal loses these columns, in this order; after that, names are cut.
_OPTIONAL_COLUMNS = ("p50", "p95", "max", "count", "mean")
_NARROWEST_NAME = 12
_MAX_SERIES = 10
_LONGEST_ATTRIBUTE_VALUE = 40
# Prefixes of metric names, and the heading of each group; the last has all other metrics.
_GROUPS = (("faas.", "function"), ("aws.lambda.", "Lambda"), ("", "your own"))
_FORWARDER_PREFIX = "serverless_instrument.forwarder."
_FIRST = ("faas.invocations", "faas.errors", "faas.timeouts", "faas.coldstarts")
_RED_IF_NOT_ZERO = frozenset(("faas.errors", "faas.timeouts"))
_SHARES = ("utilization", "ratio")


@dataclass(frozen=True)
class _Row:
    """One row: a heading where `figures` is None, else a series."""

    name: str
    attributes: str
    figures: dict[str, str] | None
    style: str = ""

    def label(self) -> Text:
        label = Text(self.name, style="bold" if self.figures is None else self.style)
        return label.append(f"  {self.attributes}" if self.attributes else "", style="not bold dim")


def make_table(metrics: Sequence[Data], width: int) -> Table:
    """A row for each series, the points of several flushes together.

    A sum has a value, a gauge its last; a histogram has a count, a mean, an estimated median and
    95th percentile, and a maximum. The forwarder's own metrics are left out.

    Args:
        metrics: as `otlp_data.metric` makes them.
        width: columns of the terminal.
    """
    series = metric_series.collect_series(
        metric for metric in metrics if not metric["name"].startswith(_FORWARDER_PREFIX)
    )
    rows: list[_Row] = []
    for prefix, heading in _GROUPS:
        group = [each for each in series if _prefix(each.name) == prefix]
        if group:
            rows += [_Row("", "", None)] if rows else []
            rows += _group_rows(heading, group)
    return _lay_out(rows, width)


def _prefix(name: str) -> str:
    return next(prefix for prefix, _ in _GROUPS if name.startswith(prefix))


def _group_rows(heading: str, group: Sequence[Series]) -> Iterator[_Row]:
    common = _common_attributes(group)
    yield _Row(heading, "  ".join(sorted(common)), None)
    for name, same in groupby(sorted(group, key=_rank), key=lambda series: series.name):
        all_of_it = list(same)
        for series in all_of_it[:_MAX_SERIES]:
            yield _row(series, common)
        if len(all_of_it) > _MAX_SERIES:
            more = f"and {len(all_of_it) - _MAX_SERIES} more, --json has them"
            yield _Row(_printable(name), more, {})


def _common_attributes(group: Sequence[Series]) -> set[str]:
    """Attributes with one value that most series have; the heading shows them once."""
    found: dict[str, list[str]] = {}
    for series in group:
        for key, text in zip(series.attributes, _attribute_texts(series.attributes), strict=True):
            found.setdefault(key, []).append(text)
    return {
        texts[0] for texts in found.values() if len(set(texts)) == 1 and 2 * len(texts) > len(group)
    }


def _rank(series: Series) -> tuple[int, str, str]:
    known = _FIRST.index(series.name) if series.name in _FIRST else len(_FIRST)
    return known, series.name, "  ".join(_attribute_texts(series.attributes))


def _row(series: Series, common: set[str]) -> _Row:
    figures = _figures(series)
    attributes = "  ".join(
        text for text in _attribute_texts(series.attributes) if text not in common
    )
    style = "red" if series.name in _RED_IF_NOT_ZERO and series.value() else ""
    return _Row(_printable(series.name), attributes, figures, style)


def _figures(series: Series) -> dict[str, str]:
    value, distribution = series.value(), series.distribution()
    if distribution is None:
        return {"value": "" if value is None else _format(value, series)}
    numbers = {"mean": distribution.mean}
    if distribution.count > 1:  # a single value is its own mean, quantiles and maximum
        numbers["p50"] = distribution.quantile(0.5)
        numbers["p95"] = distribution.quantile(0.95)
        numbers["max"] = distribution.most
    shown = {name: _format(n, series) for name, n in numbers.items() if n is not None}
    return {"count": quantity.format_number(distribution.count), **shown}


def _format(value: float, series: Series) -> str:
    if series.unit == "1" and any(word in series.name for word in _SHARES):
        return quantity.format_percent(value)
    return quantity.format_quantity(value, _printable(series.unit))


def _attribute_texts(attributes: Data) -> list[str]:
    return [
        f"{_printable(key)}={_printable(str(value))[:_LONGEST_ATTRIBUTE_VALUE]}"
        for key, value in attributes.items()
    ]


def _printable(text: str) -> str:
    """`text` with control characters, which would move the cursor or set colours, replaced."""
    return "".join([character if character.isprintable() else "?" for character in text])


def _lay_out(rows: Sequence[_Row], width: int) -> Table:
    figures = [row.figures for row in rows if row.figures]
    columns = [name for name in _HEADINGS if any(name in row for row in figures)]
    widths = {name: _widest([name, *(row.get(name, "") for row in figures)]) for name in columns}
    needed = _widest(row.name for row in rows)

    def room() -> int:
        return width - sum(widths[name] + _GAP for name in columns)

    for name in _OPTIONAL_COLUMNS:
        if room() < needed and name in columns:
            columns.remove(name)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    table.add_column("metric", no_wrap=True, max_width=max(room(), _NARROWEST_NAME))
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = row.figures or {}
        table.add_row(
            row.label(), *(Text(cells.get(name, ""), style=row.style) for name in columns)
        )
    return table


def _widest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)
