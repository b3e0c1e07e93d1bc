"""Lambda durable functions: the start of an execution, and its replays. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/durable-functions.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload, source
from serverless_instrument.wrapper.events.base import dictionary, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

# A longer input is not decoded for its trace context: that would cost the function milliseconds.
_INPUT_CHARACTERS = 16_384
_MARKS = ('"traceparent"', '"b3"', '"x-b3-', '"X-B3-', '"x-amzn-trace-id"', '"X-Amzn-Trace-Id"')

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it has an execution and its checkpoint token."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("DurableExecutionArn"), str)
        and isinstance(event.get("CheckpointToken"), str)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The trace context of the execution's input, so that all replays have one parent.

    The first operation is the execution; its input is JSON in a string.
    """
    operations = dictionary(event.get("InitialExecutionState")).get("Operations")
    first = dictionary(operations[0]) if isinstance(operations, list) and operations else {}
    given = text(dictionary(first.get("ExecutionDetails")).get("InputPayload"))
    return source.facts("aws:lambda:durable", _carrier(given))


def _carrier(document: str) -> dict[str, str]:
    if len(document) > _INPUT_CHARACTERS or not any(mark in document for mark in _MARKS):
        return {}
    from serverless_instrument.wrapper.records.primitives import json_loads

    try:
        return payload.carrier(json_loads(document))
    except (ValueError, RecursionError):
        return {}
