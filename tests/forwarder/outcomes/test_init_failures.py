"""Invocations that the function never saw."""

from __future__ import annotations

import pytest

from serverless_instrument.forwarder.codec.spans import SERVER
from serverless_instrument.forwarder.outcomes.init_failures import (
    NeverStartedInvocations,
    PendingInvocation,
)
from serverless_instrument.forwarder.telemetry_api.platform_events import Event
from tests.held import memory_bytes

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:shop"
TRACE_HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def pending(request_id: str = "a") -> NeverStartedInvocations:
    never = NeverStartedInvocations("shop", lambda size: b"x" * size)
    never.record_invoke(request_id, PendingInvocation(ARN, TRACE_HEADER, 100))
    return never


def done(status: str = "error", error_type: str = "", request_id: str = "a") -> Event:
    record: dict[str, object] = {"requestId": request_id, "status": status}
    if error_type:
        record["errorType"] = error_type
    return Event("platform.runtimeDone", 200, record)


def test_a_bad_end_of_what_never_began_is_a_span() -> None:
    made = pending().record_platform_end(done(error_type="Runtime.ImportModuleError"))
    assert made is not None
    assert (made.name, made.kind, made.error_type) == ("shop", SERVER, "Runtime.ImportModuleError")
    assert (made.start_unix_ns, made.end_unix_ns) == (100, 200)
    assert made.trace_id.hex() == "5759e988bd862e3fe1be46a994272793"
    assert (made.parent_id.hex(), made.remote_parent) == ("53995c3f42cd8ad8", True)
    assert made.attributes == {
        "faas.trigger": "other",
        "faas.coldstart": True,
        "faas.invocation_id": "a",
        "aws.lambda.invoked_arn": ARN,
        "cloud.resource_id": ARN,
    }


@pytest.mark.parametrize(
    ("told", "own", "expected"),
    [
        ("Runtime.ExitError", "ValueError", "ValueError"),
        ("", "ValueError", "ValueError"),
        ("Runtime.ImportModuleError", "ImportError", "Runtime.ImportModuleError"),
        ("Runtime.ExitError", "", "Runtime.ExitError"),
    ],
)
def test_the_telling_name_of_the_error_counts(told: str, own: str, expected: str) -> None:
    never = pending()
    if own:
        never.record_init_error(own, b"event")
    made = never.record_platform_end(done(error_type=told))
    assert made is not None
    assert made.error_type == expected
    assert made.events == ((b"event",) if own else ())


def test_each_is_told_once_and_a_success_not_at_all() -> None:
    never = pending()
    assert never.record_platform_end(done(request_id="b")) is None
    assert never.record_platform_end(done()) is not None
    assert never.record_platform_end(done()) is None
    assert never.record_shutdown("timeout", 300) == []
    never = pending()
    assert never.record_platform_end(done("success")) is None
    assert never.record_shutdown("timeout", 300) == []


@pytest.mark.parametrize("start_first", [True, False])
def test_what_began_is_the_runtimes_to_tell(start_first: bool) -> None:
    never = NeverStartedInvocations("shop", lambda size: b"x" * size)
    if start_first:
        never.record_start("a")
    never.record_invoke("a", PendingInvocation(ARN, "", 100))
    if not start_first:
        never.record_start("a")
    assert never.record_platform_end(done()) is None
    assert never.record_shutdown("timeout", 300) == []


@pytest.mark.parametrize(
    ("reason", "init_error", "expected"),
    [
        ("Timeout", "", ["timeout"]),
        ("TIMEOUT", "ValueError", ["timeout"]),
        ("ReleaseFail", "", ["Runtime.ExitError"]),
        ("failure", "ValueError", ["ValueError"]),
        ("spindown", "ValueError", ["ValueError"]),
        ("spindown", "", []),
        ("", "", []),
    ],
)
def test_the_shutdown_tells_where_the_platform_does_not(
    reason: str, init_error: str, expected: list[str]
) -> None:
    never = pending()
    if init_error:
        never.record_init_error(init_error, b"")
    assert [made.error_type for made in never.record_shutdown(reason, 300)] == expected


def test_the_next_invocation_says_that_the_last_one_ended() -> None:
    never = pending()
    never.record_invoke("b", PendingInvocation("", "", 150))
    (made,) = never.record_shutdown("timeout", 300)
    assert made.attributes["faas.invocation_id"] == "b"
    assert (made.trace_id, made.parent_id) == (b"x" * 16, b"")
    assert "aws.lambda.invoked_arn" not in made.attributes


def test_the_platforms_start_counts_where_no_invoke_comes() -> None:
    never = NeverStartedInvocations("shop", lambda size: b"x" * size)
    never.record_platform_start("a", PendingInvocation("", TRACE_HEADER, 100))
    made = never.record_platform_end(done())
    assert made is not None
    assert made.parent_id.hex() == "53995c3f42cd8ad8"
    never = pending()
    never.record_platform_start("a", PendingInvocation("", "", 150))
    made = never.record_platform_end(done())
    assert made is not None
    assert made.start_unix_ns == 100
    never = NeverStartedInvocations("shop", lambda size: b"x" * size)
    never.record_start("b")
    never.record_invoke("b", PendingInvocation(ARN, "", 100))
    never.record_platform_start("b", PendingInvocation("", "", 100))
    assert never.record_platform_end(done(request_id="b")) is None


def test_few_are_remembered() -> None:
    never = NeverStartedInvocations("", lambda size: b"x" * size)
    for number in range(100, 200):
        never.record_start(str(number))
    after_100_bytes = memory_bytes(never)
    for number in range(200, 1000):
        never.record_start(str(number))
    assert memory_bytes(never) <= 1.1 * after_100_bytes
    never.record_invoke("a", PendingInvocation("", "", 1))
    made = never.record_platform_end(done())
    assert made is not None
    assert made.name == "invocation"
