"""What a record of ``logging`` says beside the text that its handlers write; pure.

https://opentelemetry.io/docs/specs/semconv/registry/attributes/code/.
"""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.wrapper.records import encoder, errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Attributes that logging itself and the runtime client set on a record; others are the user's.
_STANDARD = frozenset(
    (
        *("name", "msg", "args", "levelname", "levelno", "pathname", "filename", "module"),
        *("exc_info", "exc_text", "stack_info", "lineno", "funcName", "created", "msecs"),
        *("relativeCreated", "thread", "threadName", "processName", "process", "taskName"),
        *("message", "asctime", "aws_request_id", "tenant_id", "_frame_type"),
    )
)
_INT32 = 0x7FFF_FFFF
_MOST_NAME_BYTES = 0xFFFF
_MOST_STACK_CHARACTERS = 128 * 1024
# A shorter value may stand in a text by chance.
_FEWEST_CHARACTERS = 4


class RecordFacts:
    """Level, logger, code location, time and exception of a record, without the record.

    `place` is (file, line, function); `stack` is what its formatter made of the exception, "" where
    it made nothing.
    """

    def __init__(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """The record's attributes before any handler ran, and since."""
        number, created = before.get("levelno"), before.get("created")
        self.level_number = max(0, min(number, _INT32)) if isinstance(number, int) else 0
        self.level = _text_of(before.get("levelname"))
        self.logger = _text_of(before.get("name"))
        self.place = before.get("pathname"), before.get("lineno"), before.get("funcName")
        usable = isinstance(created, (int, float)) and 0 <= created < 1 << 33
        self.created_unix_ns = int(created * 1e9) if usable else 0  # type: ignore[operator] # checked
        self.exception_type = self.stack = ""
        if exception_of(before) is not None:
            self.exception_type = errors.qualified_name(type(exception_of(before)))
            self.stack = _text_of(after.get("exc_text"))
        self.stack_info = _text_of(before.get("stack_info"))

    def encode(self, attributes: bytes) -> bytes:
        """What RECORD has before its text."""
        parts = [
            encoder.utf8(self.level)[:255],
            encoder.utf8(self.logger)[:_MOST_NAME_BYTES],
            attributes,
            encoder.utf8(self.exception_type)[:_MOST_NAME_BYTES],
            encoder.utf8(self.stack[-_MOST_STACK_CHARACTERS:]),
        ]
        head = wire.RECORD_HEAD.pack(self.created_unix_ns, self.level_number, *map(len, parts))
        return b"".join((head, *parts))


def _text_of(value: object) -> str:
    return str.__str__(value) if isinstance(value, str) else ""


def exception_of(before: Mapping[str, Any]) -> BaseException | None:
    """The exception of a record, None for none."""
    given = before.get("exc_info")
    if not isinstance(given, tuple) or len(given) != 3 or not isinstance(given[1], BaseException):
        return None
    return given[1]


def extra_attributes(before: Mapping[str, Any]) -> dict[str, object]:
    """What the function has added to a record."""
    if len(before) <= len(_STANDARD) and before.keys() <= _STANDARD:
        return {}
    return {
        key if type(key) is str else str(key): value
        for key, value in before.items()
        if key not in _STANDARD
    }


def shown_in(text: str, values: Mapping[str, object]) -> dict[str, object]:
    """Those of `values` that stand in `text`, word for word."""
    found = {}
    for key, value in values.items():
        if type(value) in (str, int, float):
            shown = str(value)
            if len(shown) >= _FEWEST_CHARACTERS and shown in text:
                found[key] = value
    return found
