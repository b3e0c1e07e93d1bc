"""What a line of the function means: level, body, fields and exception, whichever way it came.

The runtime's lines and the platform's copies are read here and nowhere else, and nowhere else do
rules for lines apply: first the mask, then what a line says, then whether it is wanted.
"""

from __future__ import annotations

from serverless_instrument import wire
from serverless_instrument.forwarder.codec.json_text import dumps, loads
from serverless_instrument.forwarder.telemetry_api import json_loggers
from serverless_instrument.forwarder.telemetry_api.log_records import Record
from serverless_instrument.forwarder.telemetry_api.stack_traces import (
    exception_attributes,
    find_stack,
)
from serverless_instrument.severity import of_name, of_python_level

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from serverless_instrument.log_rules import LogRules
    from serverless_instrument.wire_payloads import RecordFacts

    Emf = Callable[[str, bytes, int], None]

# Part of every line of the embedded metric format, and of hardly any other.
EMF_MARK = '"_aws"'
# A longer line is text: reading it would cost more than it tells.
_MOST_JSON_CHARACTERS = 64 * 1024
_MOST_FIELDS = 64
# CloudWatch's limit for a line of the embedded metric format, or any other.
_MOST_EMF_CHARACTERS = 1024 * 1024
_LEVEL_CHARACTERS = 12
_NO_BREAK_SPACE = "\u00a0"
# How messages of the interpreter and the runtime client begin, and their severity.
_OPENINGS = (
    ("Traceback (most recent call last):", 17),
    ("Fatal Python error:", 21),
    ("LAMBDA_WARNING:", 13),
)


class LineReader:
    """Makes records of lines.

    Args:
        rules: which lines leave, and what is hidden in them.
        emf: takes (line, resource, time in Unix nanoseconds) of what may be of the embedded metric
            format; None where that is not wanted.
    """

    __slots__ = ("_emf", "_rules")

    def __init__(self, rules: LogRules, emf: Emf | None) -> None:
        self._rules = rules
        self._emf = emf

    def read_line(
        self, text: str, time_unix_ns: int, resource: bytes, *, of_function: bool = True
    ) -> Record | None:
        """The record of a line that was written at `time_unix_ns`, None if it is not to leave."""
        shown = self._mask(text)
        if of_function:
            self._read_emf(shown, resource, time_unix_ns)
        if not self._rules.enabled:
            return None
        record = read(shown, time_unix_ns)
        return self._masked(record) if self._rules.wanted(text, record.severity) else None

    def read_record(
        self, text: str, facts: RecordFacts, bits: int, time_unix_ns: int, resource: bytes
    ) -> Record | None:
        """The record of a text that a handler of ``logging`` wrote; `facts` say the rest of it."""
        shown = self._mask(text)
        for line in shown.split("\n") if EMF_MARK in shown else ():
            self._read_emf(line, resource, time_unix_ns)
        if not self._rules.enabled:
            return None
        own = bool(bits & wire.OWN_HANDLERS)
        record = Record(shown, time_unix_ns)
        if not bits & wire.PIECE:
            # What the runtime client's JSON has of `extra` came with its types.
            record = read(shown, time_unix_ns, with_fields=not own)
        record.severity, record.level = of_python_level(facts.level_number), facts.level
        record.time_unix_ns = facts.created_unix_ns or time_unix_ns
        record.logger = facts.logger
        if not self._rules.wanted(str(record.body), record.severity):
            return None
        if own and facts.stack:
            record.body = str(record.body).partition("\n" + self._mask(facts.stack))[0]
        if facts.exception_type:
            told = exception_attributes(facts.stack, facts.exception_type)
            record.exception = {**record.exception, **told}
        record.encoded = facts.attributes
        return self._masked(record)

    def is_one_record(self, lines: list[str]) -> bool:
        """Whether lines of one write are a logger's line with its stack trace below."""
        if len(lines) < 2 or not lines[1].startswith("Traceback ("):
            return False
        return bool(read(lines[0], 0).severity)

    def _mask(self, text: str) -> str:
        return self._rules.mask(text) if self._rules.masks else text

    def _masked(self, record: Record) -> Record:
        # Again, for the text behind JSON's escapes, and for what is no part of the line.
        if self._rules.masks:
            record.mask(self._rules.mask)
        return record

    def _read_emf(self, text: str, resource: bytes, time_unix_ns: int) -> None:
        if (
            self._emf is not None
            and text[:1] == "{"
            and len(text) <= _MOST_EMF_CHARACTERS
            and EMF_MARK in text
        ):
            self._emf(text, resource, time_unix_ns)


