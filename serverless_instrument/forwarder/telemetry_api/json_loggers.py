"""JSON lines of known loggers: what their fields mean; pure.

Only these are read as records. Of any other object the text is the body and its fields are
attributes under their own names, because a function's data is no metadata: an event that it prints
has a ``time`` of its own. docs/logs.md has the table for readers.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html,
https://docs.powertools.aws.dev/lambda/python/latest/core/logger/,
https://www.structlog.org/en/stable/processors.html, https://nhairs.github.io/python-json-logger/,
https://loguru.readthedocs.io/en/stable/api/logger.html.
"""

from __future__ import annotations

from serverless_instrument.forwarder.telemetry_api.stack_traces import exception_attributes
from serverless_instrument.iso_time import unix_ns
from serverless_instrument.severity import of_name, of_python_level

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The longest invocation: what a logger has held back is no older when it is written.
_OLDEST_NS = 15 * 60 * 1_000_000_000
# Levels as numbers: those of ``logging``.
_NUMBERS = (10, 20, 30, 40, 50)
_SECOND_NS = 1_000_000_000


class Shape:
    """A logger's object: the keys that tell it, and where it has what.

    `level` is a severity's name under `level_key`; a shape of `any_level` needs none. `exception`
    is the keys of its type, message and stack trace; `left_out` are told otherwise.
    """

    __slots__ = (
        "any_level",
        "exception",
        "left_out",
        "level_key",
        "logger_key",
        "message_key",
        "needed",
        "time_key",
    )

    def __init__(
        self,
        needed: str,
        level_key: str,
        message_key: str,
        time_key: str = "",
        logger_key: str = "",
        exception: tuple[str, str, str] = ("", "", ""),
        left_out: str = "",
        *,
        any_level: bool = False,
    ) -> None:
        self.needed = frozenset((level_key, message_key, *needed.split()))
        self.level_key = level_key
        self.message_key = message_key
        self.time_key = time_key
        self.logger_key = logger_key
        self.exception = exception
        self.left_out = frozenset(left_out.split())
        self.any_level = any_level


_CLIENT_EXCEPTION = ("errorType", "errorMessage", "stackTrace")
_CLIENT_REQUEST = "requestId tenantId"
# The first that fits counts.
SHAPES = (
    # The runtime client: records, and the error that a handler raised.
    Shape(
        "timestamp logger",
        *("level", "message", "timestamp", "logger", _CLIENT_EXCEPTION, _CLIENT_REQUEST),
        any_level=True,
    ),
    Shape(
        "timestamp errorType",
        *("level", "errorMessage", "timestamp", "", _CLIENT_EXCEPTION, _CLIENT_REQUEST),
        any_level=True,
    ),
    # Powertools for AWS Lambda
    Shape(
        "timestamp location service",
        *("level", "message", "timestamp", "", ("exception_name", "", "exception")),
    ),
    # structlog
    Shape("", "level", "event", "timestamp", "logger", ("", "", "exception")),
    # python-json-logger
    Shape("", "levelname", "message", "asctime", "name", ("", "", "exc_info")),
    # Any logger's: nothing but level and message is taken to be its.
    *[
        Shape("", level, message, exception=("", "", "exception"))
        for level in ("level", "severity")
        for message in ("message", "msg", "event")
    ],
)


class LoggerRecord:
    """What a known logger's line says; texts are "" and numbers 0 where it does not say.

    `fields` are what is left of the object; `exception` are attributes.
    """

    __slots__ = ("exception", "fields", "level", "logger", "message", "severity", "time_unix_ns")

    def __init__(self, level: str, message: object, fields: dict[str, object]) -> None:
        self.level = level
        self.severity = of_name(level)
        self.message = message
        self.fields = fields
        self.logger = ""
        self.time_unix_ns = 0
        self.exception: dict[str, object] = {}


def read_object(value: dict[str, Any], written_unix_ns: int) -> LoggerRecord | None:
    """The record of a logger's object, None for an object that no known logger writes.

    `written_unix_ns` is when the line was written: a time far from it is none of a logger's.
    """
    keys = value.keys()
    for shape in SHAPES:
        if shape.needed <= keys:
            level = value[shape.level_key]
            if type(level) is str and (shape.any_level or of_name(level)):
                return _read_shape(shape, level, value, written_unix_ns)
            if type(level) is int and level in _NUMBERS:
                found = _read_shape(shape, str(level), value, written_unix_ns)
                found.severity = of_python_level(level)
                return found
    record = value.get("record")
    if type(value.get("text")) is str and isinstance(record, dict):
        return _read_loguru(value["text"], record, written_unix_ns)
    return None


def _read_shape(
    shape: Shape, level: str, value: dict[str, Any], written_unix_ns: int
) -> LoggerRecord:
    kind, message, stack = (value.get(key) if key else None for key in shape.exception)
    exception: dict[str, object] = {}
    if isinstance(stack, list) and all(type(part) is str for part in stack):
        stack = "".join(stack)
    is_stack = type(stack) is str and "\n" in stack
    if is_stack or (type(kind) is str and kind):
        exception = exception_attributes(
            str(stack) if is_stack else "",
            kind if type(kind) is str else "",
            message if type(message) is str else "",
        )
    understood = {shape.level_key, shape.message_key, *shape.left_out}
    if exception:
        understood.update(shape.exception)
    if shape.time_key:
        understood.add(shape.time_key)
    logger = value.get(shape.logger_key) if shape.logger_key else None
    if type(logger) is str:
        understood.add(shape.logger_key)
    fields = {key: each for key, each in value.items() if key not in understood}
    found = LoggerRecord(level, value[shape.message_key], fields)
    found.exception = exception
    found.logger = logger if type(logger) is str else ""
    if shape.time_key:
        found.time_unix_ns = near_time_ns(value.get(shape.time_key), written_unix_ns)
    return found


def near_time_ns(value: object, written_unix_ns: int) -> int:
    """A logger's time; 0 where it is none, too far from the writing, or says it less exactly."""
    found = unix_ns(value)
    if not found or not written_unix_ns - _OLDEST_NS <= found <= written_unix_ns + _SECOND_NS:
        return 0
    whole = found % _SECOND_NS == 0 and 0 <= written_unix_ns - found < _SECOND_NS
    return 0 if whole else found


def _read_loguru(text: str, record: dict[str, Any], written_unix_ns: int) -> LoggerRecord | None:
    """Loguru's ``serialize=True``: its text beside the record's fields."""
    level, message, time = record.get("level"), record.get("message"), record.get("time")
    if not isinstance(level, dict) or type(message) is not str or not isinstance(time, dict):
        return None
    extra, exception = record.get("extra"), record.get("exception")
    found = LoggerRecord(str(level.get("name", "")), message, {})
    number = level.get("no")
    found.severity = found.severity or of_python_level(number if type(number) is int else 0)
    found.time_unix_ns = near_time_ns(time.get("timestamp"), written_unix_ns)
    if type(record.get("name")) is str:
        found.logger = record["name"]
    if isinstance(extra, dict):
        found.fields.update(extra)
    file = record.get("file")
    path = file.get("path") if isinstance(file, dict) else None
    for key, each in (
        ("code.file.path", path),
        ("code.line.number", record.get("line")),
        ("code.function.name", record.get("function")),
    ):
        if each is not None:
            found.fields[key] = each
    if isinstance(exception, dict):
        start = text.find("\nTraceback ")
        stack = text[start + 1 :] if start >= 0 else ""
        kind = exception.get("type")
        message = exception.get("value")
        found.exception = exception_attributes(
            stack, kind if type(kind) is str else "", message if type(message) is str else ""
        )
    return found
