"""The handler the OpenTelemetry layers redirect to: instrument, then load the function's own."""

import importlib
import os

from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor

# The instrumentation patches what ORIG_HANDLER, else _HANDLER names.
os.environ["ORIG_HANDLER"] = os.environ["BENCH_HANDLER"]
AwsLambdaInstrumentor().instrument()
_module, _, _name = os.environ["BENCH_HANDLER"].rpartition(".")
handler = getattr(importlib.import_module(_module), _name)
