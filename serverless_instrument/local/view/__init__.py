"""What a terminal shows of telemetry: traces, log lines, tables of metrics."""
