"""The others beside us: what each costs over the bare runtime, in one interleaved run.

Each runs as its own layer or documentation would run it, with the real awslambdaric, against a
stub of the Lambda APIs and a sink on loopback that takes any telemetry at once.
"""
