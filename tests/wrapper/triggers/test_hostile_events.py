"""Events of undocumented shapes: none raises, is changed, or costs a millisecond."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serverless_instrument.wrapper.events import registry
from tests.cost import reference_ms
from tests.wrapper import invocations
from tests.wrapper.triggers import events

if TYPE_CHECKING:
    from collections.abc import Iterator

SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
JSON = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=8,
)
TRIGGER_KINDS = {"http", "pubsub", "datasource", "timer", "other"}


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*prefix, key)
            yield from paths(value[key], (*prefix, key))


def words(value: Any) -> Iterator[str]:
    """Every key and text of a documented event, and of an event inside a text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner)
    elif isinstance(value, str) and len(value) < 100:
        yield value


ALL_WORDS = sorted({word for name in events.NAMES for word in words(events.load(name))})
WORDS = st.sampled_from(ALL_WORDS)
# Made of the words that triggers look for, so that the registry names a candidate.
EVENTS = st.recursive(
    SCALAR | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=20,
)
SOURCES = [word for word in ALL_WORDS if word.startswith(("aws:", "SelfManaged"))]
RECORDS = st.builds(
    lambda key, source, record: {key: [{**record, "eventSource": source}]},
    st.sampled_from(["Records", "records"]),
    st.sampled_from(SOURCES),
    st.dictionaries(WORDS, EVENTS, max_size=6),
)


def claimants(event: object) -> list[str]:
    return [name for name in events.TRIGGERS if registry.load(name).infer(event)]


def look_at(event: Any) -> None:
    """Run everything that reads an event; it must neither raise nor change the event."""
    before = copy.deepcopy(event)
    trigger = registry.select(event)
    facts = trigger.facts(event, events.KNOWN_METHODS)
    assert facts.trigger in TRIGGER_KINDS
    assert all(type(value) is str for value in facts.carrier.values())
    assert facts.name is None or type(facts.name) is str
    for key, value in facts.attributes.items():
        assert type(key) is str
        assert type(value) in (str, int, bool, list), key
    consumer = facts.consumer
    if consumer is not None:
        assert type(consumer.name) is str
        for key, value in consumer.attributes.items():
            assert type(value) in (str, int), key
        for message_id, xray_header, carrier in consumer.messages:
            assert type(message_id) is type(xray_header) is str
            assert all(type(value) is str for value in carrier.values())
    invocation = invocations.started(event)
    assert invocation.succeed(event, invocations.END_UNIX_NS)
    assert repr(event) == repr(before)  # NaN is not equal to itself


@settings(max_examples=3 * settings().max_examples)
@given(EVENTS | JSON | RECORDS)
def test_any_json_value_is_looked_at_without_harm(event: object) -> None:
    look_at(event)
    assert len(claimants(event)) <= 1


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [reordered(inner) for inner in value]
    return value


@settings(max_examples=5 * settings().max_examples)
@given(st.sampled_from(events.NAMES), st.data())
def test_any_known_event_with_keys_removed_nulled_retyped_or_reordered(
    name: str, data: st.DataObject
) -> None:
    event = events.load(name)
    if data.draw(st.booleans()):
        event = reordered(event)
    for _ in range(data.draw(st.integers(1, 4))):
        every = list(paths(event))
        if not every:
            break
        *parents, key = data.draw(st.sampled_from(every))
        target: Any = event
        for parent in parents:
            target = target[parent]
        if data.draw(st.booleans()):
            del target[key]
        else:
            target[key] = data.draw(JSON)
    look_at(event)
    assert len(claimants(event)) <= 1


@pytest.mark.parametrize("name", events.NAMES)
def test_order_makes_no_difference(name: str) -> None:
    event = events.load(name)
    assert registry.select(reordered(event)) is registry.select(event)
    look_at(reordered(event))


@pytest.mark.parametrize("name", events.NAMES)
def test_every_single_key_missing_or_null_or_of_another_type(name: str) -> None:
    for path in paths(events.load(name)):
        for replacement in (None, [], {}, "", 0, True, "x", [None], {"": None}):
            event: Any = events.load(name)
            target = event
            for parent in path[:-1]:
                target = target[parent]
            target[path[-1]] = replacement
            look_at(event)
        del target[path[-1]]
        look_at(event)


