"""The runtime client's own loop without a Runtime API: set-up of logging, handler, invocations.

Run beside the function's app.py; arguments: the handler to load and the number of invocations.
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

import awslambdaric.bootstrap as client
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller


class Api:
    """Hands out invocations; what is posted goes nowhere."""

    def __init__(self, count: int) -> None:
        self.marshaller = LambdaMarshaller()
        self._left = count
        self._count = count

    def wait_next_invocation(self) -> SimpleNamespace:
        if not self._left:
            raise SystemExit(0)
        self._left -= 1
        return SimpleNamespace(
            invoke_id=f"request-{self._count - self._left}",
            x_amzn_trace_id=None,
            invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:shop",
            deadline_time_in_ms=int(time.time() * 1000) + 60_000,
            client_context=None,
            cognito_identity=None,
            tenant_id=None,
            invocation_id=None,
            content_type="application/json",
            event_body="{}",
        )

    def __getattr__(self, name: str) -> Any:
        assert name.startswith("post_")
        return lambda *_: None


client.run(sys.argv[1], Api(int(sys.argv[2])))
