"""A line of output that is a JSON object: what is told by the keys of common JSON loggers. Pure.

The runtime reads those that it captures, the forwarder the platform's.

AWS's own JSON format, Powertools, structlog, python-json-logger and the OpenTelemetry names:
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html,
https://docs.powertools.aws.dev/lambda/python/latest/core/logger/,
https://www.structlog.org/en/stable/processors.html.
"""

from __future__ import annotations

from serverless_instrument.iso_time import unix_ns
from serverless_instrument.severity import of_name, of_python_level

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_LEVEL = ("level", "levelname", "severity", "severity_text", "log_level", "log.level", "loglevel")
_TIME = ("timestamp", "@timestamp", "time", "asctime", "ts")
_LOGGER = ("logger", "logger_name", "log.logger", "name")
_MESSAGE = ("message", "msg", "event")
_TRACE = ("exception", "exc_info", "stack_trace", "stackTrace", "stacktrace", "traceback", "error")
_TYPE = ("errorType", "exception_name", "exc_type", "error_type")
_TEXT = ("errorMessage", "exc_message", "error_message")
# Of the runtime client's, which the invocation's attributes say.
_REQUEST = ("requestId", "tenantId", "aws_request_id", "tenant_id")
_UNDERSTOOD = frozenset((*_LEVEL, *_TIME, *_LOGGER, *_MESSAGE, *_REQUEST))
_SECOND_NS = 1_000_000_000


class JsonLine:
    """What a line says; `body` is the object, `attributes` its fields and its exception.

    `severity` is 0 and the texts are "" where it does not say.
    """

    __slots__ = ("attributes", "body", "level", "logger", "message", "severity")

    def __init__(self, body: Mapping[str, object]) -> None:
        self.body = body
        self.level, self.severity = _severity(body)
        self.logger = _first_text(body, _LOGGER)
        self.message = _first_text(body, _MESSAGE)
        exception = _exception(body)
        self.attributes = {
            key: value
            for key, value in body.items()
            if key not in _UNDERSTOOD and not (exception and key in (*_TRACE, *_TYPE, *_TEXT))
        }
        self.attributes.update(exception)

    def time_unix_ns(self, observed_unix_ns: int) -> int:
        """When it happened; `observed_unix_ns` where it does not say, or says it less exactly."""
        for key in _TIME:
            found = unix_ns(self.body.get(key))
            if found:
                whole = found % _SECOND_NS == 0 and 0 <= observed_unix_ns - found < _SECOND_NS
                return observed_unix_ns if whole else found
        return observed_unix_ns


def parse(text: str) -> JsonLine | None:
    """None for what is no JSON object, or one that nests too deep."""
    from json import loads

    try:
        body = loads(text)
    except (ValueError, RecursionError):
        return None
    return JsonLine(body) if isinstance(body, dict) and body else None


def _severity(body: Mapping[str, object]) -> tuple[str, int]:
    for key in _LEVEL:
        level = body.get(key)
        if type(level) is str and level:
            number = of_name(level)
            if number or key != "severity":
                return level, number
        elif type(level) is int:
            return str(level), of_python_level(level)
    return "", 0


def _first_text(body: Mapping[str, object], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = body.get(key)
        if type(value) is str and value:
            return value
    return ""


def _exception(body: Mapping[str, object]) -> dict[str, object]:
    """The attributes of an exception, none where the line tells of none."""
    trace = ""
    for key in _TRACE:
        value = body.get(key)
        if isinstance(value, list) and value and all(type(part) is str for part in value):
            trace = "".join([part if part.endswith("\n") else part + "\n" for part in value])
        elif type(value) is str and ("\n" in value or key == "stack_trace"):
            trace = value
        if trace:
            break
    kind, message = _first_text(body, _TYPE), _first_text(body, _TEXT)
    last = trace.rstrip().rpartition("\n")[2]
    if trace and not kind and last[:1].isalpha():  # "builtins.ValueError: boom" ends a stack trace
        kind, _, rest = last.partition(": ")
        message = message or rest
    found = {
        "exception.type": kind,
        "exception.message": message,
        "exception.stacktrace": trace,
    }
    return {key: value for key, value in found.items() if value} if kind or trace else {}
