"""CodeDeploy lifecycle hooks, as of Lambda and ECS deployments.

https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """A deployment, and the execution of a hook to answer."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("DeploymentId"), str)
        and isinstance(event.get("LifecycleEventHookExecutionId"), str)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The deployment, in the words of https://opentelemetry.io/docs/specs/semconv/registry/attributes/deployment/."""
    attributes = {"deployment.id": text(event.get("DeploymentId"))}
    return source.facts("aws:codedeploy", attributes=attributes)
