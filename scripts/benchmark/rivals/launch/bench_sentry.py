"""Sentry's documented start, before the function is loaded."""

import importlib
import os

import awslambdaric.__main__
import sentry_sdk
from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration

import __main__

# Sentry finds the runtime client by the name it has in the managed runtime's own start script.
__main__.awslambdaricmain = awslambdaric.__main__
sentry_sdk.init(integrations=[AwsLambdaIntegration(timeout_warning=True)], traces_sample_rate=1.0)
_module, _, _name = os.environ["BENCH_HANDLER"].rpartition(".")
handler = getattr(importlib.import_module(_module), _name)
