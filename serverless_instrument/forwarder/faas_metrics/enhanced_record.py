"""Enhanced metrics on their way to the recorder: repeated values are left out. Pure."""

from __future__ import annotations

from serverless_instrument.forwarder.faas_metrics.measurement import COUNTER, GAUGE, Measurement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from serverless_instrument.forwarder.faas_metrics.measurement import Recorder

# A gauge that does not change is recorded so often: enough for a point in each minute.
_REPEAT_NS = 60_000_000_000
# Request ids of which something is remembered for an event that has yet to come.
_MOST_REMEMBERED = 256


class EnhancedRecord:
    """Passes measurements on to `recorder`: an unchanged gauge seldom, an out-of-memory once."""

    __slots__ = ("_gauges", "_out_of_memory", "_recorder")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        # name -> (value, when it was recorded last)
        self._gauges: dict[str, tuple[float, int]] = {}
        self._out_of_memory: dict[str, None] = {}

    def record(self, measurement: Measurement) -> None:
        """Pass `measurement` on, but for a gauge that has had the same value for less than 60 s."""
        if measurement.kind == GAUGE:
            name, value = measurement.name, measurement.value
            time_unix_ns = measurement.time_unix_ns
            last = self._gauges.get(name)
            if last is not None and last[0] == value and 0 <= time_unix_ns - last[1] < _REPEAT_NS:
                return
            self._gauges[name] = (value, time_unix_ns)
        self._recorder.record(measurement)

    def record_out_of_memory(self, request_id: str, time_unix_ns: int) -> None:
        """Count an invocation that ran out of memory.

        The runtime, and two events of the platform, may say it of the same one.
        """
        if request_id not in self._out_of_memory:
            remember(self._out_of_memory, request_id, None)
            name, unit = "aws.lambda.out_of_memory", "{invocation}"
            self._recorder.record(Measurement(COUNTER, name, unit, 1, time_unix_ns, request_id))

    def forget_out_of_memory(self, request_id: str) -> None:
        """An invocation begins: a retry has the request id of the attempt before."""
        self._out_of_memory.pop(request_id, None)


def remember(kept: dict[str, Any], key: str, value: object) -> None:
    """Keep `value`, and forget the oldest of too many."""
    kept[key] = value
    if len(kept) > _MOST_REMEMBERED:
        del kept[next(iter(kept))]
