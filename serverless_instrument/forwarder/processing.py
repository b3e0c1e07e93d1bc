"""What the first frame and the first event need, put together; loaded after the first /next."""

from __future__ import annotations

from time import time_ns

from serverless_instrument import environment
from serverless_instrument.forwarder.connections import Connections
from serverless_instrument.forwarder.event_loop.flush_control import Drain
from serverless_instrument.forwarder.intake import Intake
from serverless_instrument.forwarder.outcomes.outcomes import Outcomes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Mapping
    from select import poll

    from serverless_instrument.forwarder.delivery.delivery import Delivery
    from serverless_instrument.forwarder.faas_metrics.function_metrics import FunctionMetrics
    from serverless_instrument.forwarder.inputs.otlp_receiver import OtlpReceiver
    from serverless_instrument.forwarder.inputs.statsd_listener import StatsdListener
    from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake
    from serverless_instrument.forwarder.telemetry_api.telemetry import Telemetry


class Receivers:
    """Connections of runtimes, and OTLP and StatsD where they are asked for.

    Each has registered its sockets with the loop's poller, and reads those that are ready.

    Args:
        connections: of runtimes.
        logs: has the function's resource, which StatsD does not name.
        otlp: None where it is not asked for.
        statsd: likewise.
    """

    __slots__ = ("_connections", "_logs", "_otlp", "_statsd")

    def __init__(
        self,
        connections: Connections,
        logs: LogIntake,
        otlp: OtlpReceiver | None = None,
        statsd: StatsdListener | None = None,
    ) -> None:
        self._connections = connections
        self._logs = logs
        self._otlp = otlp
        self._statsd = statsd

    @property
    def resume_at_s(self) -> float:
        """When to call `resume_listening` (monotonic), infinity for never."""
        return self._connections.resume_at_s

    def resume_listening(self, now_s: float) -> None:
        """Accept connections again, if descriptors were short and it is time to try."""
        self._connections.resume_listening(now_s)

    def receive(self, ready: set[int]) -> list[str]:
        """Read from descriptors in `ready`; see `Connections.receive`."""
        if self._otlp is not None:
            self._otlp.receive(ready)
        happened = self._connections.receive(ready)
        if self._statsd is not None:
            # After the connections: HELLO has the resource, and what was sent before END leaves
            # with it.
            self._statsd.receive(self._logs.resource, time_ns(), whole=bool(happened))
        return happened

    def receive_last(self) -> None:
        """Read what there is: nothing more will come."""
        self._connections.receive_last()
        if self._otlp is not None:
            self._otlp.receive_last()
        if self._statsd is not None:
            self._statsd.receive(self._logs.resource, time_ns(), whole=True)


class Sockets:
    """What was bound before the runtime started; None for what is not wanted or not possible.

    `runtimes` and `otlp` listen, `statsd` takes datagrams, and `parent` is the descriptor of a
    connection to the runtime process that started this one, -1 for none.
    """

    __slots__ = ("otlp", "parent", "runtimes", "statsd")

    def __init__(
        self,
        runtimes: socket | None,
        otlp: socket | None = None,
        statsd: socket | None = None,
        parent: int = -1,
    ) -> None:
        self.runtimes = runtimes
        self.otlp = otlp
        self.statsd = statsd
        self.parent = parent


class Processing:
    """Receivers, and everything that is told of what they receive.

    Args:
        environ: of the function.
        registered_unix_ns: when this extension had registered.
        sockets: to receive from.
        poller: the loop's.
        telemetry: loaded here.
        delivery: takes the telemetry.
        report: see `Delivery`.
        takes_metrics: whether metrics have a destination.
        exponential: whether histograms of StatsD and EMF are exponential.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        registered_unix_ns: int,
        sockets: Sockets,
        poller: poll,
        telemetry: Telemetry,
        delivery: Delivery,
        report: Callable[[str, str], None],
        *,
        takes_metrics: bool,
        exponential: bool,
    ) -> None:
        batch = delivery.batch
        # Also where no pattern of the setting can be used: the runtime leaves the limits to us.
        if environment.has_masks(environ):
            from serverless_instrument.forwarder.patterns.otlp_masking import masking_of

            batch.masking = masking_of(environ, telemetry.patterns, report)
        emf = otlp = statsd = None
        if telemetry.takes_emf:
            emf = _open_emf(delivery, report, exponential=exponential)
        if sockets.otlp is not None:
            otlp = _open_otlp(sockets.otlp, poller, delivery)
        if sockets.statsd is not None and takes_metrics:
            # A datagram that cannot be used is shown in the log, which leaves, too.
            mask = telemetry.patterns.mask
            statsd = _open_statsd(
                sockets.statsd,
                poller,
                delivery,
                lambda subject, text: report(subject, mask(text)),
                exponential=exponential,
            )
        telemetry.load(emf)
        self.metrics: FunctionMetrics | None = None
        if takes_metrics:
            from serverless_instrument.forwarder.faas_metrics import function_metrics

            batch.metrics.since_unix_ns = registered_unix_ns
            self.metrics = function_metrics.load(environ, batch.metrics, report)
        self.outcomes = Outcomes(environ, batch, registered_unix_ns, self.metrics)
        self.outcomes.subscribe(telemetry.events)
        if self.metrics is not None:
            self.metrics.subscribe(telemetry.events)
        intake = Intake(batch, telemetry.logs, self.outcomes, self.metrics)
        self.connections = Connections(sockets.runtimes, poller, intake, delivery, report)
        if sockets.parent >= 0:
            self.connections.adopt_parent(sockets.parent)
        self.receivers = Receivers(self.connections, telemetry.logs, otlp, statsd)
        self.drain = Drain(telemetry, self.outcomes, delivery)


def _open_otlp(listener: socket, poller: poll, delivery: Delivery) -> OtlpReceiver:
    """The receiver of OTLP/HTTP on `listener`, of other processes."""
    from serverless_instrument.forwarder.inputs.otlp_receiver import OtlpReceiver

    return OtlpReceiver(listener, poller, delivery.add_request)


def _open_statsd(
    bound: socket,
    poller: poll,
    delivery: Delivery,
    report: Callable[[str, str], None],
    *,
    exponential: bool,
) -> StatsdListener:
    """The listener for StatsD on `bound`; histograms are `exponential` or have fixed buckets."""
    from serverless_instrument.forwarder.inputs.statsd_listener import StatsdListener
    from serverless_instrument.forwarder.inputs.statsd_metrics import StatsdMetrics

    metrics = StatsdMetrics(delivery.batch, delivery.counts, report, exponential=exponential)
    return StatsdListener(bound, poller, metrics)


def _open_emf(
    delivery: Delivery, report: Callable[[str, str], None], *, exponential: bool
) -> Callable[[str, bytes, int], None]:
    """What reads lines of the embedded metric format; see `open_statsd` and `LogIntake`."""
    from serverless_instrument.forwarder.inputs.emf_metrics import EmfMetrics

    return EmfMetrics(delivery.batch, delivery.counts, report, exponential=exponential).add_line
