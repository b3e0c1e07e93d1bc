"""The function's own metrics, from what runtime and platform say of invocations; pure.

Names, units and buckets: https://opentelemetry.io/docs/specs/semconv/faas/faas-metrics/.
"""

from __future__ import annotations

from serverless_instrument.forwarder.faas_metrics.usage_metrics import Used
from serverless_instrument.forwarder.metrics.metric_points import GAUGE, Number
from serverless_instrument.forwarder.telemetry_api import platform_events
from serverless_instrument.histogram_bounds import BYTES, SECONDS
from serverless_instrument.wire import FACT_COLDSTART, TRIGGER_MASK, TRIGGERS, __version__, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from serverless_instrument.forwarder.delivery.batch import Batch
    from serverless_instrument.forwarder.faas_metrics.proc_stats import Usage
    from serverless_instrument.forwarder.metrics.metric_points import Attributes
    from serverless_instrument.forwarder.telemetry_api.platform_events import Dispatch, Event

    class Enhanced(Protocol):
        """Records more of an invocation."""

        def invocation(
            self,
            before: Usage | None,
            after: Usage | None,
            request_id: str,
            start_unix_ns: int,
            end_unix_ns: int,
        ) -> None:
            """What was used at its start and at its end."""


SCOPE = field(
    b"\x0a", field(b"\x0a", b"serverless_instrument") + field(b"\x12", __version__.encode())
)
_RATIO = tuple([step / 20 for step in range(1, 21)])
# Lambda allows an environment 1,024 of either.
_COUNTS = tuple([float(1 << shift) for shift in range(11)])
_BOUNDS = {
    "s": SECONDS,
    "By": BYTES,
    "1": _RATIO,
    "{file_descriptor}": _COUNTS,
    "{thread}": _COUNTS,
}
_BYTES_PER_MB = 1024 * 1024
# Invocations whose trigger is kept for a platform.report that has yet to come.
_MOST_REMEMBERED = 256
# Of what has been told and not recorded: where START records it, and where nothing waits for that.
_MANY_TOLD = 64
_MOST_TOLD = 2048
# Inits that nobody has been told of yet: one, unless it fails and is repeated.
_MOST_INITS = 8


