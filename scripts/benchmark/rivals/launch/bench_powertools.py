"""Powertools' documented decorator around the function's handler."""

import importlib
import os

from aws_lambda_powertools import Tracer

tracer = Tracer()
_module, _, _name = os.environ["BENCH_HANDLER"].rpartition(".")
handler = tracer.capture_lambda_handler(getattr(importlib.import_module(_module), _name))
