"""OTLP protobuf to OTLP/JSON, for backends that take no protobuf; pure, loaded only when asked for.

Mapping: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: lowerCamelCase names, ids
in hexadecimal, enumerations as numbers, 64-bit integers as strings. Unknown fields are left out.
"""

from __future__ import annotations

from binascii import b2a_base64
from json import dumps
from struct import unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# A field is (JSON name, kind): a scalar kind or the name of a message; "*" means repeated.
_KEY_VALUES = "*KeyValue"
_MESSAGES: dict[str, dict[int, tuple[str, str]]] = {
    "traces": {1: ("resourceSpans", "*ResourceSpans")},
    "logs": {1: ("resourceLogs", "*ResourceLogs")},
    "metrics": {1: ("resourceMetrics", "*ResourceMetrics")},
    "ResourceSpans": {
        1: ("resource", "Resource"),
        2: ("scopeSpans", "*ScopeSpans"),
        3: ("schemaUrl", "string"),
    },
    "ResourceLogs": {
        1: ("resource", "Resource"),
        2: ("scopeLogs", "*ScopeLogs"),
        3: ("schemaUrl", "string"),
    },
    "ResourceMetrics": {
        1: ("resource", "Resource"),
        2: ("scopeMetrics", "*ScopeMetrics"),
        3: ("schemaUrl", "string"),
    },
    "ScopeSpans": {1: ("scope", "Scope"), 2: ("spans", "*Span"), 3: ("schemaUrl", "string")},
    "ScopeLogs": {
        1: ("scope", "Scope"),
        2: ("logRecords", "*LogRecord"),
        3: ("schemaUrl", "string"),
    },
    "ScopeMetrics": {1: ("scope", "Scope"), 2: ("metrics", "*Metric"), 3: ("schemaUrl", "string")},
    "Resource": {1: ("attributes", _KEY_VALUES), 2: ("droppedAttributesCount", "uint32")},
    "Scope": {
        1: ("name", "string"),
        2: ("version", "string"),
        3: ("attributes", _KEY_VALUES),
        4: ("droppedAttributesCount", "uint32"),
    },
    "KeyValue": {1: ("key", "string"), 2: ("value", "AnyValue")},
    "AnyValue": {
        1: ("stringValue", "string"),
        2: ("boolValue", "bool"),
        3: ("intValue", "int64"),
        4: ("doubleValue", "double"),
        5: ("arrayValue", "ArrayValue"),
        6: ("kvlistValue", "KeyValueList"),
        7: ("bytesValue", "bytes"),
    },
    "ArrayValue": {1: ("values", "*AnyValue")},
    "KeyValueList": {1: ("values", _KEY_VALUES)},
    "Span": {
        1: ("traceId", "hex"),
        2: ("spanId", "hex"),
        3: ("traceState", "string"),
        4: ("parentSpanId", "hex"),
        5: ("name", "string"),
        6: ("kind", "uint32"),
        7: ("startTimeUnixNano", "fixed64"),
        8: ("endTimeUnixNano", "fixed64"),
        9: ("attributes", _KEY_VALUES),
        10: ("droppedAttributesCount", "uint32"),
        11: ("events", "*Event"),
        12: ("droppedEventsCount", "uint32"),
        13: ("links", "*Link"),
        14: ("droppedLinksCount", "uint32"),
        15: ("status", "Status"),
        16: ("flags", "fixed32"),
    },
    "Event": {
        1: ("timeUnixNano", "fixed64"),
        2: ("name", "string"),
        3: ("attributes", _KEY_VALUES),
        4: ("droppedAttributesCount", "uint32"),
    },
    "Link": {
        1: ("traceId", "hex"),
        2: ("spanId", "hex"),
        3: ("traceState", "string"),
        4: ("attributes", _KEY_VALUES),
        5: ("droppedAttributesCount", "uint32"),
        6: ("flags", "fixed32"),
    },
    "Status": {2: ("message", "string"), 3: ("code", "uint32")},
    "LogRecord": {
        1: ("timeUnixNano", "fixed64"),
        2: ("severityNumber", "uint32"),
        3: ("severityText", "string"),
        5: ("body", "AnyValue"),
        6: ("attributes", _KEY_VALUES),
        7: ("droppedAttributesCount", "uint32"),
        8: ("flags", "fixed32"),
        9: ("traceId", "hex"),
        10: ("spanId", "hex"),
        11: ("observedTimeUnixNano", "fixed64"),
        12: ("eventName", "string"),
    },
    "Metric": {
        1: ("name", "string"),
        2: ("description", "string"),
        3: ("unit", "string"),
        5: ("gauge", "Gauge"),
        7: ("sum", "Sum"),
        9: ("histogram", "Histogram"),
        10: ("exponentialHistogram", "ExponentialHistogram"),
        11: ("summary", "Summary"),
        12: ("metadata", _KEY_VALUES),
    },
    "Gauge": {1: ("dataPoints", "*NumberDataPoint")},
    "Sum": {
        1: ("dataPoints", "*NumberDataPoint"),
        2: ("aggregationTemporality", "uint32"),
        3: ("isMonotonic", "bool"),
    },
    "Histogram": {
        1: ("dataPoints", "*HistogramDataPoint"),
        2: ("aggregationTemporality", "uint32"),
    },
    "ExponentialHistogram": {
        1: ("dataPoints", "*ExponentialHistogramDataPoint"),
        2: ("aggregationTemporality", "uint32"),
    },
    "Summary": {1: ("dataPoints", "*SummaryDataPoint")},
    "NumberDataPoint": {
        7: ("attributes", _KEY_VALUES),
        2: ("startTimeUnixNano", "fixed64"),
        3: ("timeUnixNano", "fixed64"),
        4: ("asDouble", "double"),
        6: ("asInt", "sfixed64"),
        5: ("exemplars", "*Exemplar"),
        8: ("flags", "uint32"),
    },
    "HistogramDataPoint": {
        9: ("attributes", _KEY_VALUES),
        2: ("startTimeUnixNano", "fixed64"),
        3: ("timeUnixNano", "fixed64"),
        4: ("count", "fixed64"),
        5: ("sum", "double"),
        6: ("bucketCounts", "*fixed64"),
        7: ("explicitBounds", "*double"),
        8: ("exemplars", "*Exemplar"),
        10: ("flags", "uint32"),
        11: ("min", "double"),
        12: ("max", "double"),
    },
    "ExponentialHistogramDataPoint": {
        1: ("attributes", _KEY_VALUES),
        2: ("startTimeUnixNano", "fixed64"),
        3: ("timeUnixNano", "fixed64"),
        4: ("count", "fixed64"),
        5: ("sum", "double"),
        6: ("scale", "sint32"),
        7: ("zeroCount", "fixed64"),
        8: ("positive", "Buckets"),
        9: ("negative", "Buckets"),
        10: ("flags", "uint32"),
        11: ("exemplars", "*Exemplar"),
        12: ("min", "double"),
        13: ("max", "double"),
        14: ("zeroThreshold", "double"),
    },
    "Buckets": {1: ("offset", "sint32"), 2: ("bucketCounts", "*uint64")},
    "SummaryDataPoint": {
        7: ("attributes", _KEY_VALUES),
        2: ("startTimeUnixNano", "fixed64"),
        3: ("timeUnixNano", "fixed64"),
        4: ("count", "fixed64"),
        5: ("sum", "double"),
        6: ("quantileValues", "*ValueAtQuantile"),
        8: ("flags", "uint32"),
    },
    "ValueAtQuantile": {1: ("quantile", "double"), 2: ("value", "double")},
    "Exemplar": {
        7: ("filteredAttributes", _KEY_VALUES),
        2: ("timeUnixNano", "fixed64"),
        3: ("asDouble", "double"),
        6: ("asInt", "sfixed64"),
        4: ("spanId", "hex"),
        5: ("traceId", "hex"),
    },
}


