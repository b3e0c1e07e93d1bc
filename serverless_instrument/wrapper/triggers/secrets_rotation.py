"""Secrets Manager: a step of a rotation.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """A secret and a step."""
    return isinstance(event, dict) and all(
        isinstance(event.get(key), str) for key in ("ClientRequestToken", "SecretId", "Step")
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The secret, in the words of https://opentelemetry.io/docs/specs/semconv/registry/attributes/aws/."""
    attributes = {"aws.secretsmanager.secret.arn": text(event.get("SecretId"))}
    return source.facts("aws:secretsmanager", attributes=attributes)