PACKED = [
    '{"traceparent":' + "[" * 30_000,
    '{"traceparent":"' + "x" * 30_000,
    '{"traceparent":"00-a","a":[' + "1," * 16_000 + "1]}",
    '{"traceparent":' + "9" * 5_000 + "}",
    '{"MessageAttributes":' + '{"traceparent":' * 5_000,
    '{"aws:s3":' + "[" * 16_000,
    '{"Message":"' + '{\\"traceparent\\"' * 1_000 + '"}',
    "\ud800 traceparent {",
]


@pytest.mark.parametrize("text", PACKED)
@pytest.mark.parametrize("name", ["sqs", "sns", "kinesis", "firehose", "eventbridge_custom"])
def test_text_that_only_looks_like_json(name: str, text: str) -> None:
    event = json.loads(json.dumps(events.load(name)))
    for path in paths(events.load(name)):
        if path[-1] in ("body", "Message", "data", "detail"):
            target = event
            for parent in path[:-1]:
                target = target[parent]
            target[path[-1]] = text
    look_at(event)


def look_ms(event: object, times: int = 20) -> float:
    def look() -> None:
        facts = registry.select(event).facts(event, events.KNOWN_METHODS)  # type: ignore[arg-type] # or anything
        for _ in facts.consumer.messages if facts.consumer else ():
            pass

    return reference_ms(look, times)


@pytest.mark.parametrize("name", events.NAMES)
def test_an_event_costs_less_than_a_millisecond(name: str) -> None:
    event = events.load(name)
    for key in ("body", "data", "Message"):
        if isinstance(event, dict):
            event[key] = "x" * 6_000_000  # as long as Lambda lets it be
    assert look_ms(event) < 1


@pytest.mark.parametrize("fill", ["x", '{"', '"MessageAttributes"', "traceparent", '\\"'])
@pytest.mark.parametrize("name", ["sqs", "sns", "kinesis", "firehose"])
def test_a_long_message_costs_less_than_a_millisecond(name: str, fill: str) -> None:
    event = events.load(name)
    text = "{" + fill * (6_000_000 // len(fill))
    record = (event.get("Records") or event["records"])[0]
    if name == "sqs":
        record["body"], record["messageAttributes"] = text, {}
    elif name == "sns":
        record["Sns"]["Message"] = text
    else:
        record.get("kinesis", record)["data"] = text
    assert look_ms(event) < 1


@pytest.mark.parametrize("name", ["sqs", "kinesis", "dynamodb_stream", "kafka_msk", "mq_rabbitmq"])
def test_a_record_of_a_batch_costs_25_microseconds_at_most(name: str) -> None:
    event = events.load(name)
    lists = event.get("records") or event.get("rmqMessagesByQueue") or event
    key = next(key for key, value in lists.items() if isinstance(value, list))
    lists[key] = lists[key] * 1000
    assert look_ms(event, 10) < 0.025 * 1000


LONG = [";" * 1_000_000, "," * 1_000_000, "a" * 1_000_000, "-" * 1_000_000, "=;" * 500_000]


@pytest.mark.parametrize("fill", LONG, ids=lambda fill: fill[:2])
@pytest.mark.parametrize("name", ["sqs", "http_api_v2", "eventbridge_custom"])
def test_a_long_header_costs_less_than_a_millisecond(name: str, fill: str) -> None:
    event = events.load(name)
    known = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    for header in ("tracestate", "x-amzn-trace-id", "b3", "x-b3-traceid", "x-b3-sampled"):
        known[header] = fill
    if name == "sqs":
        attributes = {key: {"stringValue": value} for key, value in known.items()}
        event["Records"][0]["messageAttributes"] = attributes
        event["Records"][0]["attributes"]["AWSTraceHeader"] = fill
    elif name == "http_api_v2":
        event["headers"] = known
    else:
        event["detail"] = known
    propagators = "b3,tracecontext,xray,baggage"
    assert reference_ms(lambda: invocations.invocation(event, OTEL_PROPAGATORS=propagators)) < 1
