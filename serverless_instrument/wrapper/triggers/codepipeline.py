"""CodePipeline invoke actions.

https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """A job."""
    return isinstance(event, dict) and isinstance(event.get("CodePipeline.job"), dict)


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """A job; its data hold temporary credentials and are not recorded."""
    return source.facts("aws:codepipeline")
