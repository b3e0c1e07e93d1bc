from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serverless_instrument import __version__, wire, wire_payloads
from serverless_instrument.wrapper.invocation.invocation import (
    CREATED,
    ENDED,
    RETURNED,
    RUNNING,
    Invocation,
)
from tests.wrapper import decoded
from tests.wrapper.invocations import (
    ARN,
    END_UNIX_NS,
    REQUEST_ID,
    START_UNIX_NS,
    end_span,
    ids,
    invocation,
    lambda_context,
    only_frame,
    start_span,
    started,
)
from tests.wrapper.triggers import events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def step(made: Invocation, event: str) -> None:
    if event == "start":
        made.start()
    elif event == "return":
        made.record_return(END_UNIX_NS)
    else:
        made.end()


@pytest.mark.parametrize(
    ("before", "event", "state"),
    [
        ([], "start", RUNNING),
        ([], "return", None),
        ([], "end", None),
        (["start"], "start", None),
        (["start"], "return", RETURNED),
        (["start"], "end", None),
        (["start", "return"], "start", None),
        (["start", "return"], "return", None),
        (["start", "return"], "end", ENDED),
        (["start", "return", "end"], "start", None),
        (["start", "return", "end"], "return", None),
        (["start", "return", "end"], "end", None),
    ],
)
def test_states(before: list[str], event: str, state: str | None) -> None:
    made = invocation()
    assert made.state == CREATED
    for earlier in before:
        step(made, earlier)
    current = made.state
    if state is None:
        with pytest.raises(ValueError, match=f"an invocation that is {current} cannot {event}"):
            step(made, event)
        assert made.state == current
    else:
        step(made, event)
        assert made.state == state


def test_start_carries_the_span_as_it_stands_if_the_end_never_comes() -> None:
    made = invocation(events.load("http_api_v2"), lambda_context(), coldstart=True)
    frame = made.start()
    request = wire_payloads.RequestPayload(only_frame(frame, wire.START))
    assert (request.request_id, request.time_unix_ns) == (REQUEST_ID, START_UNIX_NS)
    start_unix_ms = START_UNIX_NS // 1_000_000
    assert start_unix_ms < request.deadline_unix_ms <= start_unix_ms + 3000
    span = start_span(frame)
    assert span.end_time_unix_nano == 0
    assert span.status == Status(code=Status.STATUS_CODE_ERROR)
    assert span.start_time_unix_nano == START_UNIX_NS
    attributes = decoded.attributes(span.attributes)
    assert "error.type" not in attributes
    assert attributes["faas.coldstart"] is True
    assert made.span.status_code == 0  # the running span's is still open


def test_end_of_an_http_request() -> None:
    made = started(events.load("http_api_v2"), lambda_context(ARN + ":live"))
    end = made.succeed({"statusCode": 200, "body": ""}, END_UNIX_NS)
    request = wire_payloads.RequestPayload(only_frame(end, wire.END))
    assert (request.request_id, request.time_unix_ns) == (REQUEST_ID, END_UNIX_NS)
    scope = decoded.scope_spans(request.batch).scope
    assert (scope.name, scope.version) == ("serverless_instrument", __version__)
    span = end_span(end)
    assert span.name == "GET /items/{id}"
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert span.parent_span_id.hex() == "00f067aa0ba902b7"
    assert (span.span_id, span.trace_state) == (ids(8), "vendor=value")
    assert span.flags == 0x301  # sampled, and a remote parent
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (START_UNIX_NS, END_UNIX_NS)
    assert not span.HasField("status")
    attributes = decoded.attributes(span.attributes)
    http_facts = {key: value for key, value in attributes.items() if key[:4] in ("http", "url.")}
    assert http_facts == {
        "http.request.method": "GET",
        "http.route": "/items/{id}",
        "http.response.status_code": 200,
        "url.path": "/items/42",
        "url.query": "size=L&colour=dark%20red&colour=blue",
        "url.scheme": "https",
    }
    assert {
        key: value for key, value in attributes.items() if key[:4] in ("faas", "clou", "aws.")
    } == {
        "faas.trigger": "http",
        "faas.coldstart": False,
        "faas.invocation_id": REQUEST_ID,
        "aws.lambda.invoked_arn": ARN + ":live",
        "cloud.account.id": "123456789012",
        "cloud.resource_id": ARN + ":7",
    }


def test_end_of_a_direct_invocation() -> None:
    span = end_span(started({"a": 1}).succeed(object(), END_UNIX_NS))
    assert (span.name, span.kind) == ("shop", Span.SPAN_KIND_SERVER)
    assert (span.trace_id, span.parent_span_id, span.flags) == (ids(16), b"", 0x103)
    assert not span.HasField("status")
    assert decoded.attributes(span.attributes) == {"faas.trigger": "other", "faas.coldstart": False}


def test_the_name_of_a_function_that_has_none() -> None:
    assert end_span(started({}, environ={}).succeed(None, END_UNIX_NS)).name == "invocation"


