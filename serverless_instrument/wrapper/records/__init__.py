"""Spans, logs and errors as records, their encoding in OTLP, and trace context headers."""
