"""What goes into a batch comes out of its exports, decoded by the official messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.delivery.batch import MAX_REQUEST_BYTES, Batch
from tests.forwarder import encoded
from tests.forwarder.encoded import Item

if TYPE_CHECKING:
    from serverless_instrument.forwarder.exporter.export import Export

# signal, service, scope, schema URL, names
ENTRIES = st.lists(
    st.tuples(
        encoded.SIGNALS,
        st.sampled_from(["one", "two", ""]),
        st.sampled_from(["x", "y", ""]),
        st.sampled_from(["", "https://schema"]),
        encoded.NAMES,
    ),
    max_size=12,
)
Entry = tuple[str, str, str, str, list[str]]


def filled(entries: list[Entry], max_bytes: int = MAX_REQUEST_BYTES) -> Batch:
    batch = Batch(max_bytes)
    for signal, service, scope, schema_url, names in entries:
        resource = encoded.resource(service) if service else b""
        items = encoded.items(signal, names)
        batch.add_items(signal, resource, encoded.scope(scope, schema_url), items, len(names))
    return batch


def put_in(entries: list[Entry], signal: str) -> list[Item]:
    return [
        Item(service, scope, schema_url, name)
        for kind, service, scope, schema_url, names in entries
        for name in names
        if kind == signal
    ]


def taken_out(exports: list[Export], signal: str) -> list[Item]:
    return [
        item
        for export in exports
        if export.signal == signal
        for item in encoded.found(signal, export.body)
    ]


def by_origin(items: list[Item]) -> dict[tuple[str, str, str], list[str]]:
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for item in items:
        grouped.setdefault(item[:3], []).append(item.name)
    return grouped


@given(ENTRIES, st.integers(1, 2000) | st.just(MAX_REQUEST_BYTES))
def test_exports_hold_exactly_what_was_put_in(entries: list[Entry], max_bytes: int) -> None:
    batch = filled(entries, max_bytes)
    exports = batch.take_exports()
    for signal in ("traces", "logs", "metrics"):
        before, after = put_in(entries, signal), taken_out(exports, signal)
        # Grouping changes the order between origins, never within one.
        assert by_origin(after) == by_origin(before)
        assert sum(export.count for export in exports if export.signal == signal) == len(before)
    assert not batch
    assert batch.size_bytes == 0
    assert batch.take_exports() == []


@given(ENTRIES, st.integers(1, 2000))
def test_only_a_single_frame_may_exceed_the_limit(entries: list[Entry], max_bytes: int) -> None:
    largest = max(
        (len(encoded.items(signal, names)) for signal, *_, names in entries if names), default=0
    )
    for export in filled(entries, max_bytes).take_exports():
        assert len(export.body) <= max(max_bytes, largest + 200)


def test_one_resource_and_scope_are_written_once() -> None:
    entries: list[Entry] = [("traces", "one", "x", "", ["a"]), ("traces", "one", "x", "", ["b"])]
    (export,) = filled(entries).take_exports()
    request = encoded.REQUESTS["traces"].FromString(export.body)
    assert request.SerializeToString() == export.body
    assert export.body.count(b"service.name") == 1
    assert taken_out([export], "traces") == put_in(entries, "traces")


def test_a_request_is_split_before_it_exceeds_the_limit() -> None:
    entries: list[Entry] = [("logs", "one", "x", "", ["n" * 1000]) for _ in range(10)]
    exports = filled(entries, 3300).take_exports()
    assert [export.count for export in exports] == [3, 3, 3, 1]
    assert all(len(export.body) <= 3300 for export in exports)
    assert taken_out(exports, "logs") == put_in(entries, "logs")


def test_size_counts_items_and_tells_that_there_are_some() -> None:
    batch = Batch()
    assert not batch
    batch.add_items("logs", b"", b"", b"", 0)
    assert not batch
    batch.add_items("logs", b"", b"", b"12345", 1)
    assert batch
    assert batch.size_bytes == 5


def test_clear_tells_how_many_were_forgotten() -> None:
    batch = filled([("logs", "one", "x", "", ["a", "b"]), ("traces", "one", "x", "", ["c"])])
    assert batch.clear() == 3
    assert not batch
    assert batch.size_bytes == 0
    assert batch.clear() == 0
