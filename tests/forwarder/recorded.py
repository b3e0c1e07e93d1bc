"""What enhanced metrics have recorded, by name without the prefix."""

from __future__ import annotations

from typing import Any

_PREFIX = "aws.lambda."


class Recorded:
    """A recorder that keeps everything; of each name, the last invocation."""

    def __init__(self) -> None:
        # name -> (unit, values, request id)
        self.histograms: dict[str, Any] = {}
        # name -> (unit, sum, request id, attributes)
        self.counters: dict[str, Any] = {}
        # name -> (unit, values)
        self.gauges: dict[str, Any] = {}

    def measure(
        self, name: str, unit: str, value: float, request_id: str, time_unix_ns: int
    ) -> None:
        assert name.startswith(_PREFIX)
        assert time_unix_ns >= 0
        name = name.removeprefix(_PREFIX)
        _, values, _ = self.histograms.get(name, ("", [], ""))
        self.histograms[name] = (unit, [*values, value], request_id)

    def add(
        self,
        name: str,
        unit: str,
        value: float,
        request_id: str,
        time_unix_ns: int,
        attributes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        assert name.startswith(_PREFIX)
        assert time_unix_ns >= 0
        name = name.removeprefix(_PREFIX)
        total = self.counters[name][1] if name in self.counters else 0
        self.counters[name] = (unit, total + value, request_id, attributes)

    def set(self, name: str, unit: str, value: float, time_unix_ns: int) -> None:
        assert name.startswith(_PREFIX)
        assert time_unix_ns >= 0
        name = name.removeprefix(_PREFIX)
        _, values = self.gauges.get(name, ("", []))
        self.gauges[name] = (unit, [*values, value])
