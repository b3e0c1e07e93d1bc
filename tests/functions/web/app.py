"""Answers as its event asks, and tells what it sees of its own environment."""

import json
import os
import sys


class OutOfStockError(LookupError):
    """Raised on request."""


def find(item):
    raise OutOfStockError(f"no {item} left")


def handler(event, context):
    wanted = event.get("wanted", {})
    if wanted.get("raise"):
        find(wanted["raise"])
    seen = {
        "request_id": context.aws_request_id,
        "handler": os.environ.get("_HANDLER"),
        "saved_handler": os.environ.get("SERVERLESS_INSTRUMENT_HANDLER"),
        "opentelemetry": "opentelemetry" in sys.modules,
        "wrapt": "wrapt" in sys.modules,
        "python": "%d.%d" % sys.version_info[:2],
        "event": event,
    }
    print("served", context.aws_request_id)
    return {"statusCode": wanted.get("status", 200), "body": json.dumps(seen)}
