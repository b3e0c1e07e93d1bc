"""Sockets that telemetry of the function comes in by, read in the order that the loop needs."""

from __future__ import annotations

from time import time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable
    from select import poll

    from serverless_instrument.forwarder.connections import Connections
    from serverless_instrument.forwarder.delivery.delivery import Delivery
    from serverless_instrument.forwarder.inputs.otlp_receiver import OtlpReceiver
    from serverless_instrument.forwarder.inputs.statsd_listener import StatsdListener


def open_otlp(listener: socket, poller: poll, delivery: Delivery) -> OtlpReceiver:
    """The receiver of OTLP/HTTP on `listener`, of other processes."""
    from serverless_instrument.forwarder.inputs.otlp_receiver import OtlpReceiver

    return OtlpReceiver(listener, poller, delivery.take_request)


def open_statsd(
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

    metrics = StatsdMetrics(delivery.batch, delivery.tally, report, exponential=exponential)
    return StatsdListener(bound, poller, metrics)


def open_emf(
    delivery: Delivery, report: Callable[[str, str], None], *, exponential: bool
) -> Callable[[str, bytes, int], None]:
    """What reads lines of the embedded metric format; see `open_statsd` and `LogIntake`."""
    from serverless_instrument.forwarder.inputs.emf_metrics import EmfMetrics

    return EmfMetrics(delivery.batch, delivery.tally, report, exponential=exponential).line


class Receivers:
    """Connections of runtimes, and OTLP and StatsD where they are asked for.

    Each has registered its sockets with the loop's poller, and reads those that are ready.
    """

    __slots__ = ("_connections", "_otlp", "_statsd")

    def __init__(
        self,
        connections: Connections,
        otlp: OtlpReceiver | None = None,
        statsd: StatsdListener | None = None,
    ) -> None:
        self._connections = connections
        self._otlp = otlp
        self._statsd = statsd

    @property
    def resume_at_s(self) -> float:
        """When to call `resume_listening` (monotonic), infinity for never."""
        return self._connections.resume_at_s

    def resume_listening(self, now_s: float) -> None:
        """Accept connections again, if descriptors were short and it is time to try."""
        self._connections.resume_listening(now_s)

    def receive(self, ready: set[int], resource: bytes) -> list[str]:
        """Read from descriptors in `ready`; see `Connections.receive`.

        `resource` is the function's, which StatsD does not name.
        """
        if self._otlp is not None:
            self._otlp.receive(ready)
        happened = self._connections.receive(ready)
        if self._statsd is not None:
            # What was sent before END leaves with it.
            self._statsd.receive(resource, time_ns(), whole=bool(happened))
        return happened

    def receive_last(self, resource: bytes) -> None:
        """Read what there is: nothing more will come."""
        self._connections.receive_last()
        if self._otlp is not None:
            self._otlp.receive_last()
        if self._statsd is not None:
            self._statsd.receive(resource, time_ns(), whole=True)
