"""What the first frame and the first event need, put together; loaded after the first /next."""

from __future__ import annotations

from serverless_instrument.forwarder import receivers
from serverless_instrument.forwarder.connections import Connections
from serverless_instrument.forwarder.drain import Drain
from serverless_instrument.forwarder.intake import Intake
from serverless_instrument.forwarder.outcomes.outcomes import Outcomes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Mapping
    from select import poll

    from serverless_instrument.forwarder.delivery.delivery import Delivery
    from serverless_instrument.forwarder.faas_metrics.function_metrics import FunctionMetrics
    from serverless_instrument.forwarder.telemetry_api.telemetry import Telemetry


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
        emf = otlp = statsd = None
        if telemetry.takes_emf:
            emf = receivers.open_emf(delivery, report, exponential=exponential)
        if sockets.otlp is not None:
            otlp = receivers.open_otlp(sockets.otlp, poller, delivery)
        if sockets.statsd is not None and takes_metrics:
            statsd = receivers.open_statsd(
                sockets.statsd, poller, delivery, report, exponential=exponential
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
        self.receivers = receivers.Receivers(self.connections, otlp, statsd)
        self.drain = Drain(self.receivers, telemetry, self.outcomes, delivery)
