"""S3 Object Lambda: GetObject, HeadObject and the listings of an access point. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/olap-event-context.html
"""

from __future__ import annotations

from itertools import islice

from serverless_instrument.wrapper.events import payload, source
from serverless_instrument.wrapper.events.base import dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it has a user's request to an access point."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("xAmzRequestId"), str)
        and isinstance(event.get("userRequest"), dict)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The user's request and its headers' trace context; its presigned URL is not recorded."""
    headers = dictionary(dictionary(event.get("userRequest")).get("headers"))
    lower = {name.lower(): value for name, value in islice(headers.items(), 256)}
    return source.facts("aws:s3:object-lambda", payload.carrier(lower))
