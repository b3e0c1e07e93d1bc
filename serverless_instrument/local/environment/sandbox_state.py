"""States of a runtime and of an extension, and the calls allowed in each, as tables. Pure.

Names of states and the wording of a refusal are those of AWS's runtime interface emulator
(https://github.com/aws/aws-lambda-runtime-interface-emulator).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Runtime states
STARTED, READY, RUNNING, RESPONSE_SENT = "Started", "Ready", "Running", "ResponseSent"
INIT_ERROR = "InitError"
# Extension states, besides Started, Ready, Running and InitError
REGISTERED, EXIT_ERROR, EXITED, LAUNCH_ERROR = "Registered", "ExitError", "Exited", "LaunchError"

# (state, call) -> next state. A call without an entry is refused.
RUNTIME_CALLS = {
    (STARTED, "next"): READY,
    (STARTED, "init/error"): INIT_ERROR,
    (READY, "next"): READY,
    (READY, "invoke"): RUNNING,
    # A runtime that lost the answer asks again and gets the same invocation.
    (RUNNING, "next"): RUNNING,
    (RUNNING, "response"): RESPONSE_SENT,
    (RUNNING, "error"): RESPONSE_SENT,
    (RESPONSE_SENT, "next"): READY,
}
EXTENSION_CALLS = {
    (STARTED, "register"): REGISTERED,
    (REGISTERED, "next"): READY,
    (REGISTERED, "init/error"): INIT_ERROR,
    (REGISTERED, "exit/error"): EXIT_ERROR,
    (READY, "next"): READY,
    (READY, "invoke"): RUNNING,
    (READY, "shutdown"): RUNNING,
    (READY, "exit/error"): EXIT_ERROR,
    (RUNNING, "next"): READY,
    (RUNNING, "exit/error"): EXIT_ERROR,
}
# The state that a refused call would have led to, as the refusal names it.
_GOALS = {
    "register": REGISTERED,
    "next": READY,
    "init/error": INIT_ERROR,
    "exit/error": EXIT_ERROR,
    "response": "InvocationResponse",
    "error": "InvocationErrorResponse",
}

INVOKE, SHUTDOWN = "INVOKE", "SHUTDOWN"


class RefusedError(Exception):
    """A call that the contract answers with an error document.

    Attributes:
        status: the HTTP status, 4xx.
        error_type: ``errorType`` of the document.
        message: ``errorMessage`` of the document.
    """

    def __init__(self, error_type: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message


@dataclass
class RuntimeState:
    """The runtime process as the Runtime API sees it."""

    state: str = STARTED

    def apply_call(self, call: str) -> None:
        """Change the state as the table says. Raises `RefusedError` where it has no such call."""
        step = RUNTIME_CALLS.get((self.state, call))
        if step is None:
            raise RefusedError(
                "InvalidStateTransition",
                f"State transition from {self.state} to {_GOALS[call]} failed for runtime. "
                "Error: State transition is not allowed",
            )
        self.state = step


@dataclass
class ExtensionState:
    """One extension as the Extensions API sees it.

    Attributes:
        name: ``Lambda-Extension-Name``; for an external one also its file name.
        identifier: assigned by register; identifies the extension in every later request.
        external: a process of its own, not a part of the runtime process.
        events: what it registered for.
        inbox: the event to answer its pending /next with.
        error_type: from init/error or exit/error.
    """

    name: str
    identifier: str
    external: bool
    state: str = STARTED
    events: tuple[str, ...] = ()
    inbox: dict[str, Any] | None = None
    error_type: str | None = field(default=None)

    def apply_call(self, call: str) -> None:
        """Change the state as the table says. Raises `RefusedError` where it has no such call."""
        step = EXTENSION_CALLS.get((self.state, call))
        if step is None:
            who = self.name if call == "register" else self.identifier
            raise RefusedError(
                "Extension.InvalidExtensionState",
                f"State transition from {self.state} to {_GOALS[call]} failed for extension {who}."
                " Error: State transition is not allowed",
            )
        self.state = step

    def deliver_event(self, event: dict[str, Any]) -> bool:
        """Put `event` in the inbox; False if the extension did not subscribe or does not wait."""
        kind = event["eventType"]
        if kind not in self.events or self.state != READY:
            return False
        self.apply_call(kind.lower())
        self.inbox = event
        return True


def validate_events(events: object, *, external: bool) -> tuple[str, ...]:
    """The events of a register request.

    Raises:
        RefusedError: not a list of event names, or SHUTDOWN from an internal extension.
    """
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        raise RefusedError("InvalidRequestFormat", "events must be a list of strings")
    for event in events:
        if event not in {INVOKE, SHUTDOWN}:
            raise RefusedError("Extension.InvalidEventType", f"{event}: ErrorInvalidEventType")
        if event == SHUTDOWN and not external:
            message = "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"
            raise RefusedError("Extension.InvalidEventType", message)
    return tuple(dict.fromkeys(events))
