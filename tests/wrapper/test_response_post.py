"""END and the client's post: the real client class, over a stand-in for its C module."""

from __future__ import annotations

import json
import os
import socket
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import awslambdaric.lambda_runtime_client as client_module
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from serverless_instrument import wire, wire_payloads
from serverless_instrument.wrapper import response_post
from tests.wrapper import decoded
from tests.wrapper.invocations import end_span
from tests.wrapper.runtime import invoke, invoke_with

if TYPE_CHECKING:
    from tests.wrapper.peer import Connection, Peer
    from tests.wrapper.runtime import Function

FUNCTION = """
import datetime
class Custom(Exception):
    pass
def handler(event, context):
    if event == "raise": raise Custom('my "errorType": "ValueError"')
    if event == "memory": raise MemoryError("all gone")
    if event == "leave": raise SystemExit(3)
    if event == "date": return datetime.date(2024, 1, 1)
    if event == "server error": return {"statusCode": 503}
    return event
"""


class Runtime:
    """The client's C module: notes what is posted, and what had been sent to the forwarder."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.posted: list[tuple[str, str]] = []
        self.sent_before: list[list[int]] = []
        self.failure: BaseException | None = None

    def post_invocation_result(self, request_id: str, body: bytes, *_: object) -> None:
        self._post(request_id, body.decode())

    def post_error(self, request_id: str, document: str, *_: object) -> None:
        self._post(request_id, document)

    def _post(self, request_id: str, body: str) -> None:
        self.posted.append((request_id, body))
        self.sent_before.append([kind for kind, _ in self.sent()])
        if self.failure is not None:
            raise self.failure

    def sent(self) -> list[tuple[int, bytes]]:
        """All frames that have been sent so far."""
        connection = self._connection
        connection.socket.setblocking(False)
        try:
            while True:
                connection.frames += connection._reader.feed(connection.socket.recv(1 << 20))
        except BlockingIOError:
            return connection.frames


class World:
    def __init__(self, function: Function, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        function.write(FUNCTION)
        self.handler = function.load()
        self.runtime = Runtime(peer.accept())
        monkeypatch.setattr(client_module, "runtime_client", self.runtime)
        self.client = client_module.LambdaRuntimeClient("127.0.0.1:9")

    def invoke(self, event: object, request_id: str = "r1") -> None:
        invoke_with(self.client, self.handler, event, request_id)

    def ends(self) -> list[tuple[wire_payloads.RequestPayload, Any]]:
        """(payload, span) of each END so far."""
        found = [payload for kind, payload in self.runtime.sent() if kind == wire.END]
        return [
            (wire_payloads.RequestPayload(each), end_span(wire.frame(wire.END, each)))
            for each in found
        ]


@pytest.fixture
def world(function: Function, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(function, peer, monkeypatch)


@pytest.mark.parametrize("event", ["result", "raise", "date", {"statusCode": 503}])
def test_nothing_is_sent_between_the_handlers_end_and_the_post(world: World, event: object) -> None:
    for request_id in ("r1", "r2"):
        world.invoke(event, request_id)
    first = [wire.HELLO, wire.START]
    assert world.runtime.sent_before == [first, [*first, wire.END, wire.START]]
    assert [payload.request_id for payload, _ in world.ends()] == ["r1", "r2"]


@pytest.mark.parametrize(
    ("event", "error_type", "message"),
    [
        ("result", "", ""),
        ("raise", "function.Custom", 'my "errorType": "ValueError"'),
        ("memory", "MemoryError", "all gone"),
        (
            "date",
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type date is not JSON serializable",
        ),
    ],
)
def test_the_outcome_is_what_was_posted(
    world: World, event: str, error_type: str, message: str
) -> None:
    world.invoke(event)
    ((payload, span),) = world.ends()
    assert bool(payload.facts & wire.FACT_FAILED) is bool(error_type)
    assert bool(payload.facts & wire.FACT_OUT_OF_MEMORY) is (event == "memory")
    assert span.status.code == (Status.STATUS_CODE_ERROR if error_type else 0)
    assert span.status.message == message
    assert decoded.attributes(span.attributes).get("error.type", "") == error_type
    assert [e.name for e in span.events] == (["exception"] if event in ("raise", "memory") else [])


def test_a_result_of_a_marshaller_of_the_functions_own_is_a_success(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    marshaller = SimpleNamespace(
        unmarshal_request=lambda *_: "date", marshal_response=lambda _: ("1", "text/plain")
    )
    monkeypatch.setattr(world.client, "marshaller", marshaller)
    world.invoke("date")
    ((payload, span),) = world.ends()
    assert (payload.facts & wire.FACT_FAILED, span.status.code) == (0, 0)


def raised(act: Any) -> BaseException:
    try:
        act()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("failure", [RuntimeError("413"), KeyboardInterrupt()])
def test_a_post_that_fails_is_an_error_and_raises_as_it_did(
    world: World, failure: BaseException
) -> None:
    world.runtime.failure = failure
    error = raised(lambda: world.invoke("result"))
    assert error is failure
    ((payload, span),) = world.ends()
    assert payload.facts & wire.FACT_FAILED
    assert decoded.attributes(span.attributes)["error.type"] == type(failure).__name__
    traceback, files = error.__traceback__, []
    while traceback is not None:
        files.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    assert files[-1] == __file__
    if sys.version_info >= (3, 11):
        assert response_post.__file__ not in files


def test_an_error_whose_post_fails_is_told_as_it_was_raised(world: World) -> None:
    world.runtime.failure = RuntimeError("500")
    raised(lambda: world.invoke("raise"))
    ((_, span),) = world.ends()
    assert decoded.attributes(span.attributes)["error.type"] == "function.Custom"


def test_what_leaves_the_clients_loop_is_told_at_once(world: World) -> None:
    assert isinstance(raised(lambda: world.invoke("leave")), SystemExit)
    ((_, span),) = world.ends()
    assert decoded.attributes(span.attributes)["error.type"] == "SystemExit"
    assert world.runtime.posted == []


def test_another_client_has_end_at_the_handlers_return(world: World) -> None:
    assert invoke(world.handler, "result") == "result"
    assert len(world.ends()) == 1


def test_a_call_from_outside_the_loop_has_end_at_once(world: World) -> None:
    assert world.handler("result", SimpleNamespace(aws_request_id="r1")) == "result"
    assert len(world.ends()) == 1


def test_a_post_that_never_came_is_told_with_the_next_invocation(world: World) -> None:
    world.invoke("first")  # from here on the client is known to post
    world.handler("never posted", SimpleNamespace(aws_request_id="r2"))
    assert [payload.request_id for payload, _ in world.ends()] == ["r1"]
    world.invoke("third", "r3")
    assert [payload.request_id for payload, _ in world.ends()] == ["r1", "r2", "r3"]


def test_posts_of_others_end_nothing(world: World) -> None:
    world.client.post_invocation_result("unknown", "1")
    world.client.post_invocation_error(xray_fault="", error_response_data="{", invoke_id="unknown")
    assert world.ends() == []
    world.invoke("result")
    world.client.post_invocation_result("r1", "again")
    assert len(world.ends()) == 1


class Gone(BaseException):
    """Ends the forked child."""


def test_a_child_forked_before_the_post_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    post, statuses = world.runtime.post_invocation_result, []

    def fork_and_post(*arguments: Any) -> None:
        child = os.fork()
        world.runtime.failure = None if child else Gone()
        if child:
            statuses.append(os.waitpid(child, 0)[1])
        post(*arguments)

    monkeypatch.setattr(world.runtime, "post_invocation_result", fork_and_post)
    try:
        world.invoke("result")
    except Gone:
        os._exit(0)
    assert statuses == [0]
    assert len(world.ends()) == 1


def test_the_client_is_changed_once(world: World) -> None:
    before = client_module.LambdaRuntimeClient.post_invocation_result
    assert response_post.watch_posts(client_module, lambda *_: None)
    assert client_module.LambdaRuntimeClient.post_invocation_result is before
    assert not response_post.watch_posts(socket, lambda *_: None)
    assert world.ends() == []


AS_RAISED = response_post.AS_RAISED


@pytest.mark.parametrize(
    ("error", "document", "failure"),
    [
        (ValueError(), '{"errorMessage": "", "errorType": "ValueError"}', AS_RAISED),
        (ValueError(), '{"errorType":"ValueError"}', AS_RAISED),
        (ValueError(), b'{"errorType": "ValueError"}', AS_RAISED),
        (
            ValueError(),
            json.dumps({"errorMessage": '"errorType": "ValueError"', "errorType": "A"}),
            ("A", '"errorType": "ValueError"'),
        ),
        (ValueError(), '{"errorType": "KeyError", "errorMessage": null}', ("KeyError", "")),
        (ValueError(), "garbage", AS_RAISED),
        (None, '{"errorMessage": "m", "errorType": "A.B"}', ("A.B", "m")),
        (None, '{"errorMessage": "m"}', ("_OTHER", "")),
        (None, "[]", ("_OTHER", "")),
        (None, "[" * 100_000, ("_OTHER", "")),
        (None, b"\xff", ("_OTHER", "")),
        (None, 5, ("_OTHER", "")),
    ],
)
def test_the_failure_in_a_document(
    error: Exception | None, document: object, failure: tuple[str, str]
) -> None:
    assert response_post.failure_in(document, error) == failure
