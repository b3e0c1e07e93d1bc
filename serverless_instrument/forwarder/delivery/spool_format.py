"""Format of the spool's segments: exports to bytes and back. Pure.

A segment is a sequence of records, each with its own checksum, so that the records before a
truncation are not lost.
"""

from __future__ import annotations

import struct
from binascii import crc32

from serverless_instrument.forwarder.delivery.batch import MAX_REQUEST_BYTES
from serverless_instrument.forwarder.destinations.destination import SIGNALS
from serverless_instrument.forwarder.exporter.export import Export

_MAGIC = b"SISP"
_VERSION = 1
# magic, version, signal, length of the route, items, length of the body, checksum of all the rest
_HEADER = struct.Struct("!4sBBBIII")
_SUFFIX = ".segment"
_NUMBERS = 4
_DIGITS = 20


def encode_record(export: Export) -> bytes:
    """The record of one export."""
    route = export.route.encode()[:255]
    signal = SIGNALS.index(export.signal)
    checksum = _checksum(signal, route, export.count, export.body)
    head = _HEADER.pack(
        _MAGIC, _VERSION, signal, len(route), export.count, len(export.body), checksum
    )
    return head + route + export.body


def decode_records(segment: bytes) -> tuple[list[Export], bool]:
    """(exports of a segment up to its first defect, whether there is a defect)."""
    found: list[Export] = []
    position = 0
    while position < len(segment):
        if len(segment) - position < _HEADER.size:
            return found, True
        magic, version, signal, route_size, count, size, checksum = _HEADER.unpack_from(
            segment, position
        )
        start = position + _HEADER.size + route_size
        route, body = segment[start - route_size : start], segment[start : start + size]
        position = start + size
        whole = magic == _MAGIC and version == _VERSION and signal < len(SIGNALS)
        if not whole or size > 2 * MAX_REQUEST_BYTES or position > len(segment):
            return found, True
        if checksum != _checksum(signal, route, count, body):
            return found, True
        found.append(Export(SIGNALS[signal], body, count, route.decode("utf-8", "replace")))
    return found, False


def _checksum(signal: int, route: bytes, count: int, body: bytes) -> int:
    return crc32(body, crc32(b"%d %d %b" % (signal, count, route)))


def segment_name(time_ns: int, pid: int, number: int, count: int, signal: str) -> str:
    """The file name of a segment: sorts by age, and has the number of items and the signal."""
    return f"{time_ns:020d}-{pid}-{number}-{count}-{signal}{_SUFFIX}"


def parse_name(file: str) -> tuple[str, int]:
    """(signal, number of items) of the segment `file`; ("", 0) if it is not one of ours."""
    stem = file[: -len(_SUFFIX)] if file.endswith(_SUFFIX) else ""
    *numbers, signal = stem.split("-")
    if len(numbers) != _NUMBERS or signal not in SIGNALS:
        return "", 0
    if not all(x.isascii() and x.isdigit() and len(x) <= _DIGITS for x in numbers):
        return "", 0
    return signal, int(numbers[-1])


def time_of_name_ns(file: str) -> int:
    """When the segment `file`, one of ours, was written (Unix time)."""
    return int(file.partition("-")[0])
