"""S3 notifications. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/#datasource
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import Facts
from serverless_instrument.wrapper.events.s3_notifications import (
    is_notification,
    notification_attributes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json

infer = is_notification
outcome = source.outcome


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The bucket, and the operation; for a single object its key and time."""
    return Facts(None, "datasource", notification_attributes(event), {})
