"""What the runtime records, and its limits: plain objects that the encoders turn into OTLP.

Pure.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Attributes = dict[str, object]

# SpanKind and StatusCode of opentelemetry/proto/trace/v1/trace.proto
KIND_INTERNAL, KIND_SERVER, KIND_CLIENT, KIND_PRODUCER, KIND_CONSUMER = 1, 2, 3, 4, 5
STATUS_UNSET, STATUS_OK, STATUS_ERROR = 0, 1, 2

# SpanFlags: the low byte has the W3C trace flags, the bits above it whether the parent is remote.
FLAG_SAMPLED = 0x01
# https://www.w3.org/TR/trace-context-2/#random-trace-id-flag
FLAG_RANDOM = 0x02
FLAG_HAS_IS_REMOTE = 0x100
FLAG_IS_REMOTE = 0x200

SEVERITY_INFO, SEVERITY_ERROR = 9, 17


class Limits:
    """Span limits; None is unlimited. The defaults are the specification's.

    https://opentelemetry.io/docs/specs/otel/common/#attribute-limits and
    https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-limits.
    """

    __slots__ = (
        "attribute_count",
        "attribute_value_length",
        "event_attribute_count",
        "event_count",
        "link_attribute_count",
        "link_count",
    )

    def __init__(
        self,
        attribute_count: int | None = 128,
        attribute_value_length: int | None = None,
        event_count: int | None = 128,
        link_count: int | None = 128,
        event_attribute_count: int | None = 128,
        link_attribute_count: int | None = 128,
    ) -> None:
        self.attribute_count = attribute_count
        self.attribute_value_length = attribute_value_length
        self.event_count = event_count
        self.link_count = link_count
        self.event_attribute_count = event_attribute_count
        self.link_attribute_count = link_attribute_count

    def shortened(self, attribute_value_length: int) -> Limits:
        """These limits with `attribute_value_length` at most, in characters."""
        own = self.attribute_value_length
        return Limits(
            self.attribute_count,
            attribute_value_length if own is None else min(own, attribute_value_length),
            self.event_count,
            self.link_count,
            self.event_attribute_count,
            self.link_attribute_count,
        )


class Event:
    """A span event: name, time in nanoseconds since the epoch, attributes.

    `dropped_attributes` is how many attributes have been dropped before.
    """

    __slots__ = ("attributes", "dropped_attributes", "name", "time_unix_ns")

    def __init__(
        self,
        name: str,
        time_unix_ns: int,
        attributes: Mapping[str, object],
        dropped_attributes: int = 0,
    ) -> None:
        self.name = name
        self.time_unix_ns = time_unix_ns
        self.attributes = attributes
        self.dropped_attributes = dropped_attributes


class Link:
    """A link to another span: 16-byte trace id, 8-byte span id, tracestate, ``SpanFlags``.

    `dropped_attributes` is how many attributes have been dropped before.
    """

    __slots__ = (
        "attributes",
        "dropped_attributes",
        "flags",
        "span_id",
        "trace_id",
        "trace_state",
    )

    def __init__(
        self,
        trace_id: bytes,
        span_id: bytes,
        trace_state: str = "",
        flags: int = 0,
        attributes: Mapping[str, object] | None = None,
        dropped_attributes: int = 0,
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.trace_state = trace_state
        self.flags = flags
        self.attributes = attributes or {}
        self.dropped_attributes = dropped_attributes


class Span:
    """A span; `end_unix_ns` is 0 while it runs. `flags` are OTLP ``SpanFlags``."""

    __slots__ = (
        "attributes",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "end_unix_ns",
        "events",
        "flags",
        "kind",
        "links",
        "name",
        "parent_span_id",
        "span_id",
        "start_unix_ns",
        "status_code",
        "status_message",
        "trace_id",
        "trace_state",
    )

    def __init__(
        self,
        name: str,
        kind: int,
        trace_id: bytes,
        span_id: bytes,
        start_unix_ns: int,
        attributes: Attributes,
        parent_span_id: bytes = b"",
        trace_state: str = "",
        flags: int = FLAG_SAMPLED | FLAG_HAS_IS_REMOTE,
    ) -> None:
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_span_id = parent_span_id
        self.trace_state = trace_state
        self.flags = flags
        self.start_unix_ns = start_unix_ns
        self.end_unix_ns = 0
        self.attributes = attributes
        self.events: list[Event] = []
        self.links: list[Link] = []
        # Dropped before; the encoder adds what it drops itself.
        self.dropped_attributes = 0
        self.dropped_events = 0
        self.dropped_links = 0
        self.status_code = STATUS_UNSET
        self.status_message = ""


class LogRecord:
    """A log record or, with `event_name`, an event; the ids are b"" outside a trace."""

    __slots__ = (
        "attributes",
        "body",
        "event_name",
        "flags",
        "observed_unix_ns",
        "severity_number",
        "severity_text",
        "span_id",
        "time_unix_ns",
        "trace_id",
    )

    def __init__(
        self,
        time_unix_ns: int,
        severity_number: int,
        severity_text: str,
        body: object,
        attributes: Attributes,
        trace_id: bytes = b"",
        span_id: bytes = b"",
        flags: int = 0,
        event_name: str = "",
    ) -> None:
        self.time_unix_ns = time_unix_ns
        self.observed_unix_ns = time_unix_ns
        self.severity_number = severity_number
        self.severity_text = severity_text
        self.body = body
        self.attributes = attributes
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.event_name = event_name
