"""A function's process without Lambda: calls the handler that ``bootstrap`` makes, or its own.

Copied beside the function's app.py and run there; argument: the file for the results.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

from awslambdaric.lambda_context import LambdaContext

if TYPE_CHECKING:
    from collections.abc import Callable

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:shop"


def call(handler: Callable[[object, object], object], event: object, number: int) -> object:
    deadline_unix_ms = int((time.time() + 60) * 1000)
    context = LambdaContext(f"request-{number}", None, None, deadline_unix_ms, ARN)
    try:
        return handler(event, context)
    except BaseException as error:
        return {"raised": f"{type(error).__name__}: {error}"}


def main() -> None:
    if os.environ.get("SERVERLESS_INSTRUMENT_HANDLER"):
        from serverless_instrument.wrapper.bootstrap import handler
    else:
        from app import handler  # type: ignore[import-not-found,no-redef] # beside this file

    with open(sys.argv[1]) as file:
        events = json.load(file)
    results = [call(handler, event, number) for number, event in enumerate(events, 1)]
    with open(sys.argv[1], "w") as file:
        json.dump(results, file)


main()
