"""Bare and instrumented side by side, as text. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from case_runner.trial import Outcome

_WIDTH = 110
# Different in every run: request ids, times, addresses.
_VARYING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z?|127\.0\.0\.1:\d+|0x[0-9a-f]{6,}"
)


def comparable(text: str) -> str:
    """`text` without what differs from run to run."""
    return _VARYING.sub("·", text)


def report(bare: Outcome, ours: Outcome) -> list[str]:
    """Lines that tell answers, output, CPU and telemetry of both runs."""
    said = []
    for number, ((status, body), (our_status, our_body)) in enumerate(
        zip(bare.answers, ours.answers, strict=True), 1
    ):
        same = status == our_status and comparable(body) == comparable(our_body)
        said.append(f"  {number}. bare {status:8} {_cut(body)}")
        said.append("     ours same" if same else f"     ours {our_status:8} {_cut(our_body)}")
    said += _lines(bare, ours)
    said.append(f"  CPU ms  bare {_figures(bare.cpu_ms)}; ours {_figures(ours.cpu_ms)}")
    said += _telemetry(ours)
    return said


def differences(bare: Outcome, ours: Outcome) -> list[str]:
    """In what the function itself differs: "answers", "lines"."""
    answers = [
        [(status, comparable(body)) for status, body in outcome.answers] for outcome in (bare, ours)
    ]
    lines = [Counter(map(comparable, outcome.lines)) for outcome in (bare, ours)]
    return ["answers"] * (answers[0] != answers[1]) + ["lines"] * (lines[0] != lines[1])


def _lines(bare: Outcome, ours: Outcome) -> list[str]:
    theirs = Counter(map(comparable, bare.lines))
    own = Counter(map(comparable, ours.lines))
    said = [f"  lines   bare {len(bare.lines)}; ours {len(ours.lines)}"]
    said += [f"     only bare {count}x {_cut(line)}" for line, count in _first(theirs - own)]
    said += [f"     only ours {count}x {_cut(line)}" for line, count in _first(own - theirs)]
    return said


def _telemetry(ours: Outcome) -> list[str]:
    traces = {span["traceId"] for span in ours.spans}
    ids = Counter((span["traceId"], span["spanId"]) for span in ours.spans)
    doubles = sum(count - 1 for count in ids.values())
    said = [f"  spans   {len(ours.spans)} in {len(traces)} traces, {doubles} doubled"]
    said += [f"     {count}x {text}" for text, count in _first(Counter(map(_span, ours.spans)))]
    said.append(f"  records {len(ours.records)}")
    records = Counter(map(_record, ours.records))
    return [*said, *(f"     {count}x {text}" for text, count in _first(records))]


def _span(span: dict[str, Any]) -> str:
    kind_of_error = span["attributes"].get("error.type") or ""
    name = _cut(span["name"], 60)
    return f"{span['kind']} {name} {span['status']['code']} {kind_of_error}".rstrip()


def _record(record: dict[str, Any]) -> str:
    body = _cut(json.dumps(record.get("body"), default=str))
    return f"{record.get('severityText') or '-'} {body}"


def _first(counts: Counter[str], most: int = 12) -> list[tuple[str, int]]:
    return counts.most_common(most)


def _figures(values: list[float]) -> str:
    if not values:
        return "-"
    most_later = max(values[1:], default=0)
    return f"{sum(values):.0f} in all, first {values[0]:.0f}, most later {most_later:.0f}"


def _cut(text: object, width: int = _WIDTH) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
