"""A local Lambda: Runtime, Extensions and Telemetry APIs on loopback, and an OTLP receiver.

Needs the ``local`` extra; the runtime and forwarder processes never import it.
"""