def convert(signal: str, body: bytes) -> bytes:
    """The JSON form of an encoded export request of `signal` ("traces", "logs", "metrics").

    Raises:
        ValueError: `body` is not protobuf.
    """
    return dumps(_message(signal, body), separators=(",", ":")).encode()


def _message(name: str, data: bytes) -> dict[str, object]:
    known = _MESSAGES[name]
    out: dict[str, object] = {}
    for number, wire_type, value in _fields(data):
        entry = known.get(number)
        if entry is None:
            continue
        key, kind = entry
        if not kind.startswith("*"):
            out[key] = _value(kind, value)
            continue
        values = out.setdefault(key, [])
        assert isinstance(values, list)
        values += _elements(kind[1:], wire_type, value)
    return out


def _elements(kind: str, wire_type: int, value: bytes | int) -> list[object]:
    """One element of a repeated field, or all of a packed one."""
    if kind in _PACKED and wire_type == 2:
        assert isinstance(value, bytes)
        return [_value(kind, element) for element in _PACKED[kind](value)]
    return [_value(kind, value)]


def _words(data: bytes) -> Iterator[bytes]:
    return (data[start : start + 8] for start in range(0, len(data) - 7, 8))


def _varints(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


_PACKED: Mapping[str, Callable[[bytes], Iterator[bytes | int]]] = {
    "fixed64": _words,
    "double": _words,
    "uint64": _varints,
}


def _value(kind: str, value: bytes | int) -> object:
    if isinstance(value, int):
        return _VARINT[kind](value) if kind in _VARINT else value
    scalar = _BYTES.get(kind)
    return _message(kind, value) if scalar is None else scalar(value)


def _signed(value: int) -> str:
    return str(value - (1 << 64) if value >> 63 else value)


_NAMED = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _double(data: bytes) -> object:
    number: float = unpack_from("<d", data)[0]
    # protobuf's JSON mapping has names for what JSON has no numbers for.
    return _NAMED.get(repr(number), number)


_VARINT: Mapping[str, Callable[[int], object]] = {
    "bool": bool,
    "int64": _signed,
    "uint64": str,
    "sint32": lambda value: (value >> 1) ^ -(value & 1),
}
_BYTES: Mapping[str, Callable[[bytes], object]] = {
    "string": lambda data: data.decode("utf-8", "replace"),
    "hex": bytes.hex,
    "bytes": lambda data: b2a_base64(data, newline=False).decode(),
    "fixed64": lambda data: str(unpack_from("<Q", data)[0]),
    "sfixed64": lambda data: str(unpack_from("<q", data)[0]),
    "fixed32": lambda data: unpack_from("<I", data)[0],
    "double": _double,
}


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("truncated protobuf")
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes | int]]:
    """(number, wire type, value) of each field of a message."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, position = _varint(data, position)
            yield number, wire_type, value
            continue
        if wire_type == 2:
            size, position = _varint(data, position)
        else:
            size = {1: 8, 5: 4}.get(wire_type, -1)
        if size < 0 or position + size > len(data):
            raise ValueError("truncated protobuf")
        yield number, wire_type, data[position : position + size]
        position += size
