"""Kinesis Data Analytics for SQL: a preprocessing function, and one that results are sent to.

https://docs.aws.amazon.com/kinesisanalytics/latest/dev/lambda-preprocessing-data-model.html
https://docs.aws.amazon.com/kinesisanalytics/latest/dev/how-it-works-output-lambda.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome

# A stream's ARN is shorter; a made-up one must not cost the function time.
_ARN_CHARACTERS = 2048


def infer(event: object) -> bool:
    """An application, and records of a stream that it reads or of results."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("applicationArn"), str)
        and isinstance(event.get("records"), list)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The stream; its records are the application's, whose producers it does not name."""
    stream_arn = text(event.get("streamArn"))[:_ARN_CHARACTERS]
    attributes = {"aws.kinesis.stream_name": stream_arn.rpartition("/")[2]}
    return source.facts("aws:kinesisanalytics", trigger="pubsub", attributes=attributes)
