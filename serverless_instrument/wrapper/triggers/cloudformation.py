"""CloudFormation custom resources.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """A request about one resource of a stack; the frameworks of CDK leave out ``ResponseURL``."""
    return isinstance(event, dict) and all(
        isinstance(event.get(key), str) for key in ("RequestType", "StackId", "LogicalResourceId")
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """A stack operation; properties may hold secrets and are not recorded."""
    return source.facts("aws:cloudformation")
