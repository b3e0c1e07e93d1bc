"""Export requests, taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from serverless_instrument.forwarder.codec.export_request import count_items, split_items
from serverless_instrument.wire import field


def request(*counts: int) -> ExportTraceServiceRequest:
    """As many scopes, each of a resource of its own, with so many spans."""
    message = ExportTraceServiceRequest()
    for number, count in enumerate(counts):
        of_resource = message.resource_spans.add()
        of_resource.resource.attributes.add(key=str(number)).value.int_value = number
        of_scope = of_resource.scope_spans.add(schema_url=f"https://{number}")
        of_scope.scope.name = f"scope {number}"
        for index in range(count):
            of_scope.spans.add(name=f"{number}.{index}")
    return message


@given(st.lists(st.integers(0, 4), max_size=4))
def test_items_joined_again_are_the_request(counts: list[int]) -> None:
    message = request(*[count + 1 for count in counts])
    body = message.SerializeToString()
    items = split_items(body)
    assert len(items) == count_items(body) == sum(counts) + len(counts)
    again = ExportTraceServiceRequest()
    for resource, scope, item in items:
        encoded = field(b"\x0a", resource) + field(b"\x12", scope + item)
        again.MergeFromString(field(b"\x0a", encoded))
    joined = ExportTraceServiceRequest()
    for each in again.resource_spans:
        if joined.resource_spans and joined.resource_spans[-1].resource == each.resource:
            joined.resource_spans[-1].scope_spans[0].spans.extend(each.scope_spans[0].spans)
        else:
            joined.resource_spans.append(each)
    assert joined == message


@pytest.mark.parametrize(
    "body", [b"\xff", b"{}", b"\x08\x01", b"\x12\x00", field(b"\x0a", field(b"\x12", b"\x10\x01"))]
)
def test_what_is_no_request(body: bytes) -> None:
    for take_apart in (count_items, split_items):
        with pytest.raises(ValueError, match=r"protobuf|unexpected field"):
            take_apart(body)
