"""OTLP messages with the user's masks applied to all texts; loaded where there are masks; pure.

Every field that is known to hold text is put through the masks, ids and numbers of the protocol
stay, and a field of a kind that is not known, which may hold anything, is left out.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.otlp_messages import MESSAGES
from serverless_instrument.forwarder.codec.protobuf import any_value, varint
from serverless_instrument.forwarder.destinations.destination import LOGS, METRICS, TRACES
from serverless_instrument.forwarder.patterns import any_values, masking, value_limits
from serverless_instrument.forwarder.patterns.own_names import OWN_NAMES
from serverless_instrument.wire import varint as encoded_varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.forwarder.patterns.patterns import Patterns
    from serverless_instrument.forwarder.patterns.value_limits import ValueLimits

    Change = Callable[[bytes], bytes]
    # By tag: what a field becomes; None where it stays as it is.
    Plan = dict[int, Change | None]

_ITEMS = {TRACES: "Span", LOGS: "LogRecord", METRICS: "Metric"}
_WIRE_TYPES = {"bool": 0, "enum": 0, "uint32": 0, "uint64": 0, "int64": 0, "sint32": 0}
_WIRE_TYPES |= {"fixed64": 1, "sfixed64": 1, "double": 1, "fixed32": 5}
_BYTES = 2
_FIXED_BYTES = {1: 8, 5: 4}
_KEPT_BYTES, _MOST_KEPT = 512, 2048
_INVOCATION_ID = "faas.invocation_id"


class OtlpMasking:
    """Masks what is added to the batch.

    Args:
        patterns: has the masks.
        limits: what is cut once it is masked, in what this environment's runtimes send.
        report: see `Delivery`.
    """

    def __init__(
        self, patterns: Patterns, limits: ValueLimits, report: Callable[[str, str], None]
    ) -> None:
        self._patterns = patterns
        self._limits = limits
        self._report = report
        self._plans: dict[tuple[str, str], Plan] = {}
        # Masked ``KeyValue``, ``Resource`` and scope fields, which come again and again.
        self._known: dict[tuple[str, bytes], bytes] = {}
        self._known_at = 0

    def mask_items(self, signal: str, items: bytes) -> bytes:
        """Tagged items of one scope; b"" where they cannot be read."""
        return self._whole(f"of {signal}", lambda: self._items(signal, items))

    def _items(self, signal: str, items: bytes) -> bytes:
        plan: Plan = {0x12: lambda item: self._walk(item, self._plan(_ITEMS[signal], signal))}
        return self._walk(items, plan)

    def mask_resource(self, resource: bytes) -> bytes:
        """An encoded ``Resource``."""
        return self._kept("Resource", resource, lambda data: self._message("Resource", data))

    def mask_scope(self, scope: bytes) -> bytes:
        """The tagged fields of a scope, as a batch has them."""
        return self._kept("ScopeSpans", scope, lambda data: self._message("ScopeSpans", data))

    def mask_request(self, signal: str, body: bytes) -> bytes:
        """An encoded ``Export*ServiceRequest``; b"" where it cannot be read."""
        return self._whole("of OTLP", lambda: self._message(signal, body))

    def mask_name(self, name: str) -> str:
        """The name of a metric or an attribute; those that this package gives stay."""
        return name if name in OWN_NAMES else self._patterns.mask(name)

    def mask_attributes(self, attributes: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Encoded ``KeyValue`` messages, in canonical order."""
        return tuple(sorted([self._key_value(each, "") for each in attributes]))

    def _whole(self, subject: str, mask: Callable[[], bytes]) -> bytes:
        try:
            return mask()
        except (ValueError, IndexError, RecursionError) as error:
            text = f"items {subject} are left out: they cannot be read, so not masked: {error}"
            self._report(f"masking {subject}", text)
            return b""

    def _kept(self, kind: str, data: bytes, change: Change) -> bytes:
        """`change` of `data`, remembered where its values were judged in time."""
        before = self._patterns.overruns
        if before != self._known_at:
            self._known.clear()
            self._known_at = before
        key = (kind, data)
        known = self._known.get(key)
        if known is None:
            known = self._whole(f"of a {kind}", lambda: change(data))
            if self._patterns.overruns == before:
                if len(self._known) >= _MOST_KEPT:
                    self._known.clear()
                self._known[key] = known
        return known

    def _message(self, name: str, data: bytes, limited: str = "") -> bytes:
        return self._walk(data, self._plan(name, limited))

    def _plan(self, name: str, limited: str) -> Plan:
        """What becomes of the fields of message `name`; `limited`: the signal, "" for no limit."""
        plan = self._plans.get((name, limited))
        if plan is None:
            plan = self._plans[name, limited] = {}
            for number, (key, kind) in MESSAGES[name].items():
                wire_type = _WIRE_TYPES.get(kind, _BYTES)
                plan[number << 3 | wire_type] = self._change(name, key, kind, limited)
            if name in ("HistogramDataPoint", "ExponentialHistogramDataPoint", "Buckets"):
                # Numbers may come packed, or one by one.
                plan.update({number << 3 | 1: None for number in (4, 6, 7)})
                plan[2 << 3] = plan[2 << 3 | 1] = None
        return plan

    def _change(self, message: str, key: str, kind: str, limited: str) -> Change | None:
        repeated = kind.lstrip("*")
        if repeated == "string":
            bounded = limited and (message, key) in value_limits.CUT_TEXTS
            return self._bounded_text if bounded else self._text
        if repeated == "KeyValue":
            return lambda data: self._key_value(data, limited)
        if repeated == "AnyValue":
            return lambda data: self._any_value(data, "", "")
        if repeated in MESSAGES:
            return lambda data: self._message(repeated, data, limited)
        return None

    def _walk(self, data: bytes, plan: Plan) -> bytes:
        """`data` with its fields changed; the same object where none is.

        Raises:
            ValueError or IndexError: it is no message.
        """
        parts: list[bytes] = []
        position = unchanged = 0
        size = len(data)
        while position < size:
            start = position
            tag, body, position = _field_at(data, start)
            if tag not in plan:
                parts.append(data[unchanged:start])
                unchanged = position
            elif (change := plan[tag]) is not None:
                given = data[body:position]
                shown = change(given)
                if shown is not given and shown != given:
                    parts += [data[unchanged:start], encoded_varint(tag)]
                    parts += [encoded_varint(len(shown)), shown]
                    unchanged = position
        return b"".join([*parts, data[unchanged:]]) if unchanged else data

    def _text(self, data: bytes) -> bytes:
        text = data.decode("utf-8", "replace")
        shown = self.mask_name(text)
        return data if shown == text else shown.encode("utf-8", "replace")

    def _bounded_text(self, data: bytes) -> bytes:
        return value_limits.cut_text(self._text(data))

    def _key_value(self, data: bytes, limited: str) -> bytes:
        if len(data) > _KEPT_BYTES:
            return self._masked_key_value(data, limited)
        return self._kept(limited, data, lambda _: self._masked_key_value(data, limited))

    def _masked_key_value(self, data: bytes, limited: str) -> bytes:
        key = ""

        def name(given: bytes) -> bytes:
            nonlocal key
            key = given.decode("utf-8", "replace")
            return self._text(given)

        # The key comes first wherever a library has encoded it.
        plan: Plan = {0x0A: name, 0x12: lambda given: self._any_value(given, key, limited)}
        return self._walk(data, plan)

    def _any_value(self, data: bytes, key: str, limited: str) -> bytes:
        value = any_values.decoded(data)
        if key == _INVOCATION_ID and _is_uuid(value):
            # It is not the function's text, and it joins records to invocations.
            return data
        shown = masking.masked(value, self._patterns.mask)
        if limited:
            shown = self._limits.cut(shown, key, limited)
        return data if shown == value and type(shown) is type(value) else any_value(shown)


