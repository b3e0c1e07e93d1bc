"""A trace as a waterfall in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.bar import Bar
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from serverless_instrument.local.view.otlp_data import Data

_WIDEST_BAR, _NARROWEST_BAR, _GAP = 40, 10, 2
_KIND_WIDTH = len("producer")
_NS_PER_MS = 1_000_000
# Attributes that distinguish spans of one name, the most useful first.
_NOTED_ATTRIBUTES = (
    "error.type",
    "http.response.status_code",
    "faas.trigger",
    "faas.coldstart",
    "rpc.method",
    "server.address",
    "messaging.destination.name",
    "db.system",
)


def waterfall(spans: Sequence[Data], width: int) -> RenderableType:
    """One trace: a row for each span, children below their parent, bars on one time axis.

    Args:
        spans: of one trace, as `otlp_data.span` makes them; at least one.
        width: columns of the terminal.
    """
    rows = [(Text(prefix, style="dim"), span) for prefix, span in in_tree_order(spans)]
    bar_width = min(max(width // 4, _NARROWEST_BAR), _WIDEST_BAR)
    begin_ns = min(span["startTimeUnixNano"] for span in spans)
    end_ns = max(span["endTimeUnixNano"] or span["startTimeUnixNano"] for span in spans)
    total_ns = max(end_ns - begin_ns, 1)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    for column in range(4):
        table.add_column(no_wrap=True, justify="right" if column == 3 else "left")
    # A narrow terminal cuts the notes before a name or a duration.
    table.add_column(no_wrap=True, max_width=max(width - _width_without_notes(rows, bar_width), 1))
    for prefix, span in rows:
        table.add_row(*_row(prefix, span, begin_ns, total_ns, bar_width))
    heading = Text.assemble(
        "trace ",
        (spans[0]["traceId"], "bold"),
        f"  {len(spans)} span{'s' if len(spans) != 1 else ''}",
        f"  {total_ns / _NS_PER_MS:.2f} ms",
        (f"  {spans[0]['resource'].get('service.name', '')}", "dim"),
    )
    return Group(heading, table)


_COLORS = {"SERVER": "green", "CLIENT": "blue", "CONSUMER": "magenta", "PRODUCER": "magenta"}


def _row(
    prefix: Text, span: Data, begin_ns: int, total_ns: int, bar_width: int
) -> tuple[RenderableType, ...]:
    start_ns, stop_ns = span["startTimeUnixNano"], span["endTimeUnixNano"]
    failed = span["status"]["code"] == "ERROR"
    color = "red" if failed else _COLORS.get(span["kind"], "cyan")
    name = prefix.copy().append(span["name"], style="bold red" if failed else "not dim")
    # A span shorter than one character of the bar is drawn that long.
    bar_end_ns = max(stop_ns - begin_ns, start_ns - begin_ns + total_ns // (bar_width * 2))
    bar = Bar(total_ns, start_ns - begin_ns, bar_end_ns, width=bar_width, color=color)
    kind = Text(span["kind"].lower(), style="dim")
    return name, kind, bar, Text(_duration(span)), _notes(span)


def _duration(span: Data) -> str:
    return f"{(span['endTimeUnixNano'] - span['startTimeUnixNano']) / _NS_PER_MS:.2f} ms"


def _width_without_notes(rows: Sequence[tuple[Text, Data]], bar_width: int) -> int:
    """Width of a row without its notes."""
    names = max(prefix.cell_len + cell_len(span["name"]) for prefix, span in rows)
    durations = max(len(_duration(span)) for _, span in rows)
    return names + _KIND_WIDTH + bar_width + durations + 4 * _GAP


def in_tree_order(spans: Sequence[Data]) -> Iterator[tuple[str, Data]]:
    """(tree prefix, span), parents before children, siblings by start.

    A span whose parent is not among `spans` is a root: another service has the parent.
    """
    known = {span["spanId"] for span in spans}
    children: dict[str | None, list[Data]] = {}
    for span in sorted(spans, key=lambda span: span["startTimeUnixNano"]):
        parent = span["parentSpanId"]
        if parent not in known or parent == span["spanId"]:
            parent = None
        children.setdefault(parent, []).append(span)
    pending = [("", "", span) for span in reversed(children.pop(None, []))]
    while pending:
        prefix, indent, span = pending.pop()
        yield prefix, span
        below = children.pop(span["spanId"], [])
        for position in range(len(below) - 1, -1, -1):
            last = position == len(below) - 1
            pending.append(
                (
                    indent + ("└─ " if last else "├─ "),
                    indent + ("   " if last else "│  "),
                    below[position],
                )
            )
    # Spans that name each other as parents have no root; they are shown without a prefix.
    for leftover in children.values():
        yield from (("", span) for span in leftover)


def _notes(span: Data) -> Text:
    attributes = span["attributes"]
    noted = [name for name in _NOTED_ATTRIBUTES if name in attributes]
    notes = [f"{name.rpartition('.')[2]}={attributes[name]}" for name in noted]
    if span["links"]:
        notes.append(f"links={len(span['links'])}")
    notes += [event["name"] for event in span["events"]]
    return Text("  ".join(notes), style="dim")
