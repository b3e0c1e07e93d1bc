"""Everything that measures, brought together; loaded where metrics go anywhere."""

from __future__ import annotations

import posix
from time import monotonic, time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Mapping
    from select import poll

    from serverless_instrument.forwarder.connections import Connections
    from serverless_instrument.forwarder.delivery.delivery import Delivery
    from serverless_instrument.forwarder.faas_metrics.enhanced_metrics import EnhancedMetrics
    from serverless_instrument.forwarder.faas_metrics.recorder import FaasMetrics
    from serverless_instrument.forwarder.inputs.statsd_listener import StatsdListener
    from serverless_instrument.forwarder.outcomes.outcomes import Endings
    from serverless_instrument.forwarder.telemetry_api.telemetry import Telemetry

_NEVER = float("inf")


class Metrics:
    """Invocations, what they use, StatsD and the embedded metric format.

    Args:
        delivery: its batch takes measurements, its tally what cannot be read.
        report: see `Delivery`.
        exponential: whether histograms of others' values are exponential.
    """

    def __init__(
        self, delivery: Delivery, report: Callable[[str, str], None], *, exponential: bool
    ) -> None:
        self._delivery = delivery
        self._report = report
        self._exponential = exponential
        self._statsd: StatsdListener | None = None
        self._enhanced: EnhancedMetrics | None = None

    def serve_statsd(self, bound: socket, poller: poll) -> None:
        """Take StatsD of the function from `bound`."""
        from serverless_instrument.forwarder.inputs.statsd_listener import StatsdListener
        from serverless_instrument.forwarder.inputs.statsd_metrics import StatsdMetrics

        metrics = StatsdMetrics(
            self._delivery.batch, self._delivery.tally, self._report, exponential=self._exponential
        )
        self._statsd = StatsdListener(bound, poller, metrics)

    def load(self, environ: Mapping[str, str], registered_unix_ns: int) -> None:
        """Load what counts and measures invocations."""
        from serverless_instrument.forwarder.faas_metrics import enhanced_metrics
        from serverless_instrument.forwarder.faas_metrics.proc_stats import Reader
        from serverless_instrument.forwarder.faas_metrics.recorder import FaasMetrics

        self._delivery.batch.metrics.since_unix_ns = registered_unix_ns
        warnings: list[str] = []
        enhanced = enhanced_metrics.wanted(environ, warnings)
        for warning in warnings:
            self._report(warning, warning)
        self._reader = Reader(enhanced=enhanced)
        self._faas = FaasMetrics(self._delivery.batch, self._reader.usage)
        if enhanced:
            self._enhanced = self._faas.enhanced = self._enhanced_metrics(environ, self._faas)

    def _enhanced_metrics(self, environ: Mapping[str, str], faas: FaasMetrics) -> EnhancedMetrics:
        from serverless_instrument.forwarder.faas_metrics import (
            cost,
            enhanced_metrics,
            proc_sampler,
        )

        prices = cost.Prices(environ, posix.uname().machine)
        for warning in prices.warnings:
            self._report(warning, warning)
        sample, limits = proc_sampler.sample, proc_sampler.limits
        return enhanced_metrics.EnhancedMetrics(faas, prices, sample, limits, monotonic)

    def connect(self, telemetry: Telemetry, endings: Endings, connections: Connections) -> None:
        """Be told by the platform, of what never ends, and by runtimes' frames."""
        self._faas.connect(telemetry.events)
        if self._enhanced is not None:
            self._enhanced.connect(telemetry.events)
        endings.faas, endings.enhanced = self._faas, self._enhanced
        connections.measure(self._faas, self._reader, self._enhanced)
        if telemetry.takes_emf:
            from serverless_instrument.forwarder.inputs.emf_metrics import EmfMetrics

            emf = EmfMetrics(
                self._delivery.batch,
                self._delivery.tally,
                self._report,
                exponential=self._exponential,
            )
            telemetry.logs.emf = emf.line

    def receive(self, resource: bytes, *, whole: bool) -> None:
        """Read StatsD; everything there is if `whole`."""
        if self._statsd is not None:
            self._statsd.receive(resource, time_ns(), whole=whole)

    def over(self) -> None:
        """See what was used by invocations that are over."""
        self._faas.look()

    def idle(self) -> None:
        """Nothing runs any more that could be looked at."""
        if self._enhanced is not None:
            self._enhanced.peaks.stop()

    @property
    def look_at_s(self) -> float:
        """When to `look` (monotonic); never where nothing runs."""
        return self._enhanced.peaks.at_s if self._enhanced is not None else _NEVER

    def look(self, now_s: float) -> None:
        """See what a running invocation holds, if it is time."""
        if self._enhanced is not None and now_s >= self._enhanced.peaks.at_s:
            self._enhanced.look()
