"""How invocations and inits end: crashes, timeouts, failed inits, the span of a cold start."""
