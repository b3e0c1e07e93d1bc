"""The CONSUMER span of a batch: its links, and what the response gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serverless_instrument import wire, wire_payloads
from serverless_instrument.wrapper.invocation.invocation import Invocation
from serverless_instrument.wrapper.records.propagation import SpanContext
from serverless_instrument.wrapper.settings import Settings
from tests.wrapper import decoded
from tests.wrapper.invocations import (
    END_UNIX_NS,
    START_UNIX_NS,
    end_spans,
    ids,
    invocation,
    lambda_context,
    only_frame,
    started,
)
from tests.wrapper.triggers import events

if TYPE_CHECKING:
    from collections.abc import Mapping

FAILURES = "aws.lambda.batch_item_failures.count"


def traceparent(number: int, flags: str = "01") -> str:
    return f"00-{number:032x}-{number:016x}-{flags}"


def queue(*headers: dict[str, str]) -> dict[str, Any]:
    """An SQS event with one message for each of `headers`, as message attributes."""
    (record,) = events.load("sqs_sns_raw")["Records"]
    return {
        "Records": [
            {
                **record,
                "messageId": f"m{number}",
                "messageAttributes": {
                    name: {"stringValue": value, "dataType": "String"}
                    for name, value in each.items()
                },
            }
            for number, each in enumerate(headers)
        ]
    }


def consumer(event: object, response: object = None, **settings: str) -> Span:
    _, span = end_spans(started(event, **settings).succeed(response, END_UNIX_NS))
    assert span.kind == Span.SPAN_KIND_CONSUMER
    return span


def linked(span: Span) -> list[int]:
    return [int.from_bytes(link.span_id, "big") for link in span.links]


def test_it_is_a_child_that_lasts_as_long_as_the_invocation() -> None:
    made = started(queue({}), lambda_context())
    root, span = end_spans(made.succeed(None, END_UNIX_NS))
    assert (span.trace_id, span.parent_span_id) == (root.trace_id, root.span_id)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (START_UNIX_NS, END_UNIX_NS)
    assert (span.flags, span.trace_state) == (0x103, "")
    assert not span.HasField("status")
    assert not root.HasField("status")


def test_links_say_which_message_and_what_its_context_was() -> None:
    headers = {"traceparent": traceparent(7, "00"), "tracestate": "vendor=value"}
    (link,) = consumer(queue(headers)).links
    assert (link.trace_id.hex(), link.span_id.hex()) == (f"{7:032x}", f"{7:016x}")
    assert (link.trace_state, link.flags) == ("vendor=value", 0x300)  # remote, and not sampled
    assert decoded.attributes(link.attributes) == {"messaging.message.id": "m0"}


@pytest.mark.parametrize(
    ("limit", "kept"), [("", 128), ("0", 0), ("1", 1), ("200", 200), ("5000", 300)]
)
def test_links_over_the_limit_are_counted(limit: str, kept: int) -> None:
    batch = queue(*({"traceparent": traceparent(number)} for number in range(1, 301)))
    span = consumer(batch, OTEL_SPAN_LINK_COUNT_LIMIT=limit)
    assert linked(span) == list(range(1, kept + 1))
    assert span.dropped_links_count == 300 - kept


def test_a_context_is_linked_once_and_not_dropped_again() -> None:
    one, two = {"traceparent": traceparent(1)}, {"traceparent": traceparent(2)}
    span = consumer(queue(one, two, one, {}, one), OTEL_SPAN_LINK_COUNT_LIMIT="1")
    assert linked(span) == [1]
    assert span.dropped_links_count == 1


@pytest.mark.parametrize(
    ("propagators", "expected"),
    [
        ("", [0x53995C3F42CD8AD8, 0x00F067AA0BA902B7]),
        ("tracecontext", [0x53995C3F42CD8AD8, 0x00F067AA0BA902B7]),
        # SQS's own header is no propagator's carrier, but "none" is none at all.
        ("xray-lambda", [0x53995C3F42CD8AD8]),
        ("none", []),
    ],
)
def test_propagators(propagators: str, expected: list[int]) -> None:
    assert linked(consumer(events.load("sqs"), OTEL_PROPAGATORS=propagators)) == expected


def test_the_environments_header_is_the_parent_and_no_link() -> None:
    environ = {"_X_AMZN_TRACE_ID": f"Root=1-{'c' * 8}-{'c' * 24};Parent={'d' * 16};Sampled=1"}
    made = started(queue({}, {}), None, environ, OTEL_PROPAGATORS="tracecontext,xray-lambda")
    root, span = end_spans(made.succeed(None, END_UNIX_NS))
    assert root.parent_span_id.hex() == "d" * 16
    assert linked(span) == []


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ('{"TopicArn":"a","Subject":"\\"Message\\"","Message":"{\\"traceparent\\":\\"%s\\"}"}', 1),
        ('{"Message":"{\\"traceparent\\":\\"%s\\"}"}', 0),  # no envelope of SNS
        ('{"TopicArn":"a","Message":{"traceparent":"%s"}}', 0),
        ('{"TopicArn":"a","Message":"traceparent %s"}', 0),
        ('{"TopicArn":"a","traceparent":"%s"}', 1),
    ],
)
def test_what_counts_as_wrapped(body: str, count: int) -> None:
    event = queue({})
    event["Records"][0]["body"] = body % traceparent(9)
    assert linked(consumer(event)) == [9] * count


def test_an_unsampled_batch_sends_neither_span_and_reads_no_message() -> None:
    made = invocation(queue({"traceparent": traceparent(1)}), OTEL_TRACES_SAMPLER="always_off")
    made.start()
    end = made.succeed({"batchItemFailures": [{}]}, END_UNIX_NS)
    assert wire_payloads.unpack_batch(
        wire_payloads.RequestPayload(only_frame(end, wire.END)).batch
    )[1:] == (b"", 0)


def test_a_foreign_propagator_is_asked_about_each_message() -> None:
    asked: list[Mapping[str, str]] = []

    def extract(carrier: Mapping[str, str]) -> SpanContext | None:
        asked.append(carrier)
        return SpanContext(b"f" * 16, b"g" * 8, 1) if carrier else None

    made = Invocation(
        queue({"Uber-Trace-Id": "a"}, {"traceparent": traceparent(3)}),
        None,
        Settings({"OTEL_PROPAGATORS": "tracecontext,jaeger"}),
        {},
        START_UNIX_NS,
        ids,
        coldstart=False,
        extract_foreign=extract,
    )
    made.start()
    span = end_spans(made.succeed(None, END_UNIX_NS))[1]
    assert linked(span) == [int.from_bytes(b"g" * 8, "big"), 3]
    assert asked == [{}, {"uber-trace-id": "a"}]


@pytest.mark.parametrize(
    ("response", "count", "error_type"),
    [
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        (None, None, None),
        ({}, None, None),
        ("done", None, None),
        ({"batchItemFailures": []}, None, None),
        ({"batchItemFailures": None}, None, None),
        ({"batchItemFailures": [{"itemIdentifier": "m1"}]}, 1, "partial_batch_failure"),
        (
            {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m0"}]},
            2,
            "partial_batch_failure",
        ),
        (
            {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m1"}]},
            1,
            "partial_batch_failure",
        ),
        (
            {"batchItemFailures": [{"itemIdentifier": {"partition": "t-0", "offset": 1}}]},
            1,
            "partial_batch_failure",
        ),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, 3, "invalid_batch_response"),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, 3, "invalid_batch_response"),
        ({"batchItemFailures": [{"itemIdentifier": 1}]}, 3, "invalid_batch_response"),
        ({"batchItemFailures": [{"itemId": "m1"}]}, 3, "invalid_batch_response"),
        (
            {"batchItemFailures": [{"itemIdentifier": "m1"}, {}]},
            3,
            "invalid_batch_response",
        ),
        ({"batchItemFailures": ["m1"]}, 3, "invalid_batch_response"),
        ({"batchItemFailures": {"itemIdentifier": "m1"}}, 3, "invalid_batch_response"),
        ({"batchItemFailures": "m1"}, 3, "invalid_batch_response"),
    ],
)
@pytest.mark.parametrize("name", ["sqs", "kinesis", "dynamodb_stream", "kafka_msk"])
def test_what_the_response_gives_back(
    name: str, response: object, count: int | None, error_type: str | None
) -> None:
    event = events.load(name)
    lists = event.get("records") or event
    key = next(key for key, value in lists.items() if isinstance(value, list))
    lists[key] = lists[key] * 3
    root, span = end_spans(started(event).succeed(response, END_UNIX_NS))
    attributes = decoded.attributes(span.attributes)
    assert (attributes.get(FAILURES), attributes.get("error.type")) == (count, error_type)
    assert span.status.code == (
        Status.STATUS_CODE_ERROR if error_type else Status.STATUS_CODE_UNSET
    )
    assert not root.HasField("status")
    assert "error.type" not in decoded.attributes(root.attributes)


def test_the_status_says_how_many() -> None:
    response = {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert consumer(queue({}, {}), response).status.message == "1 of 2 messages failed"


def test_records_that_firehose_is_told_have_failed() -> None:
    results = [{"recordId": "1", "result": result} for result in ("Ok", "Dropped")]
    attributes = decoded.attributes(
        consumer(events.load("firehose"), {"records": results}).attributes
    )
    assert FAILURES not in attributes
    results.append({"recordId": "2", "result": "ProcessingFailed"})
    span = consumer(events.load("firehose"), {"records": results})
    assert decoded.attributes(span.attributes)[FAILURES] == 1


def test_an_exception_is_recorded_once_and_marks_both() -> None:
    made = started(queue({}))
    root, span = end_spans(made.fail(KeyError("x"), "Traceback", END_UNIX_NS))
    assert [event.name for event in root.events] == ["exception"]
    assert not span.events
    for each in (root, span):
        assert each.status == Status(code=Status.STATUS_CODE_ERROR, message="'x'")
        assert decoded.attributes(each.attributes)["error.type"] == "KeyError"


def test_messages_that_raise_cost_their_links_alone() -> None:
    class Hostile(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:
            if key == "messageId":
                raise RuntimeError(key)
            return super().get(key, default)

    event = queue(*({"traceparent": traceparent(number)} for number in (1, 2, 3)))
    event["Records"][2] = Hostile(event["Records"][2])
    assert linked(consumer(event)) == [1, 2]


def test_spans_over_a_frames_size_still_fit_one() -> None:
    event = queue({})
    event["Records"][0]["eventSourceARN"] = (
        "arn:aws:sqs:eu-central-1:123456789012:" + "q" * 3_000_000
    )
    root, span = end_spans(started(event).succeed(None, END_UNIX_NS))
    assert (len(root.name), len(span.name)) == (4096, 4096)


def test_links_of_ten_thousand_records_fit_a_frame() -> None:
    batch = queue(*({"traceparent": traceparent(number)} for number in range(1, 10_001)))
    span = consumer(batch)
    assert (len(span.links), span.dropped_links_count) == (128, 9872)
    wide = consumer(batch, OTEL_SPAN_LINK_COUNT_LIMIT="10000")
    assert (len(wide.links), wide.dropped_links_count) == (10_000, 0)


def test_a_message_whose_attributes_name_no_span_may_wrap_one_that_does() -> None:
    event = events.load("sqs_eventbridge")
    event["Records"][0]["messageAttributes"] = {
        "tracestate": {"stringValue": "vendor=value", "dataType": "String"},
        "colour": {"stringValue": "green", "dataType": "String"},
    }
    assert len(linked(consumer(event))) == 1


def test_links_that_do_not_fit_a_frame_are_counted() -> None:
    state = ",".join(f"k{number}={'v' * 100}" for number in range(5))
    headers = (
        {"traceparent": traceparent(number), "tracestate": state} for number in range(1, 6001)
    )
    span = consumer(queue(*headers), OTEL_SPAN_LINK_COUNT_LIMIT="10000")
    assert (len(span.links), span.dropped_links_count) == (0, 6000)


@pytest.mark.parametrize("sampler", ["always_on", "always_off"])
@pytest.mark.parametrize(
    ("event", "response", "count"),
    [
        (queue({}, {}, {}), {"batchItemFailures": [{"itemIdentifier": "m1"}]}, 1),
        (queue({}, {}, {}), {"batchItemFailures": "m1"}, 3),
        (queue({}, {}, {}), {"batchItemFailures": []}, 0),
        ({"a": 1}, {"batchItemFailures": [{"itemIdentifier": "m1"}]}, 0),
    ],
)
def test_end_says_how_many_items_are_given_back(
    event: object, response: object, count: int, sampler: str
) -> None:
    made = started(event, OTEL_TRACES_SAMPLER=sampler)
    end = made.succeed(response, END_UNIX_NS)
    assert wire_payloads.RequestPayload(only_frame(end, wire.END)).failed_items == count


@pytest.mark.parametrize(("limit", "read"), [("", 128), ("5", 128), ("400", 400)])
def test_a_batch_is_read_up_to_the_link_limit(limit: str, read: int) -> None:
    class Counted(dict[str, Any]):
        bodies = 0

        def get(self, key: str, default: object = None) -> object:
            Counted.bodies += key == "body"
            return super().get(key, default)

    event = queue(*({} for _ in range(10_000)))
    event["Records"] = [Counted(record) for record in event["Records"]]
    span = consumer(event, OTEL_SPAN_LINK_COUNT_LIMIT=limit)
    assert (len(span.links), span.dropped_links_count) == (0, 0)
    assert read <= Counted.bodies <= read + 2