def read(text: str, time_unix_ns: int, *, with_fields: bool = True) -> Record:
    """The record of a line that was written at `time_unix_ns`.

    Without `with_fields` further fields of a known logger's object are left out.
    """
    record = Record(text, time_unix_ns)
    first = text[:1]
    if first == "{":
        value = _object_of(text)
        if value is not None:
            _read_object(record, value, with_fields=with_fields)
    elif first == "[":
        _read_bracketed(record, text)
    elif first.isdigit() and text[23:26] == " | ":
        _read_loguru(record, text)
    else:
        _read_opening(record, text)
    return record


def _object_of(text: str) -> dict[str, object] | None:
    """The object of a JSON text, None for any other text, and one that is too long."""
    if len(text) > _MOST_JSON_CHARACTERS or not text.rstrip().endswith("}"):
        return None
    try:
        value = loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _read_object(record: Record, value: dict[str, object], *, with_fields: bool = True) -> None:
    """What a known logger's object says; of others only the fields."""
    told = json_loggers.read_object(value, record.time_unix_ns)
    if told is None:
        _add_fields(record, value)
        return
    record.level, record.severity, record.logger = told.level, told.severity, told.logger
    record.time_unix_ns = told.time_unix_ns or record.time_unix_ns
    record.exception = told.exception
    if with_fields:
        _add_fields(record, told.fields)
    _read_message(record, told.message)


def _read_message(record: Record, message: object) -> None:
    """The body of a record whose logger has said the rest; a message may be an object itself."""
    if type(message) is str:
        record.body = message
        inner = _object_of(message) if message[:1] == "{" else None
    else:
        record.body = _json_text(message)
        inner = message if isinstance(message, dict) else None
    if inner is not None:
        told = json_loggers.read_object(inner, record.time_unix_ns)
        _add_fields(record, inner if told is None else told.fields)
        if told is not None:
            record.exception = record.exception or told.exception
            record.body = told.message if type(told.message) is str else _json_text(told.message)


def _add_fields(record: Record, fields: dict[str, object]) -> None:
    """Top-level fields become attributes, as far as there is room; nested ones as JSON text."""
    attributes = record.attributes
    for key, each in fields.items():
        if len(attributes) >= _MOST_FIELDS:
            record.dropped_attributes += 1
        else:
            nested = isinstance(each, (dict, list))
            attributes.setdefault(key, _json_text(each) if nested else each)


def _json_text(value: object) -> str:
    try:
        return dumps(value, ascii_only=False)
    except ValueError:  # nested too deeply
        return "..."


def _read_bracketed(record: Record, text: str) -> None:
    """``[LEVEL]`` and more: the runtime client's records, its own errors, and other loggers'."""
    level = text[1:_LEVEL_CHARACTERS].partition("]")[0]
    _set_level(record, level)
    # [LEVEL]\ttime\trequest id\tmessage, as the runtime client writes text.
    parts = text.split("\t", 3)
    if len(parts) == 4 and parts[0].endswith("]") and parts[1].endswith("Z"):
        record.time_unix_ns = (
            json_loggers.near_time_ns(parts[1], record.time_unix_ns) or record.time_unix_ns
        )
        record.request_id = parts[2]
        _read_message(record, parts[3])
        if record.body is parts[3]:
            _split_stack(record, parts[3])
        return
    if record.severity and _NO_BREAK_SPACE in text:
        # It joins an error's lines as "[ERROR] ValueError: ...\rTraceback ...".
        record.body = text.replace("\r", "\n").replace(_NO_BREAK_SPACE, " ")


def _split_stack(record: Record, text: str) -> None:
    """Take the stack trace below a message from it."""
    start = find_stack(text)
    if start > 0:
        record.body = text[: start - 1]
        record.exception = exception_attributes(text[start:])


def _read_loguru(record: Record, text: str) -> None:
    """``time | LEVEL    | module:function:line - message``, loguru's own format."""
    parts = text.split(" | ", 2)
    if len(parts) == 3 and of_name(parts[1]):
        _set_level(record, parts[1])
        place, dash, message = parts[2].partition(" - ")
        if dash and place.count(":") == 2:
            record.logger, _, _ = place.partition(":")
            record.body = message
            _split_stack(record, message)


def _read_opening(record: Record, text: str) -> None:
    for opening, severity in _OPENINGS:
        if text.startswith(opening):
            record.severity = severity
            return
    # "ERROR:app:message" and "ERROR message" are loggers' work, "Error" and "error" a sentence's.
    word = text[:_LEVEL_CHARACTERS].replace(":", " ").partition(" ")[0]
    if word.isupper():
        _set_level(record, word)


def _set_level(record: Record, level: str) -> None:
    record.severity = of_name(level)
    record.level = level.strip() if record.severity else ""
