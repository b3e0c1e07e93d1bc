"""What listens where a setting asks for it: OTLP over HTTP, StatsD.

Loaded only then. Bound before the runtime starts, like the socket of the runtimes: an exporter may
try but once, and nobody tells a StatsD client what has been lost.
"""

from __future__ import annotations

from serverless_instrument.forwarder.destinations import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Mapping


def listen(environ: Mapping[str, str]) -> tuple[socket | None, socket | None, list[str]]:
    """(listener for OTLP, socket for StatsD, why there is none that was asked for)."""
    otlp = statsd = None
    port, otlp_problem = settings.receiver_port(environ)
    if port:
        from serverless_instrument.forwarder.inputs import otlp_receiver

        otlp, otlp_problem = otlp_receiver.listen(port)
    port, statsd_problem = settings.statsd_port(environ)
    if port:
        from serverless_instrument.forwarder.inputs import statsd_listener

        statsd, statsd_problem = statsd_listener.listen(port)
    return otlp, statsd, [otlp_problem, statsd_problem]
