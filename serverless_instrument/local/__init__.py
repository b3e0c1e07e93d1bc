"""A local Lambda for development and tests: its APIs, its processes and an OTLP receiver.

Needs the ``local`` extra; the runtime and forwarder processes never import it.
"""
