"""Our log records, made from records of ``logging`` and from lines of text. Pure.

https://opentelemetry.io/docs/specs/otel/logs/data-model/ and
https://opentelemetry.io/docs/specs/semconv/registry/attributes/code/.
"""

from __future__ import annotations

from serverless_instrument import json_line
from serverless_instrument.severity import of_name, of_python_level
from serverless_instrument.wrapper.records import errors, is_ours, records, type_name
from serverless_instrument.wrapper.records.primitives import dated_by_the_clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
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
# The runtime client joins an error's lines as "[ERROR] ValueError: ...\rTraceback ...".
_LEVEL_CHARACTERS = 10
_NO_BREAK_SPACE = "\u00a0"


def record_from_logging(
    record: logging.LogRecord,
    before: Mapping[str, Any],
    text: str,
    now_unix_ns: int,
) -> records.LogRecord:
    """Our log record of `record`, whose handlers have run.

    Args:
        record: as the handlers left it.
        before: its attributes as the logger made it.
        text: what the handlers wrote; if it is JSON, its fields become attributes too.
        now_unix_ns: the time of observation.

    The code location is left out: `log_exporter` adds it, encoded once for each place.
    """
    line = json_line.parse(text) if text.startswith("{") else None
    body, fields = _body(record, before, line)
    attributes: dict[str, object] = {}
    for key, value in before.items():
        if key not in _STANDARD:
            attributes[key if type(key) is str else str(key)] = value
    if before.get("exc_info"):
        attributes.update(_exception(before["exc_info"]))
    if before.get("stack_info"):
        attributes["code.stacktrace"] = before["stack_info"]
    if line is not None:
        for key, value in line.attributes.items():
            attributes.setdefault(key, value)
    for key, value in fields.items():
        attributes.setdefault(key, value)
    level = before.get("levelno", 0)
    made = records.LogRecord(
        dated_by_the_clock(int(before.get("created", 0) * 1e9) or now_unix_ns, now_unix_ns),
        of_python_level(level if isinstance(level, int) else 0),
        str(before.get("levelname", "")),
        body,
        attributes,
    )
    made.observed_unix_ns = now_unix_ns
    return made


def _message(
    record: logging.LogRecord, before: Mapping[str, Any], line: json_line.JsonLine | None
) -> str:
    """The formatted message, from what a formatter has left or written where there is one.

    So ``__str__`` of the user's objects is not called a second time.
    """
    given, args = before.get("msg"), before.get("args")
    if type(given) is str and not args:
        return given
    message = record.__dict__.get("message")
    if type(message) is str and "message" not in before:
        return message
    if line is not None and line.message:
        return line.message
    try:
        return str.__str__(record.getMessage())
    except Exception as error:  # the arguments do not fit the message; the handler has failed, too
        if not is_ours(error):
            raise
        return text_or_type(given)


def text_or_type(value: object) -> str:
    """``str(value)``, or its type where that raises."""
    try:
        return str.__str__(str(value))
    except Exception as error:  # raised by the user's object
        if not is_ours(error):
            raise
        return f"<{type_name(value)}>"


def _body(
    record: logging.LogRecord,
    before: Mapping[str, Any],
    line: json_line.JsonLine | None,
) -> tuple[object, Mapping[str, object]]:
    given = before.get("msg")
    if isinstance(given, (dict, list)) and not before.get("args"):
        return given, {}
    message = _message(record, before, line)
    if message.startswith("{"):
        line = json_line.parse(message)
        if line is not None:
            return line.body, line.attributes
    return message, {}


def _exception(given: Any) -> Mapping[str, object]:
    if not isinstance(given, tuple) or len(given) != 3 or not isinstance(given[1], BaseException):
        return {}
    return errors.details(given[1], errors.stacktrace(given[1], given[2]))


def record_from_line(text: str, now_unix_ns: int) -> tuple[records.LogRecord, str]:
    """(log record of a line of output, name of the logger that the line names or "").

    Args:
        text: the line without its line feed.
        now_unix_ns: the time of writing.
    """
    shown = text.removesuffix("\r")
    attributes: dict[str, object] = {}
    if shown.startswith("{"):
        line = json_line.parse(shown)
        if line is not None:
            attributes = line.attributes
            made = records.LogRecord(
                line.time_unix_ns(now_unix_ns), line.severity, line.level, line.body, attributes
            )
            made.observed_unix_ns = now_unix_ns
            return made, line.logger
    number, name = 0, ""
    if shown.startswith("["):
        name = shown[1 : _LEVEL_CHARACTERS + 1].partition("]")[0]
        number = of_name(name)
        if not number:
            name = ""
        elif _NO_BREAK_SPACE in shown:
            shown = shown.replace("\r", "\n").replace(_NO_BREAK_SPACE, " ")
    return records.LogRecord(now_unix_ns, number, name, shown, attributes), ""
