"""SES: an e-mail received, by a receipt rule. Pure.

https://docs.aws.amazon.com/ses/latest/dg/receiving-email-action-lambda-event.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches, source
from serverless_instrument.wrapper.events.base import dictionary, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it has records of a receipt rule."""
    return batches.are_records_of(event, "aws:ses")


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The message's id; sender and recipients are not recorded."""
    mail = dictionary(dictionary(dictionary(event["Records"][0]).get("ses")).get("mail"))
    return source.facts("aws:ses", attributes={"messaging.message.id": text(mail.get("messageId"))})
