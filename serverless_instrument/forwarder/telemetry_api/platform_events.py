"""Telemetry API posts to events, and events to their handlers. Pure.

Schema: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html. Events may
come late, twice, out of order, or be of a kind that is not known here.
"""

from __future__ import annotations

from serverless_instrument.forwarder.codec.json_text import loads
from serverless_instrument.iso_time import unix_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# What is written to stdout and stderr, by the function and by extensions; the rest is "platform.*".
FUNCTION, EXTENSION = "function", "extension"
INIT_START = "platform.initStart"
INIT_REPORT = "platform.initReport"
START = "platform.start"
RUNTIME_DONE = "platform.runtimeDone"
REPORT = "platform.report"
RESTORE_START = "platform.restoreStart"
RESTORE_REPORT = "platform.restoreReport"
LOGS_DROPPED = "platform.logsDropped"
# The kind of a handler of every event.
ANY = ""
# There is one of each for an invocation or an environment at a time. A post whose answer is lost
# comes again: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html
_ONCE = frozenset((INIT_REPORT, START, RUNTIME_DONE, REPORT, RESTORE_REPORT))
_MOST_REMEMBERED = 512


class Event:
    """One event.

    `kind` is its type; `time_unix_ns` is when the platform made it, 0 where that cannot be read;
    `record` is a dict for a platform event, a str or, for a JSON line, a dict for any other.
    """

    __slots__ = ("kind", "record", "time_unix_ns")

    def __init__(self, kind: str, time_unix_ns: int, record: dict[str, object] | str) -> None:
        self.kind = kind
        self.time_unix_ns = time_unix_ns
        self.record = record

    @property
    def request_id(self) -> str:
        """The invocation it names, else ""."""
        return text_of(self.record, "requestId")


def text_of(record: object, name: str) -> str:
    """The string at `name` of a record, else ""."""
    value = record.get(name) if isinstance(record, dict) else None
    return value if isinstance(value, str) else ""


def count_of(record: object, name: str) -> int:
    """The whole number from 0 up at `name` of a record, else 0."""
    value = record.get(name) if isinstance(record, dict) else None
    return value if isinstance(value, int) and value > 0 else 0


def parse(body: bytes) -> tuple[list[Event], int]:
    """(events, elements that are none) of a post's body.

    Raises:
        ValueError: it is no JSON array.
    """
    elements = loads(body.decode("utf-8", "replace"))
    if not isinstance(elements, list):
        raise ValueError("not a JSON array")
    events = []
    for element in elements:
        kind = text_of(element, "type")
        record = element.get("record") if kind else None
        of_platform = kind.startswith("platform.")
        if isinstance(record, dict) or (isinstance(record, str) and not of_platform):
            events.append(Event(kind, unix_ns(text_of(element, "time")), record))
    return events, len(elements) - len(events)


class Dispatch:
    """Calls the handlers of an event's kind, then those of `ANY`.

    A repetition of an event that there can be only one of is left out.
    """

    __slots__ = ("_handlers", "_seen")

    def __init__(self) -> None:
        self._handlers: dict[str, list[Callable[[Event], None]]] = {}
        self._seen: dict[tuple[str, str, int], None] = {}

    def add_handler(self, kind: str, handler: Callable[[Event], None]) -> None:
        """Call `handler` with every event of `kind`, `ANY` for all."""
        self._handlers.setdefault(kind, []).append(handler)

    def publish(self, event: Event) -> None:
        """Call the handlers of `event`, in the order in which they were added."""
        if event.kind in _ONCE and self._repeated(event):
            return
        for handler in self._handlers.get(event.kind, ()):
            handler(event)
        for handler in self._handlers.get(ANY, ()):
            handler(event)

    def _repeated(self, event: Event) -> bool:
        # The next attempt of an invocation has the same request id, at another time.
        key = (event.kind, event.request_id, event.time_unix_ns)
        if key in self._seen:
            return True
        if event.time_unix_ns:
            self._seen[key] = None
            if len(self._seen) > _MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]
        return False
