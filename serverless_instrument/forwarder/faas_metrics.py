"""The function's own metrics, from what runtime and platform say of invocations; pure.

Names, units and buckets: https://opentelemetry.io/docs/specs/semconv/faas/faas-metrics/.
"""

from __future__ import annotations

from serverless_instrument import __version__
from serverless_instrument.wire import FACT_COLDSTART, TRIGGER_MASK, TRIGGERS, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from serverless_instrument.forwarder.batch import Batch
    from serverless_instrument.forwarder.metric_points import Attributes
    from serverless_instrument.forwarder.proc_stats import Usage

SCOPE = field(
    b"\x0a", field(b"\x0a", b"serverless_instrument") + field(b"\x12", __version__.encode())
)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
# The conventions give none for bytes: powers of four, from 1 KiB to 16 GiB.
BYTES = tuple([float(1 << shift) for shift in range(10, 35, 2)])
_BYTES_PER_MB = 1024 * 1024
# Invocations whose trigger is kept for a platform.report that has yet to come.
_MOST_REMEMBERED = 256


class FaasMetrics:
    """Records into the metrics of `batch`.

    Args:
        batch: where metrics wait for a flush.
        usage: reads what the environment has used so far; None where that cannot be told.
    """

    __slots__ = ("_batch", "_begun", "_resource", "_triggers", "_usage")

    def __init__(self, batch: Batch, usage: Callable[[], Usage | None]) -> None:
        self._batch = batch
        self._usage = usage
        self._resource = b""
        self._triggers: dict[str, Attributes] = {}
        # request id -> (start in Unix nanoseconds, usage at the start)
        self._begun: dict[str, tuple[int, Usage | None]] = {}

    def started(self, resource: bytes, request_id: str, facts: int, time_unix_ns: int) -> None:
        """An invocation has begun; `facts` are those of `wire.request_facts`."""
        self._resource = resource
        trigger = facts & TRIGGER_MASK
        name = TRIGGERS[trigger] if trigger < len(TRIGGERS) else TRIGGERS[0]
        _remember(self._triggers, request_id, (_trigger_attribute(name),))
        _remember(self._begun, request_id, (time_unix_ns, self._usage()))
        if facts & FACT_COLDSTART:
            self._count("faas.coldstarts", "{coldstart}", request_id, time_unix_ns)

    def ended(self, request_id: str, time_unix_ns: int, error_type: str) -> None:
        """An invocation is over; `error_type` is "" for a success, "timeout" for a timeout."""
        begun = self._begun.pop(request_id, None)
        if begun is None:
            return
        start_unix_ns, before = begun
        if not error_type:
            self._count("faas.invocations", "{invocation}", request_id, time_unix_ns)
        else:
            self._count("faas.errors", "{error}", request_id, time_unix_ns)
        if error_type == "timeout":
            self._count("faas.timeouts", "{timeout}", request_id, time_unix_ns)
        duration_s = max(0, time_unix_ns - start_unix_ns) / 1e9
        self._measure("faas.invoke_duration", "s", duration_s, request_id, time_unix_ns)
        after = self._usage() if before is not None else None
        if before is not None and after is not None:
            cpu_s = max(0.0, after.cpu_s - before.cpu_s)
            self._measure("faas.cpu_usage", "s", cpu_s, request_id, time_unix_ns)
            moved_bytes = max(0, after.network_bytes - before.network_bytes)
            self._measure("faas.net_io", "By", moved_bytes, request_id, time_unix_ns)

    def platform(self, kind: str, record: Mapping[str, object], time_unix_ns: int) -> None:
        """An event of the Telemetry API; what is not of use is ignored.

        https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
        """
        metrics = record.get("metrics")
        if not isinstance(metrics, dict) or not self._resource:
            return
        request_id = record.get("requestId")
        request_id = request_id if isinstance(request_id, str) else ""
        if kind == "platform.initReport" and (duration_ms := _number(metrics, "durationMs")):
            name = "faas.init_duration"
            self._measure(name, "s", duration_ms / 1000, request_id, time_unix_ns)
        elif kind == "platform.report" and (used_mb := _number(metrics, "maxMemoryUsedMB")):
            used_bytes = used_mb * _BYTES_PER_MB
            self._measure("faas.mem_usage", "By", used_bytes, request_id, time_unix_ns)

    def _count(self, name: str, unit: str, request_id: str, time_unix_ns: int) -> None:
        attributes = self._triggers.get(request_id, ())
        metrics = self._batch.metrics
        metrics.count(self._resource, SCOPE, name, unit, 1, time_unix_ns, attributes)

    def _measure(
        self, name: str, unit: str, value: float, request_id: str, time_unix_ns: int
    ) -> None:
        bounds = SECONDS if unit == "s" else BYTES
        attributes = self._triggers.get(request_id, ())
        metrics = self._batch.metrics
        metrics.measure(self._resource, SCOPE, name, unit, value, bounds, time_unix_ns, attributes)


def _remember(kept: dict[str, Any], key: str, value: object) -> None:
    kept[key] = value
    if len(kept) > _MOST_REMEMBERED:
        del kept[next(iter(kept))]


def _trigger_attribute(name: str) -> bytes:
    return field(b"\x0a", b"faas.trigger") + field(b"\x12", field(b"\x0a", name.encode()))


def _number(metrics: Mapping[str, object], name: str) -> float:
    value = metrics.get(name)
    return value if isinstance(value, (int, float)) and 0 < value < 1e18 else 0.0
