from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from serverless_instrument import wire, wire_payloads
from serverless_instrument.wrapper.records import records
from tests.wrapper import decoded, invocations
from tests.wrapper.invocations import (
    END_UNIX_NS,
    REQUEST_ID,
    START_UNIX_NS,
    end_span,
    lambda_context,
    start_span,
    started,
)
from tests.wrapper.triggers import events


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


class Subtext(str):
    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        raise ValueError("no bytes")


class OddlyError(Exception):
    def __str__(self) -> str:
        return Subtext("odd")


class Outer:
    class InnerError(Exception):
        pass


def local_class() -> type[Exception]:
    class LocalError(Exception):
        pass

    return LocalError


HERE = __name__


@pytest.mark.parametrize(
    ("error", "error_type", "message"),
    [
        (ValueError("boom"), "ValueError", "boom"),
        (KeyError("k"), "KeyError", "'k'"),
        (SystemExit(3), "SystemExit", "3"),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (Outer.InnerError("x"), f"{HERE}.Outer.InnerError", "x"),
        (local_class()(), f"{HERE}.local_class.<locals>.LocalError", ""),
        (UnprintableError(), f"{HERE}.UnprintableError", ""),
        (OddlyError(), f"{HERE}.OddlyError", "odd"),
        (ValueError("\ud800"), "ValueError", "?"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_exception_is_an_event_and_the_spans_error(
    error: BaseException, error_type: str, message: str
) -> None:
    span = end_span(started().fail(error, "Traceback: ...", END_UNIX_NS))
    assert span.status == Status(code=Status.STATUS_CODE_ERROR, message=message)
    assert decoded.attributes(span.attributes)["error.type"] == error_type
    (event,) = span.events
    assert (event.name, event.time_unix_nano) == ("exception", END_UNIX_NS)
    assert decoded.attributes(event.attributes) == {
        "exception.type": error_type,
        "exception.message": message,
        "exception.stacktrace": "Traceback: ...",
    }


def test_an_exception_in_an_http_handler_has_no_status_code() -> None:
    span = end_span(started(events.load("http_api_v2")).fail(ValueError("x"), "", END_UNIX_NS))
    attributes = decoded.attributes(span.attributes)
    assert attributes["error.type"] == "ValueError"
    assert "http.response.status_code" not in attributes


@pytest.mark.parametrize(
    ("opt_in", "kinds", "span_events"),
    [
        ("", [wire.END], 1),
        ("logs", [wire.LOGS, wire.END], 0),
        ("logs/dup", [wire.LOGS, wire.END], 1),
    ],
)
def test_an_exception_as_event_or_log_or_both(
    opt_in: str, kinds: list[int], span_events: int
) -> None:
    made = started({}, lambda_context(), OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN=opt_in)
    frames = decoded.frames(made.fail(ValueError("boom"), "Traceback", END_UNIX_NS))
    assert [kind for kind, _ in frames] == kinds
    span = end_span(wire.frame(*frames[-1]))
    assert len(span.events) == span_events
    for kind, payload in frames:
        if kind == wire.LOGS:
            (record,) = decoded.log_records(payload)
            assert record.event_name == "faas.invocation.exception"
            assert (record.severity_number, record.severity_text) == (17, "ERROR")
            assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
            assert (record.flags, record.time_unix_nano) == (3, END_UNIX_NS)
            assert not record.HasField("body")
            assert decoded.attributes(record.attributes) == {
                "exception.type": "ValueError",
                "exception.message": "boom",
                "exception.stacktrace": "Traceback",
                "faas.invocation_id": REQUEST_ID,
            }


def test_an_unsampled_invocations_exception_is_still_logged() -> None:
    made = started(OTEL_TRACES_SAMPLER="always_off", OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN="logs")
    (_, payload), (kind, _) = decoded.frames(made.fail(ValueError("x"), "", END_UNIX_NS))
    (record,) = decoded.log_records(payload)
    assert (record.flags, kind) == (2, wire.END)


@pytest.mark.parametrize("text", ["x" * 4_000_000, "é" * 2_000_000, "\ud800" * 4_000_000])
def test_a_message_longer_than_a_frame_still_gives_a_span_and_a_log(text: str) -> None:
    made = started(OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN="logs/dup")
    (_, log), end = decoded.frames(made.fail(ValueError(text), text, END_UNIX_NS))
    span = end_span(wire.frame(*end))
    expected = text.encode(errors="replace").decode()[:4096]
    (record,) = decoded.log_records(log)
    for attributes in (span.events[0].attributes, record.attributes):
        found = decoded.attributes(attributes)
        assert found["exception.message"] == found["exception.stacktrace"] == expected
    assert span.status.message == expected


def test_a_message_of_a_megabyte_is_kept_whole() -> None:
    span = end_span(started().fail(ValueError("x" * 1_000_000), "", END_UNIX_NS))
    found = decoded.attributes(span.events[0].attributes)
    assert found["exception.message"] == "x" * 1_000_000


def test_an_event_of_six_megabytes_still_gives_start_and_end() -> None:
    event = events.load("rest_v1")
    event["resource"] = event["path"] = event["requestContext"]["path"] = "/" + "x" * 2_000_000
    event["multiValueHeaders"]["User-Agent"] = ["y" * 2_000_000]
    made = invocations.invocation(event)
    start, end = start_span(made.start()), end_span(made.succeed({}, END_UNIX_NS))
    for span in (start, end):
        assert len(span.name) == 4096
        assert len(str(decoded.attributes(span.attributes)["url.path"])) == 4096


def test_the_users_own_shorter_limit_holds() -> None:
    made = started(OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="10")
    span = end_span(made.fail(ValueError("x" * 4_000_000), "", END_UNIX_NS))
    assert decoded.attributes(span.events[0].attributes)["exception.message"] == "x" * 10


class Raising:
    """A context of which every look raises."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


class Odd:
    aws_request_id = 5
    invoked_function_arn = b"arn:aws:lambda:r:1:function:f"
    function_version = None

    def __init__(self, remaining_ms: object) -> None:
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> object:
        return self._remaining_ms


START_MS = START_UNIX_NS // 1_000_000


@pytest.mark.parametrize(
    ("context", "deadline_unix_ms"),
    [
        (None, 0),
        ({}, 0),
        ("context", 0),
        (Raising(), 0),
        (Odd(3000), START_MS + 3000),
        (Odd(2.5), START_MS + 2),
        (Odd(2_999_999_999), START_MS + 2_999_999_999),
        (Odd(-5), START_MS - 5),
        (Odd(-(10**30)), 0),
        (Odd(10**30), 2**63 - 1),
        (Odd("3000"), START_MS + 3000),
        (Odd("soon"), 0),
        (Odd(None), 0),
        (Odd(float("nan")), 0),
        (Odd(float("inf")), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_context_of_any_kind(context: object, deadline_unix_ms: int) -> None:
    made = invocations.invocation({}, context)
    span = start_span(made.start())
    assert made.deadline_unix_ms == deadline_unix_ms
    assert decoded.attributes(span.attributes) == {"faas.trigger": "other", "faas.coldstart": False}
    assert end_span(made.succeed(None, END_UNIX_NS)).span_id == span.span_id


ARN = invocations.ARN


@pytest.mark.parametrize(
    ("arn", "version", "account", "resource_id"),
    [
        (ARN, "$LATEST", "123456789012", ARN),
        (ARN + ":live", "7", "123456789012", ARN + ":7"),
        (ARN + ":7", "7", "123456789012", ARN + ":7"),
        (ARN + ":$LATEST", "$LATEST", "123456789012", ARN + ":$LATEST"),
        (ARN + ":live", "", "123456789012", ARN + ":live"),
        (
            "arn:aws-cn:lambda:cn-north-1:1:function:f",
            "1",
            "1",
            "arn:aws-cn:lambda:cn-north-1:1:function:f",
        ),
        ("function:f", "1", None, None),
        ("test_function", "1", None, None),
        ("arn:aws:lambda", "1", None, None),
        ("not:an:arn:but:long:enough:x", "1", None, None),
    ],
)
def test_arns(arn: str, version: str, account: str | None, resource_id: str | None) -> None:
    made = started({}, lambda_context(arn, version))
    attributes = decoded.attributes(end_span(made.succeed(None, END_UNIX_NS)).attributes)
    assert attributes["aws.lambda.invoked_arn"] == arn
    assert attributes.get("cloud.account.id") == account
    assert attributes.get("cloud.resource_id") == resource_id


def test_a_status_of_ok_is_final() -> None:
    made = started()
    made.span.status_code = records.STATUS_OK
    span = end_span(made.fail(ValueError("no"), "", END_UNIX_NS))
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_OK, "")
    assert decoded.attributes(span.attributes)["error.type"] == "ValueError"


@pytest.mark.usefixtures("hiding")
def test_a_message_is_not_cut_where_the_forwarder_masks_it_first() -> None:
    text = "x" * 4090 + "hunter2222"
    span = end_span(started().fail(ValueError(text), "", END_UNIX_NS))
    assert span.status.message == text
    span = end_span(started().fail(ValueError("x" * 100_000), "", END_UNIX_NS))
    assert span.status.message == "***"


class TooMuchError(MemoryError):
    pass


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (MemoryError(), wire.FACT_FAILED | wire.FACT_OUT_OF_MEMORY),
        (TooMuchError("5 GB"), wire.FACT_FAILED | wire.FACT_OUT_OF_MEMORY),
        (ValueError("MemoryError"), wire.FACT_FAILED),
    ],
)
def test_end_says_whether_the_memory_ran_out(error: Exception, facts: int) -> None:
    frame = invocations.only_frame(started().fail(error, "", END_UNIX_NS), wire.END)
    assert wire_payloads.RequestPayload(frame).facts & ~wire.TRIGGER_MASK == facts
