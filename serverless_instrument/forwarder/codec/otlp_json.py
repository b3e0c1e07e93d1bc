"""OTLP protobuf to OTLP/JSON, for backends that take no protobuf; pure, loaded only when asked for.

Mapping: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: lowerCamelCase names, ids
in hexadecimal, enumerations as numbers, 64-bit integers as strings. Unknown fields are left out;
one whose wire type is another than its kind's is unknown to protobuf, too.
"""

from __future__ import annotations

from binascii import b2a_base64
from json import dumps
from struct import iter_unpack, unpack

from serverless_instrument.forwarder.codec import protobuf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

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
    "Resource": {
        1: ("attributes", _KEY_VALUES),
        2: ("droppedAttributesCount", "uint32"),
        3: ("entityRefs", "*EntityRef"),
    },
    "EntityRef": {
        1: ("schemaUrl", "string"),
        2: ("type", "string"),
        3: ("idKeys", "*string"),
        4: ("descriptionKeys", "*string"),
    },
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
        6: ("kind", "enum"),
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
    "Status": {2: ("message", "string"), 3: ("code", "enum")},
    "LogRecord": {
        1: ("timeUnixNano", "fixed64"),
        2: ("severityNumber", "enum"),
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
        2: ("aggregationTemporality", "enum"),
        3: ("isMonotonic", "bool"),
    },
    "Histogram": {
        1: ("dataPoints", "*HistogramDataPoint"),
        2: ("aggregationTemporality", "enum"),
    },
    "ExponentialHistogram": {
        1: ("dataPoints", "*ExponentialHistogramDataPoint"),
        2: ("aggregationTemporality", "enum"),
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


# Of the fields of a oneof the last counts.
_ONE_OF = {
    "AnyValue": [key for key, _ in _MESSAGES["AnyValue"].values()],
    "Metric": ["gauge", "sum", "histogram", "exponentialHistogram", "summary"],
    "NumberDataPoint": ["asDouble", "asInt"],
    "Exemplar": ["asDouble", "asInt"],
}


def convert(signal: str, body: bytes) -> bytes:
    """The JSON form of an encoded export request of `signal` ("traces", "logs", "metrics").

    Raises:
        ValueError: `body` is not protobuf, or nested deeper than Python calls go.
    """
    try:
        return dumps(_message(signal, body), separators=(",", ":")).encode()
    except RecursionError:
        raise ValueError("protobuf nested too deeply") from None


def _message(name: str, data: bytes) -> dict[str, object]:
    known, one_of = _MESSAGES[name], _ONE_OF.get(name, ())
    out: dict[str, object] = {}
    # A sub-message that comes in parts is what its bytes, joined, say.
    parts: dict[str, tuple[str, bytes]] = {}
    for number, wire_type, value in protobuf.fields(data):
        key, kind = known.get(number, ("", ""))
        if kind.startswith("*"):
            if elements := _elements(kind[1:], wire_type, value):
                before = out.setdefault(key, [])
                assert isinstance(before, list)
                before += elements
        elif _wire_type(kind) == wire_type and key:
            for other in one_of if key in one_of else ():
                if other != key:
                    out.pop(other, None)
                    parts.pop(other, None)
            if kind in _SCALARS:
                out[key] = _SCALARS[kind][1](value)
            else:
                assert isinstance(value, bytes)
                parts[key] = (kind, parts[key][1] + value if key in parts else value)
    for key, (kind, part) in parts.items():
        out[key] = _message(kind, part)
    return out


def _wire_type(kind: str) -> int:
    return _SCALARS[kind][0] if kind in _SCALARS else protobuf.BYTES


def _elements(kind: str, wire_type: int, value: bytes | int) -> list[object]:
    """One element of a repeated field, or all of a packed one."""
    if kind in _PACKED and wire_type == protobuf.BYTES:
        assert isinstance(value, bytes)
        return list(_PACKED[kind](value))
    if wire_type != _wire_type(kind):
        return []
    if kind in _SCALARS:
        return [_SCALARS[kind][1](value)]
    assert isinstance(value, bytes)
    return [_message(kind, value)]


def _varints(data: bytes) -> Iterator[str]:
    position = 0
    while position < len(data):
        value, position = protobuf.varint(data, position)
        yield str(value)


def _words(data: bytes, form: str) -> Iterator[Any]:
    if len(data) % 8:
        raise ValueError("truncated protobuf")
    return (word for (word,) in iter_unpack(form, data))


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _zigzag(value: int) -> int:
    value &= 0xFFFF_FFFF
    return (value >> 1) ^ -(value & 1)


_NAMED = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _double(number: float) -> object:
    # protobuf's JSON mapping has names for what JSON has no numbers for.
    return _NAMED.get(repr(number), number)


# Kind: wire type, and what makes the value that `protobuf.fields` yields a JSON value.
_SCALARS: Mapping[str, tuple[int, Callable[[Any], object]]] = {
    "bool": (protobuf.VARINT, bool),
    "enum": (protobuf.VARINT, lambda value: _signed(value, 32)),
    "uint32": (protobuf.VARINT, lambda value: value & 0xFFFF_FFFF),
    "sint32": (protobuf.VARINT, _zigzag),
    "int64": (protobuf.VARINT, lambda value: str(_signed(value, 64))),
    "uint64": (protobuf.VARINT, str),
    "fixed32": (protobuf.FIXED32, lambda data: unpack("<I", data)[0]),
    "fixed64": (protobuf.FIXED64, lambda data: str(unpack("<Q", data)[0])),
    "sfixed64": (protobuf.FIXED64, lambda data: str(unpack("<q", data)[0])),
    "double": (protobuf.FIXED64, lambda data: _double(unpack("<d", data)[0])),
    "string": (protobuf.BYTES, lambda data: data.decode("utf-8", "replace")),
    "bytes": (protobuf.BYTES, lambda data: b2a_base64(data, newline=False).decode()),
    "hex": (protobuf.BYTES, bytes.hex),
}
_PACKED: Mapping[str, Callable[[bytes], Iterator[object]]] = {
    "fixed64": lambda data: map(str, _words(data, "<Q")),
    "double": lambda data: map(_double, _words(data, "<d")),
    "uint64": _varints,
}
