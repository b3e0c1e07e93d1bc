"""What work costs: spans, log lines, many invocations, the end of one, minutes at a high rate."""
