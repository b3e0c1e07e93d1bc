"""Events of the Extensions API, and registering with what is not one."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.extensions_api import events_for, parse_event, register

# 2020-01-01/extension/event/next, as documented and as the emulator answers
INVOKE = {
    "eventType": "INVOKE",
    "deadlineMs": 1_700_000_003_000,
    "requestId": "3da1f2dc-3222-475e-9205-e2e6c6318895",
    "invokedFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:ExtensionTest",
    "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-5f35ae12-0c0fec141ab77a00bc047aa2"},
}
SHUTDOWN = {"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": 1_700_000_002_000}


def test_invoke() -> None:
    event = parse_event(json.dumps(INVOKE))
    assert (event.kind, event.request_id) == ("INVOKE", INVOKE["requestId"])
    assert (event.deadline_ms, event.reason) == (1_700_000_003_000, "")


def test_shutdown() -> None:
    event = parse_event(json.dumps(SHUTDOWN))
    assert (event.kind, event.reason, event.deadline_ms) == (
        "SHUTDOWN",
        "spindown",
        1_700_000_002_000,
    )


@pytest.mark.parametrize(
    ("text", "deadline_ms"),
    [
        ("1.5e12", 1_500_000_000_000),
        ("0", 0),
        ("-1", 0),
        ("1e999", 0),
        ("NaN", 0),
        ("1e300", 0),
        ("9" * 400, 0),
        ("null", 0),
        ('"1700000003000"', 0),
        ("[]", 0),
    ],
)
def test_a_deadline_of_no_use_is_none(text: str, deadline_ms: int) -> None:
    assert (
        parse_event(f'{{"eventType": "INVOKE", "deadlineMs": {text}}}').deadline_ms == deadline_ms
    )


@pytest.mark.parametrize("text", ["", "null", "[]", '"INVOKE"', "{", "{} {}", "[" * 100_000])
def test_anything_but_an_object_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_event(text)


@given(
    st.dictionaries(
        st.sampled_from(["eventType", "requestId", "deadlineMs", "shutdownReason"]),
        st.none() | st.text() | st.integers() | st.floats() | st.lists(st.integers()),
    )
)
def test_any_object_is_an_event(document: dict[str, object]) -> None:
    event = parse_event(json.dumps(document))
    assert event.deadline_ms >= 0


def test_managed_instances_know_no_invoke() -> None:
    assert json.loads(events_for({})) == ["INVOKE", "SHUTDOWN"]
    managed = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}
    assert json.loads(events_for(managed)) == ["SHUTDOWN"]


@pytest.mark.parametrize(
    "api", ["", "host", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "127.0.0.1:1", "\u00e9:1"]
)
def test_an_api_that_cannot_be_reached_is_a_reason_and_no_exception(api: str) -> None:
    registration = register(api, "[]")
    assert registration.identifier == ""
    assert registration.problem.startswith("register failed")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed before the response"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "closed before the response"),
        (b"SSH-2.0-x\r\n\r\n", "not an HTTP/1 status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "refused with 200: {}"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\n\xff\xfeno", "refused with 403"),
    ],
)
def test_an_answer_of_no_use_is_a_reason_and_no_exception(answer: bytes, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while b"\r\n\r\n" not in connection.recv(65536, socket.MSG_PEEK):
                    pass
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        registration = register(f"127.0.0.1:{server.getsockname()[1]}", "[]")
        thread.join()
    assert registration.identifier == ""
    assert reason in registration.problem
