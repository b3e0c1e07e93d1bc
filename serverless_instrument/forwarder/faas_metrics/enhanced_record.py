"""How enhanced metrics are told: under one prefix, sizes seldom, one death once; pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Recorder(Protocol):
        """Takes values; of the invocation `request_id`, "" for none. Times are Unix nanoseconds."""

        def measure(
            self, name: str, unit: str, value: float, request_id: str, time_unix_ns: int
        ) -> None:
            """Record one value of a histogram."""

        def add(
            self,
            name: str,
            unit: str,
            value: float,
            request_id: str,
            time_unix_ns: int,
            attributes: tuple[tuple[str, str], ...] = (),
        ) -> None:
            """Add to a counter."""

        def set(self, name: str, unit: str, value: float, time_unix_ns: int) -> None:
            """Tell a gauge's value, of the environment and no invocation."""


_PREFIX = "aws.lambda."
# A gauge that does not change is told so often: enough for a point in each minute.
_REPEAT_NS = 60_000_000_000
# Request ids of which something is remembered for an event that has yet to come.
_MOST_REMEMBERED = 256


class EnhancedRecord:
    """Passes values on to `recorder`; names are without the prefix."""

    __slots__ = ("_gauges", "_out_of_memory", "_recorder")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        # name -> (value, when it was told last)
        self._gauges: dict[str, tuple[float, int]] = {}
        self._out_of_memory: dict[str, None] = {}

    def measure(
        self, name: str, unit: str, value: float, request_id: str, time_unix_ns: int
    ) -> None:
        """Record one value of a histogram."""
        self._recorder.measure(_PREFIX + name, unit, value, request_id, time_unix_ns)

    def add(
        self,
        name: str,
        unit: str,
        value: float,
        request_id: str,
        time_unix_ns: int,
        attributes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Add to a counter."""
        self._recorder.add(_PREFIX + name, unit, value, request_id, time_unix_ns, attributes)

    def set(self, name: str, unit: str, value: float, time_unix_ns: int) -> None:
        """Tell a gauge's value if it is another, or was told long ago."""
        told = self._gauges.get(name)
        if told is None or told[0] != value or not 0 <= time_unix_ns - told[1] < _REPEAT_NS:
            self._gauges[name] = (value, time_unix_ns)
            self._recorder.set(_PREFIX + name, unit, value, time_unix_ns)

    def ran_out_of_memory(self, request_id: str, time_unix_ns: int) -> None:
        """The runtime, and two events of the platform, may say it of the same invocation."""
        if request_id not in self._out_of_memory:
            remember(self._out_of_memory, request_id, None)
            self.add("out_of_memory", "{invocation}", 1, request_id, time_unix_ns)

    def begins(self, request_id: str) -> None:
        """An invocation begins: a retry has the request id of the attempt before."""
        self._out_of_memory.pop(request_id, None)


def remember(kept: dict[str, Any], key: str, value: object) -> None:
    """Keep `value`, and forget the oldest of too many."""
    kept[key] = value
    if len(kept) > _MOST_REMEMBERED:
        del kept[next(iter(kept))]
