"""Step Functions: a task that gets the execution's context object, whole or as one member. Pure.

A task with an input of its own is a direct invocation.
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload, source
from serverless_instrument.wrapper.events.base import dictionary, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """Whether it has an execution and its state machine or state."""
    if not isinstance(event, dict):
        return False
    context = _context(event)
    return isinstance(context.get("Execution"), dict) and (
        isinstance(context.get("StateMachine"), dict) or isinstance(context.get("State"), dict)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The state machine. https://opentelemetry.io/docs/specs/semconv/registry/attributes/aws/

    The trace context is that of the task's own input, else that of the execution's input.
    """
    context = _context(event)
    machine = dictionary(context.get("StateMachine"))
    attributes = {"aws.step_functions.state_machine.arn": text(machine.get("Id"))}
    execution = dictionary(context.get("Execution"))
    carrier = payload.carrier(event) or payload.carrier(execution.get("Input"))
    return source.facts("aws:states", carrier, attributes=attributes)


def _context(event: Json) -> Json:
    if "Execution" in event:
        return event
    return dictionary(event.get("Context")) or dictionary(event.get("context"))
