"""Values, attributes, resource and scope as OTLP protobuf, which every signal has. Pure.

Field numbers: https://github.com/open-telemetry/opentelemetry-proto,
opentelemetry/proto/common/v1/common.proto and resource/v1/resource.proto.
"""

from __future__ import annotations

from _struct import Struct  # as in wire.py

from serverless_instrument.wire import MAX_PAYLOAD_BYTES, __version__, field, varint
from serverless_instrument.wrapper.records import is_ours, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FIXED64 = Struct("<Q").pack
FIXED32 = Struct("<I").pack
_DOUBLE = Struct("<d").pack
_U64 = (1 << 64) - 1
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
# A nested mapping costs three protobuf messages a level, and the common parsers refuse a request of
# more than 100 (https://protobuf.dev/reference/cpp/api-docs/google.protobuf.io.coded_stream/).
_MAX_DEPTH = 24
# Counted for each element at least, so that encoding many small ones cannot take a second.
_LEAST_PART_BYTES = 32

# A subclass of str may have an `encode` of its own.
_encode = str.encode

# What takes the place of a text that a limit would cut, where the forwarder masks what leaves.
HIDDEN = "***"
# A text that no attribute limit holds for, such as a span's name, is hidden only above this.
_WHOLE_CHARACTERS = 65_536

_hides_what_is_cut = False


def hide_what_is_cut(hides: bool) -> None:
    """Say whether a text that would be cut is hidden instead: no pattern finds half a secret.

    It is the process's and is kept here because all that leaves the process is encoded here.
    """
    global _hides_what_is_cut
    _hides_what_is_cut = hides


def cut(text: str, limit: int | None) -> str:
    """`text` of at most `limit` characters (None: all); see `hide_what_is_cut`."""
    if limit is None or len(text) <= limit:
        return text
    return HIDDEN if _hides_what_is_cut else text[:limit]


