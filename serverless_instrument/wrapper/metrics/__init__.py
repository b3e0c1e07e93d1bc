"""Metrics that the function records: our API, OpenTelemetry's meters, the SDK's readers."""
