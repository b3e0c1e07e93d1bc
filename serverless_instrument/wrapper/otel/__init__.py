"""OpenTelemetry in the function: tracer on the API alone, the SDK's provider, propagators."""
