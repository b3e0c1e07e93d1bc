"""How cost grows: spans and log lines in one invocation, and invocations in one environment."""