def _field_at(data: bytes, start: int) -> tuple[int, int, int]:
    """(tag, where the value of a length-delimited field begins, end) of the field at `start`.

    Raises:
        ValueError or IndexError: there is none.
    """
    tag = data[start]
    position = start + 1
    if tag > 127:
        tag, position = varint(data, start)
    wire_type = tag & 7
    body = position
    if wire_type == _BYTES:
        length = data[position]
        body = position = position + 1
        if length > 127:
            length, body = varint(data, position - 1)
        position = body + length
    elif wire_type == 0:
        _, position = varint(data, position)
    elif wire_type in _FIXED_BYTES:
        position += _FIXED_BYTES[wire_type]
    else:
        raise ValueError(f"protobuf wire type {wire_type}")
    if position > len(data):
        raise ValueError("truncated protobuf")
    return tag, body, position


def _is_uuid(value: object) -> bool:
    if not isinstance(value, str) or len(value) != 36:
        return False
    digits = value.replace("-", "")
    return len(digits) == 32 and set(digits) <= set("0123456789abcdef")


def masking_of(
    environ: Mapping[str, str], patterns: Patterns, report: Callable[[str, str], None]
) -> OtlpMasking:
    """The masking that `environ` asks for with its masks and limits."""
    return OtlpMasking(patterns, value_limits.ValueLimits(environ), report)
