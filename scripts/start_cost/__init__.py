"""What instrumentation adds to a cold start, measured against the bare runtime.

Real awslambdaric and the real forwarder, against a stub of the two Lambda APIs that knows just
enough to see each process ask for its first event.
"""
