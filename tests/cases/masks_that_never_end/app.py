"""Values that the patterns of OPTIONS take for ever on, in every place that a function can fill."""

import json
import logging

from serverless_instrument import capture_error, create_span, metric, set_attribute

NEVER_ENDING = "a" * 60 + "!"
# Of many short attempts, between which CPython's ``re`` does not look for signals.
LONG_RUN = " " * 300_000 + "x"


def handler(event, context):
    print("printed", NEVER_ENDING)
    print(json.dumps({"message": "told", "deep": [NEVER_ENDING]}))
    logging.getLogger("shop").error("logged %s", NEVER_ENDING, extra={"more": LONG_RUN})
    set_attribute("attribute", NEVER_ENDING)
    with create_span(f"span {NEVER_ENDING}"):
        metric("shop.orders", 1, attributes={"customer": NEVER_ENDING}, kind="counter")
    if event.get("fails"):
        capture_error(ValueError(NEVER_ENDING))
    return {"given": event, "text": NEVER_ENDING}
