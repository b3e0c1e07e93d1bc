"""One OTLP/HTTP export: connection, proxy tunnel, TLS, signature, request, response."""
