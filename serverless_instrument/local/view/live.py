"""Live telemetry: filters, and the point at which a trace is complete. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serverless_instrument.local.view import levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serverless_instrument.local.view.otlp_data import Data

# Spans of one flush arrive together; spans of a trace through several functions do not.
_QUIET_S = 0.3
_LONGEST_OPEN_S = 5.0


@dataclass(frozen=True)
class Filter:
    """Conditions that a log record or a trace has to meet; empty values match everything.

    Attributes:
        function: name of the function or service.
        level: lowest SeverityNumber; a trace counts as an error if a span of it failed, else as
            information.
        text: part of a line, or of a span's name or attributes, whatever the case.
        trace: beginning of a trace id, in hexadecimal.
    """

    function: str = ""
    level: int = 0
    text: str = ""
    trace: str = ""

    def shows_record(self, record: Data) -> bool:
        """Whether a log record is to be shown, as `otlp_data.log_record` makes it."""
        severity = record["severityNumber"] or levels.INFO
        return (
            severity >= self.level
            and self._of_function(record)
            and (record["traceId"] or "").startswith(self.trace)
            and self._has_text(record["body"], record["attributes"])
        )

    def shows_trace(self, spans: Sequence[Data]) -> bool:
        """Whether a trace is to be shown: spans as `otlp_data.span` makes them."""
        failed = any(span["status"]["code"] == "ERROR" for span in spans)
        return (
            (levels.ERROR if failed else levels.INFO) >= self.level
            and any(map(self._of_function, spans))
            and spans[0]["traceId"].startswith(self.trace)
            and any(self._has_text(span["name"], span["attributes"]) for span in spans)
        )

    def _of_function(self, item: Data) -> bool:
        resource = item["resource"]
        names = (resource.get("service.name"), resource.get("faas.name"))
        return not self.function or self.function in names

    def _has_text(self, *parts: object) -> bool:
        if not self.text:
            return True
        texts = [p if isinstance(p, str) else json.dumps(p, ensure_ascii=False) for p in parts]
        return any(self.text.casefold() in text.casefold() for text in texts)


class OpenTraces:
    """Spans by trace until the trace is closed; times are seconds of one monotonic clock.

    A trace is closed `_QUIET_S` after its last span if it has an outermost span of a process, else
    after `_LONGEST_OPEN_S`. Spans that arrive later are shown as another trace.
    """

    def __init__(self) -> None:
        self._spans: dict[str, list[Data]] = {}
        self._last_s: dict[str, float] = {}

    def add_span(self, span: Data, now_s: float) -> None:
        """Add a span to its trace."""
        self._spans.setdefault(span["traceId"], []).append(span)
        self._last_s[span["traceId"]] = now_s

    def next_close_s(self) -> float | None:
        """When the next trace closes if no span arrives; None where none is open."""
        return min(map(self._closes_at_s, self._spans), default=None)

    def take_closed(self, now_s: float) -> list[list[Data]]:
        """Remove and return the traces that are closed, each a list of spans."""
        closed = [trace for trace in self._spans if self._closes_at_s(trace) <= now_s]
        for trace in closed:
            del self._last_s[trace]
        return [self._spans.pop(trace) for trace in closed]

    def _closes_at_s(self, trace: str) -> float:
        spans = self._spans[trace]
        outermost = any(span["kind"] == "SERVER" or not span["parentSpanId"] for span in spans)
        return self._last_s[trace] + (_QUIET_S if outermost else _LONGEST_OPEN_S)
