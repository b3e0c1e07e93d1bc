"""Amazon Bedrock agents: an action group with an API schema or with function details.

https://docs.aws.amazon.com/bedrock/latest/userguide/agents-lambda.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload, source
from serverless_instrument.wrapper.events.base import dictionary, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """An action group, called by an agent."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("actionGroup"), str)
        and isinstance(event.get("agent"), dict)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The agent and the tool it uses, in the words of the generative AI conventions.

    https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/; what was said is not
    recorded. An API's operation is its method and its path, which is a template.
    """
    agent = dictionary(event.get("agent"))
    operation = f"{text(event.get('httpMethod'))} {text(event.get('apiPath'))}".strip()
    attributes = {
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.agent.id": text(agent.get("id")),
        "gen_ai.agent.name": text(agent.get("name")),
        "gen_ai.conversation.id": text(event.get("sessionId")),
        "gen_ai.tool.name": text(event.get("function")) or operation,
    }
    carrier = payload.carrier(event.get("sessionAttributes"))
    return source.facts("aws:bedrock", carrier, attributes=attributes)
