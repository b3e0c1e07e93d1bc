"""OpenTelemetry instrumentation for Python on AWS Lambda.

Importing this package imports nothing else: it is on the cold-start path of every function.
"""

__version__ = "0.1.0"
