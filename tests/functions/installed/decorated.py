"""A function that carries the package and asks for it in its code, by the decorator alone."""

import os

from serverless_instrument import create_span, instrument, set_attribute


@instrument
def handler(event, context):
    set_attribute("tea", "green")
    with create_span("brew"):
        return {"statusCode": 200, "body": "tea", "pid": os.getpid()}


@instrument(attributes={"team": "tea"})
def raises(event, context):
    raise ValueError("on purpose")
