"""The APIs that Lambda serves to a function's processes: Runtime, Extensions, Telemetry."""
