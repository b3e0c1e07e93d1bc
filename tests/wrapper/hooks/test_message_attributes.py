"""Message attributes of ours fit beside the user's, or are left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.wrapper.hooks import message_attributes

LIMIT = 256 * 1024
HEADERS = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "baggage": "k=v"}
# Name, type and value of each.
ADDED = len("traceparent" + "String") + 55 + len("baggage" + "String") + 3


def attribute(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def message(add: Any, body: str, text: str, **more: Any) -> dict[str, Any]:
    parameters = {body: text, **more}
    add(parameters, HEADERS)
    found: dict[str, Any] = parameters.get("MessageAttributes", {})
    return found


@pytest.mark.parametrize(
    ("add", "body"),
    [
        (message_attributes.add_to_sqs_message, "MessageBody"),
        (message_attributes.add_to_sns_message, "Message"),
    ],
)
def test_a_message_that_just_fits_is_sent_as_it_is(add: Any, body: str) -> None:
    assert message(add, body, "x" * (LIMIT - ADDED)).keys() == HEADERS.keys()
    assert message(add, body, "x" * (LIMIT - ADDED + 1)) == {}
    assert message(add, body, "é" * (LIMIT // 2)) == {}
    assert message(add, body, "x" * LIMIT, Subject=None) == {}


def test_subject_and_attributes_of_the_user_count() -> None:
    room = LIMIT - ADDED
    add = message_attributes.add_to_sns_message
    assert "traceparent" in message(add, "Message", "x" * (room - 10), Subject="s" * 10)
    assert message(add, "Message", "x" * (room - 10), Subject="s" * 11) == {}
    users = {"n": {"DataType": "Binary", "BinaryValue": b"b" * 100}}
    kept = message(add, "Message", "x" * (room - 107), MessageAttributes=dict(users))
    assert kept.keys() == {"n", *HEADERS}
    assert message(add, "Message", "x" * (room - 106), MessageAttributes=dict(users)) == users


@pytest.mark.parametrize(("count", "kept"), [(8, 10), (9, 10), (10, 10)])
def test_ten_attributes_are_the_most(count: int, kept: int) -> None:
    users = {f"a{number}": attribute("v") for number in range(count)}
    found = message(
        message_attributes.add_to_sqs_message, "MessageBody", "x", MessageAttributes=dict(users)
    )
    assert len(found) == kept
    assert {name: found[name] for name in users} == users


def test_a_trace_context_of_the_user_stays_alone() -> None:
    users = {"TraceParent": attribute("mine")}
    found = message(
        message_attributes.add_to_sqs_message, "MessageBody", "x", MessageAttributes=dict(users)
    )
    assert found == {**users, "baggage": attribute("k=v")}


@pytest.mark.parametrize(
    ("add", "entries", "body"),
    [
        (message_attributes.add_to_sqs_batch, "Entries", "MessageBody"),
        (message_attributes.add_to_sns_batch, "PublishBatchRequestEntries", "Message"),
    ],
)
@given(sizes=st.lists(st.integers(1, LIMIT // 3), min_size=1, max_size=10))
def test_a_batch_counts_as_a_whole(add: Any, entries: str, body: str, sizes: list[int]) -> None:
    given_entries = [{"Id": str(number), body: "x" * size} for number, size in enumerate(sizes)]
    before = [dict(entry) for entry in given_entries]
    parameters = {entries: given_entries}
    add(parameters, HEADERS)
    assert given_entries == before, "the caller's own"
    added = sum("MessageAttributes" in entry for entry in parameters[entries])
    room = LIMIT - sum(sizes)
    assert added == max(0, min(len(sizes), room // ADDED))
