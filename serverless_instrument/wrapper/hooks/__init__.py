"""Client libraries: instrumented when the function imports them, and only then."""
