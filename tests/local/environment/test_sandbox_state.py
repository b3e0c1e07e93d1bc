"""The tables of states: every step that is allowed, and that no other is."""

from __future__ import annotations

import uuid

import pytest

from serverless_instrument.local.environment import sandbox_state as states
from serverless_instrument.local.environment.sandbox_state import (
    ExtensionState,
    RefusedError,
    RuntimeState,
    validate_events,
)


def extension(state: str, *events: str) -> ExtensionState:
    return ExtensionState("ext", str(uuid.UUID(int=1)), external=True, state=state, events=events)


@pytest.mark.parametrize("call", ["next", "init/error", "response", "error"])
@pytest.mark.parametrize("state", ["Started", "Ready", "Running", "ResponseSent", "InitError"])
def test_runtime_steps(state: str, call: str) -> None:
    allowed = {
        ("Started", "next"): "Ready",
        ("Started", "init/error"): "InitError",
        ("Ready", "next"): "Ready",
        ("Running", "next"): "Running",
        ("Running", "response"): "ResponseSent",
        ("Running", "error"): "ResponseSent",
        ("ResponseSent", "next"): "Ready",
    }
    runtime = RuntimeState(state)
    if (state, call) in allowed:
        runtime.apply_call(call)
        assert runtime.state == allowed[state, call]
        return
    with pytest.raises(RefusedError) as refused:
        runtime.apply_call(call)
    assert refused.value.status == 403
    assert refused.value.error_type == "InvalidStateTransition"
    assert f"from {state} to " in refused.value.message
    assert runtime.state == state


@pytest.mark.parametrize("call", ["register", "next", "init/error", "exit/error"])
@pytest.mark.parametrize("state", ["Started", "Registered", "Ready", "Running", "ExitError"])
def test_extension_steps(state: str, call: str) -> None:
    allowed = {
        ("Started", "register"): "Registered",
        ("Registered", "next"): "Ready",
        ("Registered", "init/error"): "InitError",
        ("Registered", "exit/error"): "ExitError",
        ("Ready", "next"): "Ready",
        ("Ready", "exit/error"): "ExitError",
        ("Running", "next"): "Ready",
        ("Running", "exit/error"): "ExitError",
    }
    one = extension(state)
    if (state, call) in allowed:
        one.apply_call(call)
        assert one.state == allowed[state, call]
        return
    with pytest.raises(RefusedError) as refused:
        one.apply_call(call)
    assert refused.value.error_type == "Extension.InvalidExtensionState"
    assert one.state == state


@pytest.mark.parametrize(
    ("state", "events", "delivered"),
    [
        (states.READY, ("INVOKE", "SHUTDOWN"), True),
        (states.READY, ("SHUTDOWN",), False),
        (states.RUNNING, ("INVOKE",), False),
    ],
)
def test_event_goes_to_who_waits_and_subscribed(
    state: str, events: tuple[str, ...], delivered: bool
) -> None:
    one = extension(state, *events)
    assert one.deliver_event({"eventType": "INVOKE"}) is delivered
    assert (one.inbox is not None) is delivered
    assert one.state == (states.RUNNING if delivered else state)


def test_events_of_a_registration() -> None:
    assert validate_events(["INVOKE", "SHUTDOWN"], external=True) == ("INVOKE", "SHUTDOWN")
    assert validate_events(["INVOKE", "INVOKE"], external=False) == ("INVOKE",)
    assert validate_events([], external=True) == ()


@pytest.mark.parametrize(
    ("events", "external", "error_type"),
    [
        (["BOGUS"], True, "Extension.InvalidEventType"),
        (["SHUTDOWN"], False, "Extension.InvalidEventType"),
        ("INVOKE", True, "InvalidRequestFormat"),
        ([1], True, "InvalidRequestFormat"),
    ],
)
def test_events_that_are_refused(events: object, external: bool, error_type: str) -> None:
    with pytest.raises(RefusedError) as refused:
        validate_events(events, external=external)
    assert refused.value.error_type == error_type
