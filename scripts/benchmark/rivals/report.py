"""The figures as Markdown; pure."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from benchmark import machine as machines
from benchmark import markdown_table
from benchmark.rivals import contenders, figures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmark.rivals.contenders import Contender
    from benchmark.rivals.figures import Figure

# Where there is nothing to say.
_NOTHING = "n/a"
# tests/test_docs.py holds the prose of every document to this.
_PROSE_WIDTH = 100

# {case title: {contender: {measure: figure}}}
Results = dict[str, dict[str, dict[str, "Figure"]]]


class Column(NamedTuple):
    """One column: a measure of a case."""

    title: str
    case: str
    measure: str


COLD = (
    Column("hello, CPU ms", "hello", "init_cpu"),
    Column("with extension", "hello", "init_cpu_all"),
    Column("hello, ms", "hello", "init_wall"),
    Column("boto3, CPU ms", "boto", "init_cpu"),
    Column("boto3, ms", "boto", "init_wall"),
    Column("hello without pyc, CPU ms", "hello, without pyc", "init_cpu"),
    Column("boto3 without pyc, CPU ms", "boto, without pyc", "init_cpu"),
    Column("hello at 128 MB, ms", "hello, 128 MB", "init_wall"),
    Column("boto3 at 128 MB, ms", "boto, 128 MB", "init_wall"),
    Column("first call, ms", "hello", "first_call"),
    Column("memory, MiB", "hello", "memory"),
    Column("with extension", "hello", "memory_all"),
)
_WORK = (
    ("hello", "hello"),
    ("aws_calls", "3 AWS calls"),
    ("http_call", "HTTP call"),
    ("spans", "100 spans"),
    ("logs", "200 log lines"),
)
LATENCY = (
    *(Column(title, case, "call_p50") for case, title in _WORK),
    Column("hello p99", "hello", "call_p99"),
    Column("hello at 128 MB", "hello, 128 MB", "call_p50"),
    Column("hello, tail", "hello", "tail"),
    Column("hello, billed", "hello", "billed"),
    Column("100 spans, billed", "spans", "billed"),
)
CALL_CPU = tuple(Column(title, case, "call_cpu_all") for case, title in _WORK)
CALL_CPU_RUNTIME = tuple(Column(title, case, "call_cpu") for case, title in _WORK)
SHORT = (
    Column("hello, CPU ms", "hello", "init_cpu"),
    Column("boto3, CPU ms", "boto", "init_cpu"),
    Column("hello at 128 MB, ms", "hello, 128 MB", "init_wall"),
    Column("first call, ms", "hello", "first_call"),
    Column("call, CPU ms", "hello", "call_cpu"),
    Column("100 spans, CPU ms", "spans", "call_cpu"),
    Column("200 log lines, CPU ms", "logs", "call_cpu"),
    Column("memory, MiB", "hello", "memory"),
)
_SECTIONS = (
    ("Cold start", COLD),
    ("Each call, ms; the tail is what follows the response, billed both together", LATENCY),
    ("Each call, CPU ms of all processes", CALL_CPU),
    ("Each call, CPU ms of the runtime process", CALL_CPU_RUNTIME),
)


def markdown(
    results: Results,
    chosen: Sequence[Contender],
    versions: Mapping[str, str],
    zip_bytes: Mapping[str, int],
    failures: Mapping[str, str],
    machine: dict[str, str],
) -> str:
    """The tables, under one line that says where they were measured."""
    lines = [
        *wrap(machines.one_line(machine), _PROSE_WIDTH),
        "",
        "Every figure is over the bare runtime, whose own are in the first row: median ± half",
        "the distance of the quartiles. CPU is the runtime process's unless it says otherwise.",
    ]
    extra = {name: f"{size / 1e6:.1f}" for name, size in zip_bytes.items()}
    for title, columns in _SECTIONS:
        lines += ["", f"**{title}**", ""]
        lines += _table(results, chosen, columns, ("zip, MB", extra) if columns is COLD else None)
    lines += ["", "**Beside the best of the others**", ""]
    lines += _beside(results)
    lines += ["", *_notes(chosen, versions, failures)]
    return "\n".join(lines)


def short(
    results: Results,
    chosen: Sequence[Contender],
    zip_bytes: Mapping[str, int],
    failures: Mapping[str, str],
    machine: Mapping[str, str],
) -> str:
    """A table of what decides, for the README."""
    zips = {name: f"{size_bytes / 1e6:.1f}" for name, size_bytes in zip_bytes.items()}
    failed = "".join(f"\n- {contenders.named(name).title}: {why}" for name, why in failures.items())
    where = ", ".join(f"{name} {machine[name]}" for name in ("Python", "awslambdaric", "processor"))
    title = f"Over the bare runtime, medians ± half the distance of the quartiles ({where})"
    lines = [
        *wrap(f"{title}; CPU is the runtime process's:", _PROSE_WIDTH),
        "",
        *_table(results, chosen, SHORT, ("zip, MB", zips)),
    ]
    return "\n".join(lines) + (f"\n\nNot measured:\n{failed}\n" if failed else "\n")


def _table(
    results: Results,
    chosen: Sequence[Contender],
    columns: Sequence[Column],
    extra: tuple[str, Mapping[str, str]] | None = None,
) -> list[str]:
    titles = [column.title for column in columns] + ([extra[0]] if extra else [])
    rows = []
    for contender in chosen:
        cells = [_cell(results, contender.name, column) for column in columns]
        if extra:
            cells.append(extra[1].get(contender.name, ""))
        title = f"**{contender.title}**" if contender.name == contenders.OURS else contender.title
        rows.append([title, *cells])
    return markdown_table.lines(["", *titles], rows)


def _cell(results: Results, name: str, column: Column) -> str:
    figure = _figure(results, name, column)
    if figure is None:
        return _NOTHING
    spread = (figure.high - figure.low) / 2
    if name == contenders.BARE:
        return f"{_number(figure.median)} ± {_number(spread)}"
    return f"{_number(figure.added, signed=True)} ± {_number(spread)}"


def _figure(results: Results, name: str, column: Column) -> Figure | None:
    return results.get(column.case, {}).get(name, {}).get(column.measure)


def _number(value: float, *, signed: bool = False) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:{'+' if signed else ''},.{digits}f}"


def _beside(results: Results) -> list[str]:
    titles = "ours", "the best other", "ratio", "the best that is not traces alone", "ratio"
    rows = []
    nobody = {contenders.BARE, contenders.OURS}
    partial = {one.name for one in contenders.CONTENDERS if one.partial}
    for section, columns in _SECTIONS:
        for column in columns:
            added = _added(results, column)
            if contenders.OURS not in added or not set(added) - nobody:
                continue
            cells = []
            for but in (nobody, nobody | partial):
                cells += _best(added, but)
            ours = _number(added[contenders.OURS], signed=True)
            where = section.partition(";")[0]
            rows.append([f"{where}: {column.title}", ours, *cells])
    return markdown_table.lines(["", *titles], rows)


def _best(added: Mapping[str, float], but: set[str]) -> list[str]:
    rival = figures.best(added, but)
    if not rival:
        return [_NOTHING, _NOTHING]
    theirs = added[rival]
    ratio = f"{added[contenders.OURS] / theirs:.2f}" if theirs > 0 else _NOTHING
    return [f"{_number(theirs, signed=True)} ({contenders.named(rival).title})", ratio]


def _added(results: Results, column: Column) -> dict[str, float]:
    found = {}
    for name in results.get(column.case, {}):
        figure = _figure(results, name, column)
        if figure is not None:
            found[name] = figure.added
    return found


def _notes(
    chosen: Sequence[Contender], versions: Mapping[str, str], failures: Mapping[str, str]
) -> list[str]:
    lines = []
    for contender in chosen:
        parts = [versions.get(contender.name, ""), contender.note]
        if contender.name in failures:
            parts.append(f"could not be measured: {failures[contender.name]}")
        if not contender.spans:
            parts.append("has no API for spans of one's own")
        text = "; ".join(part for part in parts if part)
        if text:
            note = f"- {contender.title}: {text}"
            lines += wrap(note, _PROSE_WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return lines


def series(results: Results, case: str, measure: str) -> Callable[[str], float | None]:
    """A function from a contender's name to what it adds, None where it was not measured."""
    column = Column("", case, measure)

    def added(name: str) -> float | None:
        figure = _figure(results, name, column)
        return None if figure is None else figure.added

    return added
