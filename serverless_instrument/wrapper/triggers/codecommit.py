"""CodeCommit repository triggers. Pure.

https://docs.aws.amazon.com/codecommit/latest/userguide/how-to-notify-lambda.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches, source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it has records of a repository."""
    return batches.are_records_of(event, "aws:codecommit")


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The repository."""
    arns = batches.records_key(event, "eventSourceARN")
    # https://opentelemetry.io/docs/specs/semconv/registry/attributes/vcs/
    name = batches.agreed(arn.rpartition(":")[2] for arn in arns)
    return source.facts("aws:codecommit", attributes={"vcs.repository.name": name})
