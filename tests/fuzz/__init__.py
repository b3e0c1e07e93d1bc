"""Hostile bytes for what reads bytes: frames, telemetry posts, HTTP responses, metrics."""