class FaasMetrics:
    """Remembers what it is told of invocations, and records it when a flush asks.

    The end of an invocation pays for an append: Lambda is told that it is over before `look` sees
    what it has used, which does not grow while the environment is frozen.

    Args:
        batch: where metrics wait for a flush.
        usage: reads what the environment has used so far; None where that cannot be told.
    """

    __slots__ = (
        "_aggregation",
        "_begun",
        "_inits",
        "_latest",
        "_resource",
        "_tells",
        "_told",
        "_triggers",
        "_unseen",
        "_usage",
        "enhanced",
    )

    def __init__(self, batch: Batch, usage: Callable[[], Usage | None]) -> None:
        self._aggregation = batch.metrics
        self._usage = usage
        # What has been told, as a method and its arguments; and whether any of it is a metric.
        self._told: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._tells = False
        self._unseen: list[list[Usage | None]] = []
        # Told of each invocation's usage when it is recorded; None where it is not wanted.
        self.enhanced: Enhanced | None = None
        self._resource = b""
        self._latest = ""
        # (duration in seconds, end) of inits, until an invocation says for whom they were.
        self._inits: list[tuple[float, int]] = []
        self._triggers: dict[str, Attributes] = {}
        # request id -> (start in Unix nanoseconds, usage at the start)
        self._begun: dict[str, tuple[int, Usage | None]] = {}
        batch.metrics.sources.append(self)

    def __bool__(self) -> bool:
        return self._tells

    def started(self, resource: bytes, request_id: str, facts: int, time_unix_ns: int) -> None:
        """An invocation has begun; `facts` are those of `wire.request_facts`."""
        self.look()
        # While the function runs: a flush of very much would outlast it.
        if len(self._told) > _MANY_TOLD:
            self.tell()
        self._aggregation.merge_if_large()
        usage = self._usage()
        self._told.append((self._start, (resource, request_id, facts, time_unix_ns, usage)))
        self._tells = self._tells or bool(facts & FACT_COLDSTART)

    def never_began(
        self,
        resource: bytes,
        request_id: str,
        error_type: str,
        start_unix_ns: int,
        end_unix_ns: int,
    ) -> None:
        """Init failed, or took all the time, of an invocation that the function never saw."""
        start = (resource, request_id, FACT_COLDSTART, start_unix_ns, None)
        self._told.append((self._start, start))
        self._tell_later(self._end, request_id, end_unix_ns, error_type, [None])

    def ended(self, request_id: str, time_unix_ns: int, error_type: str) -> None:
        """An invocation is over; `error_type` is "" for a success, "timeout" for a timeout."""
        after: list[Usage | None] = []
        self._unseen.append(after)
        self._tell_later(self._end, request_id, time_unix_ns, error_type, after)

    def look(self) -> None:
        """See what has been used by invocations that are over; cheap where none is."""
        if self._unseen:
            unseen, self._unseen = self._unseen, []
            usage = self._usage()
            for after in unseen:
                after.append(usage)

    def connect(self, events: Dispatch) -> None:
        """Look at the platform's events.

        https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
        """
        events.on(platform_events.INIT_REPORT, self._init_report)
        events.on(platform_events.REPORT, self._report)

    def _init_report(self, event: Event) -> None:
        if duration_ms := _number(event, "durationMs"):
            self._tell_later(self._init, duration_ms / 1000, event.time_unix_ns)

    def _report(self, event: Event) -> None:
        if used_mb := _number(event, "maxMemoryUsedMB"):
            used_bytes = used_mb * _BYTES_PER_MB
            self.measure("faas.mem_usage", "By", used_bytes, event.request_id, event.time_unix_ns)

    def settle(self, resource: bytes) -> None:
        """Nothing more is to come; `resource` is for inits that no invocation followed."""
        self._tell_later(self._end_of_all, resource)

    def measure(
        self, name: str, unit: str, value: float, request_id: str, time_unix_ns: int
    ) -> None:
        """Record one value in a histogram; `unit` is a key of `_BOUNDS`."""
        self._tell_later(self._measure, name, unit, value, request_id, time_unix_ns)

    def add(
        self,
        name: str,
        unit: str,
        value: float,
        request_id: str,
        time_unix_ns: int,
        attributes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Add to a counter of invocation `request_id`, "" for none."""
        self._tell_later(self._add, name, unit, value, request_id, time_unix_ns, attributes)

    def set(self, name: str, unit: str, value: float, time_unix_ns: int) -> None:
        """Tell a gauge's value, of the environment."""
        self._tell_later(self._set, name, unit, value, time_unix_ns)

    def _tell_later(self, record: Callable[..., None], *arguments: Any) -> None:
        self._told.append((record, arguments))
        self._tells = True
        if len(self._told) > _MOST_TOLD:
            self.tell()

    def tell(self) -> None:
        """Record everything that was told since the last call."""
        self.look()
        while self._told:
            # What is recorded may bring more.
            told, self._told = self._told, []
            for record, arguments in told:
                record(*arguments)
        self._tells = False

    def _start(
        self,
        resource: bytes,
        request_id: str,
        facts: int,
        time_unix_ns: int,
        usage: Usage | None,
    ) -> None:
        self._resource, self._latest = resource, request_id
        trigger = facts & TRIGGER_MASK
        name = TRIGGERS[trigger] if trigger < len(TRIGGERS) else TRIGGERS[0]
        _remember(self._triggers, request_id, (_attribute("faas.trigger", name),))
        _remember(self._begun, request_id, (time_unix_ns, usage))
        if facts & FACT_COLDSTART:
            self._add("faas.coldstarts", "{coldstart}", 1, request_id, time_unix_ns)
        self._tell_inits()

    def _end(
        self, request_id: str, time_unix_ns: int, error_type: str, seen: list[Usage | None]
    ) -> None:
        begun = self._begun.pop(request_id, None)
        if begun is None:
            return
        (start_unix_ns, before), (after,) = begun, seen
        if not error_type:
            self._add("faas.invocations", "{invocation}", 1, request_id, time_unix_ns)
        else:
            self._add("faas.errors", "{error}", 1, request_id, time_unix_ns)
        if error_type == "timeout":
            self._add("faas.timeouts", "{timeout}", 1, request_id, time_unix_ns)
        duration_s = max(0, time_unix_ns - start_unix_ns) / 1e9
        self._measure("faas.invoke_duration", "s", duration_s, request_id, time_unix_ns)
        if before is not None and after is not None:
            used = Used(before, after)
            if used.cpu_s is not None:
                self._measure("faas.cpu_usage", "s", used.cpu_s, request_id, time_unix_ns)
            if used.network_bytes is not None:
                moved_bytes = used.network_bytes
                self._measure("faas.net_io", "By", moved_bytes, request_id, time_unix_ns)
        if self.enhanced is not None:
            self.enhanced.invocation(before, after, request_id, start_unix_ns, time_unix_ns)

    def _init(self, duration_s: float, time_unix_ns: int) -> None:
        # It names no request, and comes before the first: that one's trigger is what it was for.
        self._inits = [*self._inits, (duration_s, time_unix_ns)][-_MOST_INITS:]
        if self._resource:
            self._tell_inits()

    def _tell_inits(self) -> None:
        inits, self._inits = self._inits, []
        for duration_s, time_unix_ns in inits:
            self._measure("faas.init_duration", "s", duration_s, self._latest, time_unix_ns)

    def _end_of_all(self, resource: bytes) -> None:
        self._resource = self._resource or resource
        self._tell_inits()

    def _add(
        self,
        name: str,
        unit: str,
        value: float,
        request_id: str,
        time_unix_ns: int,
        attributes: tuple[tuple[str, str], ...] = (),
    ) -> None:
        if self._resource:
            told = self._triggers.get(request_id, ())
            if attributes:
                own = [_attribute(key, text) for key, text in attributes]
                told = tuple(sorted((*own, *told)))
            self._aggregation.add_to_sum(
                self._resource, SCOPE, name, unit, value, time_unix_ns, told
            )

    def _set(self, name: str, unit: str, value: float, time_unix_ns: int) -> None:
        if self._resource:
            point = Number(last=True)
            point.value, point.time_unix_ns = value, time_unix_ns
            self._aggregation.add_point(self._resource, SCOPE, name, unit, GAUGE, point)

    def _measure(
        self, name: str, unit: str, value: float, request_id: str, time_unix_ns: int
    ) -> None:
        if self._resource:
            bounds, attributes = _BOUNDS[unit], self._triggers.get(request_id, ())
            self._aggregation.record_in_histogram(
                self._resource, SCOPE, name, unit, value, bounds, time_unix_ns, attributes
            )


def _remember(kept: dict[str, Any], key: str, value: object) -> None:
    kept[key] = value
    if len(kept) > _MOST_REMEMBERED:
        del kept[next(iter(kept))]


def _attribute(key: str, text: str) -> bytes:
    return field(b"\x0a", key.encode()) + field(b"\x12", field(b"\x0a", text.encode()))


def _number(event: Event, name: str) -> float:
    metrics = event.record.get("metrics") if isinstance(event.record, dict) else None
    value = metrics.get(name) if isinstance(metrics, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    return value if 0 < value < 1e18 else 0.0
