"""Servers that tests talk to: HTTP, OTLP, TLS, proxy, AWS and Lambda's APIs, on loopback."""
