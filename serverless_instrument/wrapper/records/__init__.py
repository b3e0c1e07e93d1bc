"""Spans and errors as records of ours, their OTLP bytes, trace context in and out."""
