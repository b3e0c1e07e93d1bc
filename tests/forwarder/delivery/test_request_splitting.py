"""A request in two: every item once, each under its resource and scope."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument import wire
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.delivery.request_splitting import split_in_two
from serverless_instrument.forwarder.exporter.export import Export
from tests.forwarder import encoded
from tests.forwarder.encoded import NAMES, SIGNALS


def request(signal: str, parts: list[tuple[str, str, list[str]]]) -> Export:
    """One export of (service, scope, names)."""
    batch = Batch(1 << 30)
    for service, scope, names in parts:
        items = encoded.items(signal, names)
        scoped = encoded.scope(scope, schema_url="https://example.com/1")
        batch.add_items(signal, encoded.resource(service), scoped, items, len(names))
    (export,) = batch.take_exports()
    export.route = f"{signal} (here)"
    return export


PARTS = st.lists(
    st.tuples(st.sampled_from(["one", "two"]), st.sampled_from(["x", "y"]), NAMES),
    min_size=1,
)


@given(SIGNALS, PARTS)
def test_every_item_is_in_one_half(signal: str, parts: list[tuple[str, str, list[str]]]) -> None:
    if not any(names for _, _, names in parts):
        return
    whole = request(signal, parts)
    cut = split_in_two(whole)
    items = encoded.found(signal, whole.body)
    if len(items) < 2:
        assert cut == []
        return
    found = [encoded.found(signal, half.body) for half in cut]
    assert found[0] + found[1] == items
    assert [half.count for half in cut] == [len(items) // 2, len(items) - len(items) // 2]
    assert {(half.signal, half.route) for half in cut} == {(signal, whole.route)}


def test_of_a_large_one_in_a_few_steps() -> None:
    waiting = [request("traces", [("shop", "x", [f"span {n}" for n in range(100)])])]
    done: list[str] = []
    requests = 0
    while waiting:
        one = waiting.pop(0)
        requests += 1
        if len(one.body) > 500:
            waiting = split_in_two(one) + waiting
        else:
            done += [item.name for item in encoded.found("traces", one.body)]
    assert done == [f"span {n}" for n in range(100)]
    assert requests < 64


def test_an_item_that_stands_for_several_takes_its_part_of_them() -> None:
    whole = request("metrics", [("shop", "x", ["a", "b", "c", "d"])])
    whole.count = 9
    assert [half.count for half in split_in_two(whole)] == [4, 5]


@pytest.mark.parametrize("body", [b"", b"\x08\x01", b"\x0a\xff", b"\x0a\x02\x08\x01", b"\xff" * 20])
def test_what_cannot_be_read_is_not_cut(body: bytes) -> None:
    assert split_in_two(Export("traces", body, 2)) == []


@given(st.binary(max_size=60))
def test_garbage_raises_nothing(body: bytes) -> None:
    for cut in split_in_two(Export("logs", wire.field(b"\x0a", body), 2)):
        assert cut.body