@pytest.mark.parametrize(
    ("event", "response", "error_type", "message"),
    [
        ("http_api_v2", {"statusCode": 404}, None, ""),
        ("http_api_v2", {"statusCode": 503}, "503", ""),
        (
            "http_api_v2",
            {"statusCode": "soon"},
            "invalid_response",
            "the response has no valid statusCode",
        ),
        ("http_api_v2", "a body alone", None, ""),
        ("rest_v1", {"statusCode": "502"}, "502", ""),
        ("rest_v1", None, "invalid_response", "the response has no valid statusCode"),
        ("alb", {"body": ""}, "invalid_response", "the response has no valid statusCode"),
        ("sqs", {"statusCode": 500}, None, ""),
    ],
)
def test_responses(event: str, response: object, error_type: str | None, message: str) -> None:
    span = end_span(started(events.load(event)).succeed(response, END_UNIX_NS))
    attributes = decoded.attributes(span.attributes)
    assert attributes.get("error.type") == error_type
    expected = Status(code=Status.STATUS_CODE_ERROR, message=message) if error_type else Status()
    assert span.status == expected


def test_a_response_that_raises_when_looked_at_is_a_success() -> None:
    class Hostile(dict[str, object]):
        def get(self, key: str, _: object = None) -> object:
            raise RuntimeError(key)

    span = end_span(started(events.load("rest_v1")).succeed(Hostile(), END_UNIX_NS))
    assert not span.HasField("status")


@pytest.mark.parametrize("kind", ["coroutine", "generator", "async_generator"])
def test_a_response_that_the_client_cannot_marshal_is_an_error(kind: str) -> None:
    async def coroutine() -> None: ...

    def generator() -> Iterator[None]:
        yield

    async def async_generator() -> AsyncIterator[None]:
        yield

    made: Any = {f.__name__: f for f in (coroutine, generator, async_generator)}[kind]()
    span = end_span(started({}).succeed(made, END_UNIX_NS))
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert span.status.message == (
        f"Unable to marshal response: Object of type {kind} is not JSON serializable"
    )
    assert decoded.attributes(span.attributes)["error.type"] == "Runtime.MarshalError"
    if kind == "coroutine":
        assert made.cr_frame is not None  # neither run nor closed
        made.close()


def test_an_event_that_defeats_its_trigger_still_gives_a_span() -> None:
    class Hostile(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            if key == "headers":
                raise RuntimeError(key)
            return super().get(key, default)

    made = started(Hostile(events.load("http_api_v2")))
    span = end_span(made.succeed({"statusCode": 500}, END_UNIX_NS))
    assert (span.name, span.status) == ("shop", Status())


def test_a_clock_that_steps_back_gives_no_negative_duration() -> None:
    span = end_span(started().succeed(None, START_UNIX_NS - 5))
    assert span.end_time_unix_nano == START_UNIX_NS


class TestParents:
    def test_an_unsampled_parent_ends_both_frames_empty(self) -> None:
        event = events.http_request({"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"})
        made = invocation(event, lambda_context())
        start, end = made.start(), made.succeed({}, END_UNIX_NS)
        assert not made.sampled
        assert (made.span.flags, made.span.trace_id.hex()) == (0x300, "a" * 32)
        for frame, kind in ((start, wire.START), (end, wire.END)):
            request = wire_payloads.RequestPayload(only_frame(frame, kind))
            assert request.request_id == REQUEST_ID
            assert wire_payloads.unpack_batch(request.batch)[1:] == (b"", 0)

    def test_other_flags_of_the_parent_are_kept(self) -> None:
        event = events.http_request({"traceparent": f"00-{'a' * 32}-{'b' * 16}-03"})
        assert invocation(event).span.flags == 0x303
        off = invocation(event, OTEL_TRACES_SAMPLER="always_off")
        assert (off.span.flags, off.sampled) == (0x302, False)

    @pytest.mark.parametrize(
        ("settings", "sampled"),
        [
            ({}, True),
            ({"OTEL_PROPAGATORS": "xray-lambda"}, False),
            ({"OTEL_TRACES_SAMPLER": "always_on", "OTEL_PROPAGATORS": "xray-lambda"}, True),
        ],
    )
    def test_xrays_unsampled_decision(self, settings: dict[str, Any], sampled: bool) -> None:
        made = invocation(events.load("rest_v1"), **settings)  # whose header says Sampled=0
        assert made.span.parent_span_id.hex() == "53995c3f42cd8ad8"
        assert made.sampled is sampled
        assert made.span.flags & 1 == sampled

    def test_the_environments_xray_header_is_the_parent_where_asked_for(self) -> None:
        environ = {
            "_X_AMZN_TRACE_ID": f"Root=1-{'c' * 8}-{'c' * 24};Parent={'d' * 16};Sampled=1",
        }
        made = invocation({}, None, environ, OTEL_PROPAGATORS="tracecontext,xray-lambda")
        assert made.span.parent_span_id.hex() == "d" * 16
        assert invocation({}, None, environ).span.parent_span_id == b""

    def test_traces_may_be_switched_off(self) -> None:
        made = started({}, OTEL_TRACES_EXPORTER="none")
        assert not made.sampled
        batch = wire_payloads.RequestPayload(
            only_frame(made.succeed(None, END_UNIX_NS), wire.END)
        ).batch
        assert wire_payloads.unpack_batch(batch)[1:] == (b"", 0)
