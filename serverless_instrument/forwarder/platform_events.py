"""Telemetry API posts to events, and events to whoever asked for them; pure.

Schema: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html. Events may
come late, twice, out of order, or be of a kind that is not known here.
"""

from __future__ import annotations

from serverless_instrument.forwarder.json_text import loads

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
# To whom every event goes.
ANY = ""
# What there is once at a time of an invocation or of the environment. A post whose answer is lost
# comes again: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html
_ONCE = frozenset((INIT_REPORT, START, RUNTIME_DONE, REPORT, RESTORE_REPORT))
_MOST_REMEMBERED = 512

_DAYS_BEFORE_EPOCH = 719_468


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


def unix_ns(text: str) -> int:
    """Nanoseconds since the epoch of ``2022-10-12T00:00:15.064Z``; 0 where it is no such time."""
    date, _, clock = text.partition("T")
    if not clock.endswith("Z") or not text.isascii():
        return 0
    clock, _, fraction = clock[:-1].partition(".")
    digits = date.replace("-", "", 2) + clock.replace(":", "", 2)
    if len(digits) != 14 or len(text) > 40 or not (digits + fraction).isdigit():
        return 0
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    # Days of the proleptic Gregorian calendar, years from March, so that a leap day is the last:
    # https://howardhinnant.github.io/date_algorithms.html#days_from_civil
    if month < 3:
        year -= 1
    era_year = year % 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = year // 400 * 146_097 + era_year * 365 + era_year // 4 - era_year // 100 + day_of_year
    seconds = (days - _DAYS_BEFORE_EPOCH) * 86_400
    seconds += int(digits[8:10]) * 3600 + int(digits[10:12]) * 60 + int(digits[12:])
    # Before 1970 or after 2262, a 64-bit time of OTLP has no room for it.
    if not 0 < seconds < 9_223_372_036 or not 0 < month < 13:
        return 0
    return seconds * 1_000_000_000 + int(f"{fraction:0<9}"[:9])


class Dispatch:
    """Hands each event to those who asked for its kind, then to those who asked for `ANY`.

    Of those that there can be only one of, the first is handed on.
    """

    __slots__ = ("_handlers", "_seen")

    def __init__(self) -> None:
        self._handlers: dict[str, list[Callable[[Event], None]]] = {}
        self._seen: dict[tuple[str, str, int], None] = {}

    def on(self, kind: str, handler: Callable[[Event], None]) -> None:
        """Call `handler` with every event of `kind`, `ANY` for all."""
        self._handlers.setdefault(kind, []).append(handler)

    def publish(self, event: Event) -> None:
        """Call the handlers of `event`, in the order in which they asked."""
        if event.kind in _ONCE and self._repeated(event):
            return
        for handler in self._handlers.get(event.kind, ()):
            handler(event)
        for handler in self._handlers.get(ANY, ()):
            handler(event)

    def _repeated(self, event: Event) -> bool:
        # The next attempt has the same request id, at another time.
        key = (event.kind, event.request_id, event.time_unix_ns)
        if key in self._seen:
            return True
        if event.time_unix_ns:
            self._seen[key] = None
            if len(self._seen) > _MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]
        return False
