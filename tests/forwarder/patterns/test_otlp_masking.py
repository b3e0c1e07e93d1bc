"""Nothing that a mask hides is in what is masked, and all the rest is as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from serverless_instrument.forwarder.patterns.otlp_masking import OtlpMasking, masking_of
from serverless_instrument.forwarder.patterns.patterns import MASK, Patterns
from tests.forwarder import encoded

SECRET = "s3cret"
REQUESTS: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_TEXTS = st.sampled_from([SECRET, f"a {SECRET} b", "plain", f'{{"k": "{SECRET}"}}', ""])


def masking(said: dict[str, str] | None = None, mask: str = SECRET, **environ: str) -> OtlpMasking:
    environ[MASK] = mask
    report = (said if said is not None else {}).__setitem__
    return masking_of(environ, Patterns(environ), report)


def scalar(field: Any, draw: Any) -> object:
    """A value for a field that is no message."""
    if field.type == field.TYPE_STRING:
        return draw(_TEXTS)
    if field.type == field.TYPE_BYTES:
        of_user = field.containing_type.name == "AnyValue"
        return SECRET.encode() if of_user else b"12345678"
    return {field.TYPE_BOOL: True, field.TYPE_DOUBLE: 1.5, field.TYPE_ENUM: 1}.get(field.type, 7)


def filled(message: Any, draw: Any, depth: int = 0) -> Any:
    """`message` with each of its fields set, or not."""
    for each in message.DESCRIPTOR.fields:
        # Of the profiles signal alone, and left out as unknown
        if each.name.endswith("_strindex") or not draw(st.booleans()):
            continue
        target = getattr(message, each.name)
        if each.message_type is None:
            value = scalar(each, draw)
            if each.is_repeated:
                target.extend([value, value])
            else:
                setattr(message, each.name, value)
        elif depth < 9:
            child = target.add() if each.is_repeated else target
            if not each.is_repeated:
                child.SetInParent()
            filled(child, draw, depth + 1)
    return message


@pytest.mark.parametrize("signal", REQUESTS)
@given(st.data())
def test_no_secret_is_left_in_a_request_whatever_it_holds(signal: str, data: Any) -> None:
    request = filled(REQUESTS[signal](), data.draw)
    body = request.SerializeToString()
    shown = masking().mask_request(signal, body)
    assert SECRET.encode() not in shown
    read = REQUESTS[signal].FromString(shown)
    if SECRET.encode() not in body:
        assert read == request


@given(st.data())
def test_what_has_no_secret_is_the_same_bytes(data: Any) -> None:
    request = filled(REQUESTS["traces"](), data.draw)
    body = request.SerializeToString().replace(SECRET.encode(), b"public")
    assert masking().mask_request("traces", body) == body


@given(st.binary(max_size=60))
def test_garbage_is_left_out_or_masked_and_nothing_is_raised(data: bytes) -> None:
    for signal in REQUESTS:
        assert isinstance(masking().mask_request(signal, data), bytes)
        assert isinstance(masking().mask_items(signal, data), bytes)
    assert isinstance(masking().mask_resource(data), bytes)


def test_a_field_that_is_not_known_is_left_out() -> None:
    said: dict[str, str] = {}
    body = ScopeSpans(spans=[Span(name="a")]).SerializeToString()
    unknown = b"\xfa\x01" + bytes([len(SECRET)]) + SECRET.encode()
    item = Span(name="a").SerializeToString() + unknown
    masked = masking(said).mask_items("traces", b"\x12" + bytes([len(item)]) + item)
    assert masked == body
    assert said == {}


def test_what_cannot_be_read_is_left_out_and_said() -> None:
    said: dict[str, str] = {}
    assert masking(said).mask_items("traces", b"\x12\x05abc") == b""
    assert "cannot be read" in said["masking of traces"]


def span_of(items: bytes) -> Span:
    (span,) = ScopeSpans.FromString(items).spans
    return span


def tagged(span: Span) -> bytes:
    return ScopeSpans(spans=[span]).SerializeToString()


def test_limits_come_after_the_mask() -> None:
    span = Span(
        name="n" * 4090 + SECRET * 9,
        attributes=[encoded.pair("a", "ab" + SECRET), encoded.pair(SECRET, "abcdefgh")],
        events=[Span.Event(attributes=[encoded.pair("a", "abcde" + SECRET)])],
        links=[Span.Link(attributes=[encoded.pair("a", "abcde" + SECRET)])],
        status=Status(message="m" * 4094 + SECRET),
    )
    limited = masking(OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="6")
    shown = span_of(limited.mask_items("traces", tagged(span)))
    assert [(each.key, each.value.string_value) for each in shown.attributes] == [
        ("a", "ab***"),
        ("***", "abcdef"),
    ]
    assert shown.events[0].attributes[0].value.string_value == "abcde*"
    assert shown.links[0].attributes[0].value.string_value == "abcde*"
    assert shown.name == "n" * 4090 + "*" * 6
    assert shown.status.message == "m" * 4094 + "**"


def test_limits_do_not_hold_for_what_others_post() -> None:
    body = ExportTraceServiceRequest()
    span = body.resource_spans.add().scope_spans.add().spans.add()
    span.attributes.append(encoded.pair("a", "x" * 50 + SECRET))
    limited = masking(OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="6")
    shown = limited.mask_request("traces", body.SerializeToString())
    assert b"x" * 50 + b"***" in shown


def test_a_payload_is_cut_once_it_is_masked() -> None:
    payload = '{"text": "' + "a" * 50 + f' card {SECRET}"}}'
    span = Span(attributes=[encoded.pair("aws.lambda.request.payload", payload)])
    limited = masking(SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_BYTES="72")
    shown = span_of(limited.mask_items("traces", tagged(span))).attributes[0].value.string_value
    assert shown == '{"text": "' + "a" * 50 + ' card ***"}'
    shorter = masking(SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_BYTES="66")
    shown = span_of(shorter.mask_items("traces", tagged(span))).attributes[0].value.string_value
    assert shown == '{"text": "' + "a" * 50 + ' card **..."}'


def test_a_request_id_joins_records_to_invocations() -> None:
    request_id = "8f507cfc-1111-4697-b07a-ac58fc914c95"
    span = Span(
        attributes=[
            encoded.pair("faas.invocation_id", request_id),
            encoded.pair("copy", request_id),
            encoded.pair("faas.invocation_id", "1111"),
        ]
    )
    shown = span_of(masking(mask=r"\d{4}").mask_items("traces", tagged(span)))
    values = [each.value.string_value for each in shown.attributes]
    assert values == [
        request_id,
        "***f507cfc-***-***-b07a-ac58fc914c95".replace("***f", "8f", 1),
        "***",
    ]


def test_our_own_names_stay_and_values_under_them_do_not() -> None:
    span = Span(name="x", attributes=[encoded.pair("faas.trigger", "http")])
    shown = span_of(masking(mask=r"\w+").mask_items("traces", tagged(span)))
    assert (shown.name, shown.attributes[0].key) == ("***", "faas.trigger")
    assert shown.attributes[0].value.string_value == "***"


def test_numbers_and_bytes_that_a_pattern_matches_become_text() -> None:
    card = 4111111111111111
    values = [AnyValue(int_value=card), AnyValue(bytes_value=str(card).encode())]
    values.append(AnyValue(double_value=0.5))
    resource = Resource(attributes=[KeyValue(key="a", value=value) for value in values])
    shown = Resource.FromString(
        masking(mask=r"\d{16}=>CARD").mask_resource(resource.SerializeToString())
    )
    found = [each.value for each in shown.attributes]
    assert [found[0].string_value, found[1].string_value] == ["CARD", "CARD"]
    assert found[2].double_value == 0.5


def test_a_value_that_took_too_long_is_judged_anew_and_not_remembered() -> None:
    patterns = Patterns({MASK: r"(a+)+$"})
    made = masking_of({}, patterns, lambda _, __: None)
    resource = encoded.resource("a" * 40 + "!")
    assert b"***" in made.mask_resource(resource)
    patterns.start_invocation()
    other = encoded.resource("shop")
    assert made.mask_resource(other) == other
