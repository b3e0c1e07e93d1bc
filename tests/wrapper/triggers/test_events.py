"""The spans of each documented event, in full, decoded from the bytes that are sent.

The expected files are written from AWS's pages and the conventions. ``attributes`` are those of the
trigger; ``parent`` and ``links`` are ``traceid-spanid`` in hex.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serverless_instrument import wire, wire_payloads
from serverless_instrument.wrapper.events import registry
from tests.wrapper import decoded, invocations
from tests.wrapper.triggers import events

if TYPE_CHECKING:
    from serverless_instrument.wrapper.invocation.invocation import Invocation

EXPECTED = Path(__file__).parent / "expected"
# Attributes that come from the invocation and from the response, not from the event.
NOT_THE_TRIGGERS = {"faas.coldstart", "http.response.status_code"}


def expected(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EXPECTED / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def hex_ids(trace_id: bytes, span_id: bytes) -> str:
    return f"{trace_id.hex()}-{span_id.hex()}"


def of_the_trigger(span: Span) -> dict[str, object]:
    attributes = decoded.attributes(span.attributes)
    return {key: value for key, value in attributes.items() if key not in NOT_THE_TRIGGERS}


def shown(span: Span) -> dict[str, object]:
    """A root span in the format of the expected files."""
    parent = hex_ids(span.trace_id, span.parent_span_id) if span.parent_span_id else None
    return {
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        "attributes": of_the_trigger(span),
        "parent": parent,
    }


def shown_consumer(span: Span) -> dict[str, object]:
    return {
        "name": span.name,
        "attributes": decoded.attributes(span.attributes),
        "links": [hex_ids(link.trace_id, link.span_id) for link in span.links],
        "dropped_links": span.dropped_links_count,
    }


def ended(invocation: Invocation) -> list[Span]:
    data = invocation.succeed({"statusCode": 200}, invocations.END_UNIX_NS)
    batch = wire_payloads.RequestPayload(invocations.only_frame(data, wire.END)).batch
    return list(decoded.scope_spans(batch).spans)


def test_every_event_has_an_expected_file_and_every_file_an_event() -> None:
    assert {path.stem for path in EXPECTED.iterdir()} == set(events.NAMES)
    assert len(events.NAMES) >= 75


def test_every_trigger_has_an_event() -> None:
    assert {expected(name)["trigger"] for name in events.NAMES} == set(events.TRIGGERS)


@pytest.mark.parametrize("name", events.NAMES)
def test_exactly_one_trigger_claims_each_event(name: str) -> None:
    event, trigger = events.load(name), expected(name)["trigger"]
    claimants = [each for each in events.TRIGGERS if registry.load(each).infer(event)]
    assert claimants == ([] if trigger == registry.FALLBACK else [trigger])
    assert registry.select(event) is registry.load(trigger)


@pytest.mark.parametrize("name", events.NAMES)
def test_the_spans_of_each_event(name: str) -> None:
    event = events.load(name)
    before = copy.deepcopy(event)
    rest = {key: value for key, value in expected(name).items() if key != "trigger"}
    consumer = rest.pop("consumer")
    invocation = invocations.invocation(event)
    assert shown(invocations.start_span(invocation.start())) == rest
    root, *inner = sorted(ended(invocation), key=lambda span: span.kind)
    assert shown(root) == rest
    assert root.status.code == Status.STATUS_CODE_UNSET
    assert [shown_consumer(span) for span in inner] == ([] if consumer is None else [consumer])
    for span in inner:
        assert span.kind == Span.SPAN_KIND_CONSUMER
        assert (span.trace_id, span.parent_span_id) == (root.trace_id, root.span_id)
    assert event == before