def cut_unlimited(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, in the forwarder where that masks it."""
    return cut(text, _WHOLE_CHARACTERS if _hides_what_is_cut else limit)


def hides_what_is_cut() -> bool:
    """See `hide_what_is_cut`."""
    return _hides_what_is_cut


def utf8(text: str) -> bytes:
    """`text` in UTF-8, with a question mark for each lone surrogate."""
    # JSON may contain lone surrogates, which protobuf strings must not.
    return _encode(text, "utf-8", "replace")


def _text(text: str, limit: int | None) -> bytes:
    return field(b"\x0a", utf8(text if limit is None else cut(text, limit)))


def _bytes(value: bytes, limit: int | None) -> bytes:
    if _hides_what_is_cut and limit is not None and len(value) > limit:
        return _text(HIDDEN, None)
    return field(b"\x3a", value[:limit])


def _integer(value: int, limit: int | None) -> bytes:
    if _INT64_MIN <= value <= _INT64_MAX:
        return b"\x18" + varint(value & _U64)
    # The field has 64 bits. hex, because Python refuses to convert very long integers to decimal.
    return _text(hex(value), limit)


class _Budget:
    """The containers around a value, and the bytes that are left for the whole value.

    It bounds a container that contains itself, or contains the same one twice at every level.
    """

    __slots__ = ("left_bytes", "path")

    def __init__(self) -> None:
        self.path: list[int] = []
        self.left_bytes = MAX_PAYLOAD_BYTES

    def join_parts(self, container: object, parts: Iterable[bytes]) -> bytes:
        """Join `parts`, the elements of `container`; those over the budget are left out."""
        joined = []
        self.path.append(id(container))
        left_bytes = self.left_bytes
        for part in parts:  # lazy: a nested container counts down from what is left here
            joined.append(part)
            self.left_bytes = left_bytes = left_bytes - max(len(part), _LEAST_PART_BYTES)
            if left_bytes < 0:
                break
        self.path.pop()
        return b"".join(joined)


def _array(values: Iterable[object], limit: int | None, budget: _Budget) -> bytes:
    items = (field(b"\x0a", any_value(value, limit, budget)) for value in values)
    return field(b"\x2a", budget.join_parts(values, items))


def _mapping(values: Mapping[object, object], limit: int | None, budget: _Budget) -> bytes:
    pairs = (
        _attribute(b"\x0a", key, value, limit)
        if type(key) is str and type(value) is str
        else field(
            b"\x0a", _key_value(key if type(key) is str else _str(key), value, limit, budget)
        )
        for key, value in values.items()
    )
    return field(b"\x32", budget.join_parts(values, pairs))


def _str(value: object) -> str:
    try:
        return str.__str__(str(value))
    except Exception as error:  # a user's __str__ may raise anything; the span must not be lost
        if not is_ours(error):
            raise
        return f"<{type_name(value)}>"


def any_value(value: object, limit: int | None = None, budget: _Budget | None = None) -> bytes:
    """An ``AnyValue`` message: str, bool, int, float, bytes, dict, list, tuple, set, None, or text.

    `limit` is the maximum length of strings (in characters) and bytes, inside arrays and mappings
    as well. Cycles and what is nested too deep become "...", a value of any other type its `str`.
    Never raises. `budget` is for values inside a container.
    """
    kind = type(value)
    if kind is str:
        return _text(value, limit)  # type: ignore[arg-type] # narrowed by `kind`
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        return _integer(value, limit)  # type: ignore[arg-type] # narrowed by `kind`
    if kind is float:
        return b"\x21" + _DOUBLE(value)
    if value is None:
        return b""
    budget = budget or _Budget()
    depth = len(budget.path)
    try:
        return _other_value(value, limit, budget)
    except Exception as error:  # of a user's subclass, or because another thread changes the value
        if not is_ours(error):
            raise
        del budget.path[depth:]
        return _text(_str(value), limit)


def _other_value(value: object, limit: int | None, budget: _Budget) -> bytes:
    # The base classes' conversions, because a subclass may override its own.
    if isinstance(value, str):
        return _text(str.__str__(value), limit)
    if isinstance(value, int):
        return _integer(int.__int__(value), limit)
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(float.__float__(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes(bytes(value), limit)
    if not isinstance(value, (dict, list, tuple, set, frozenset)):
        return _text(_str(value), limit)
    if len(budget.path) >= _MAX_DEPTH or id(value) in budget.path:
        return _text("...", limit)
    if isinstance(value, dict):
        return _mapping(value, limit, budget)
    return _array(value, limit, budget)


def _key_value(key: str, value: object, limit: int | None, budget: _Budget | None = None) -> bytes:
    return field(b"\x0a", utf8(key)) + field(b"\x12", any_value(value, limit, budget))


def _attribute(tag: bytes, key: str, value: object, limit: int | None) -> bytes:
    name, kind = utf8(key), type(value)
    short = kind is str and (limit is None or len(value) <= limit)  # type: ignore[arg-type] # narrowed
    if short:
        text = utf8(value)  # type: ignore[arg-type] # narrowed
        size = len(text)
        encoded = b"\n%c%b" % (size, text) if size < 128 else field(b"\n", text)
    else:
        encoded = any_value(value, limit)
    size, name_size = len(encoded), len(name)
    if name_size + size < 124:
        # Where every length fits one byte, one operation encodes it all, which halves the cost of
        # encoding a span.
        return b"%b%c\n%c%b\x12%c%b" % (tag, name_size + size + 4, name_size, name, size, encoded)
    return field(tag, field(b"\n", name) + field(b"\x12", encoded))


def attributes(
    tag: bytes,
    dropped_tag: bytes,
    values: Mapping[str, object],
    count: int | None,
    limit: int | None,
    dropped: int = 0,
) -> bytes:
    """Repeated ``KeyValue`` under `tag`, then the number of dropped ones under `dropped_tag`.

    Args:
        tag: of the attributes' field.
        dropped_tag: of the field ``dropped_attributes_count``.
        values: the attributes.
        count: how many of them to keep.
        limit: maximum length of a value, as for `any_value`.
        dropped: how many have been dropped before, besides `values`.
    """
    items = values.items()
    if count is not None and len(values) > count:
        dropped += len(values) - count
        items = list(items)[:count]  # type: ignore[assignment] # a list of the same pairs
    encoded = b"".join([_attribute(tag, key, value, limit) for key, value in items])
    return encoded + dropped_tag + varint(dropped) if dropped else encoded


def resource(values: Mapping[str, object]) -> bytes:
    """A ``Resource`` message; attribute limits do not apply to resources."""
    return attributes(b"\x0a", b"\x10", values, None, None)


def scope(
    name: str,
    version: str = "",
    schema_url: str = "",
    values: Mapping[str, object] | None = None,
) -> bytes:
    """Tagged ``scope`` and ``schema_url`` of a ``ScopeSpans``, ``ScopeLogs``, ``ScopeMetrics``.

    `values` are the scope's attributes.
    """
    inner = field(b"\x0a", utf8(name)) + (field(b"\x12", utf8(version)) if version else b"")
    if values:
        inner += attributes(b"\x1a", b"\x20", values, None, None)
    return field(b"\x0a", inner) + (field(b"\x1a", utf8(schema_url)) if schema_url else b"")


def item(message: bytes) -> bytes:
    """`message` as one element of a scope's repeated field (spans, log_records and metrics: 2)."""
    return field(b"\x12", message)


# The scope of what this package records itself.
SCOPE = scope("serverless_instrument", __version__)
