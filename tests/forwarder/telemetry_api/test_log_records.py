"""What a line says of itself becomes a log record's fields."""

from __future__ import annotations

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs

from serverless_instrument.forwarder.telemetry_api import log_records
from serverless_instrument.forwarder.telemetry_api.log_records import Record
from tests.wrapper.decoded import attributes

NOW_NS = 1_787_227_200_000_000_000


def decoded(record: Record, ids: tuple[bytes, bytes, int] = (b"", b"", 0)) -> LogRecord:
    (one,) = ScopeLogs.FromString(log_records.encode(record, ids, NOW_NS + 5)).log_records
    return one


def test_a_record_stands_under_its_span() -> None:
    record = decoded(Record("x", 0), (b"t" * 16, b"s" * 8, 1))
    assert (record.trace_id, record.span_id, record.flags) == (b"t" * 16, b"s" * 8, 1)
    assert record.time_unix_nano == 0
    bare = decoded(Record("x", 7), (b"", b"", 0))
    assert (bare.trace_id, bare.flags, bare.time_unix_nano) == (b"", 0, 7)


def test_masks_reach_every_text_of_the_line() -> None:
    record = Record({"secret": ["a secret", 1]}, 0)
    record.attributes = {"secret": 1, "note": {"deep": "secret"}}
    record.exception = {"exception.message": "secret"}
    record.level = record.logger = record.request_id = "secret"
    record.mask(lambda text: text.replace("secret", "***"))
    assert record.body == {"***": ["a ***", 1]}
    assert record.attributes == {"***": 1, "note": {"deep": "***"}}
    assert record.exception == {"exception.message": "***"}
    # The request id is not the function's text, and joins records to invocations.
    assert (record.level, record.logger, record.request_id) == ("***", "***", "secret")


def test_names_of_attributes_are_unique() -> None:
    record = Record("x", 7)
    record.attributes = {"faas.invocation_id": "theirs", "a": 1, "b": 2}
    record.encoded = log_records.encode_attributes({"a": 5})
    (one,) = ScopeLogs.FromString(
        log_records.encode(record, (b"", b"", 0), 7, log_records.request_attribute("ours"))
    ).log_records
    assert len(one.attributes) == 3
    assert attributes(one.attributes) == {"faas.invocation_id": "ours", "a": 5, "b": 2}


def test_what_is_nested_deeply_or_large_is_still_a_value() -> None:
    deep: object = "x"
    for _ in range(60):
        deep = [deep]
    for extreme in (deep, 1 << 70, -(1 << 63), "\ud800"):
        encoded = decoded(Record(extreme, 0)).body
        assert AnyValue.WhichOneof(encoded, "value") is not None
