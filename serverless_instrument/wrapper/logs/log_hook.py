"""Hooks into ``logging``: each record, and the text that its handlers write.

A handler of ours on the root logger would not do: functions set the formatter of
``root.handlers[0]``, check whether there are handlers, clear them (``basicConfig(force=True)``) and
switch propagation off (Powertools). ``Logger.callHandlers`` sees each record once, whatever the
handlers are; ``Handler.handle`` sees those, too, that were queued and are written later.
"""

from __future__ import annotations

from _thread import _local

from serverless_instrument.wrapper.logs.output_tee import leave_no_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from types import FunctionType, ModuleType
    from typing import Any
    from weakref import ReferenceType

    HandledCallback = Callable[["Handled", bool], None]

_CLIENT = "awslambdaric.bootstrap"
_CLIENTS_HANDLERS = ("LambdaLoggerHandler", "LambdaLoggerHandlerWithFrameType")
_CLIENTS_JSON = ("awslambdaric.lambda_runtime_log_utils", "JsonFormatter")
_METHODS = frozenset(("emit", "filter", "format", "formatException", "formatMessage", "handle"))


class Handled:
    """A record with its handlers, and what they have written for it so far.

    Attributes:
        record: of ``logging``.
        before: its attributes as they were before any handler ran; a handler may change them
            (awslambdaric's JsonFormatter does).
        texts: what was written, in order.
        lines: that these texts completed as the platform sees them.
        framed: whether the texts went to Lambda's log descriptor.
        formatted: what the current handler's formatter has made.
        body: what the first writing handler's formatter made, if that was written as it is.
        own_texts: how many of the texts the runtime client's handlers wrote as they formatted them.
        kept: what the last handler has formatted and not written, as one that batches does.
    """

    def __init__(self, record: logging.LogRecord) -> None:
        self.record = record
        self.before: dict[str, Any] = record.__dict__.copy()
        self.texts: list[str] = []
        self.lines: list[str] = []
        self.framed = False
        self.formatted: object = None
        self.body = ""
        self.own_texts = 0
        self.kept = ""

    def record_handler(self, handler: logging.Handler, first: int) -> None:
        """`handler` has run, and wrote the texts from number `first` on."""
        formatted, texts = self.formatted, self.texts
        self.formatted = None
        if type(formatted) is not str or not formatted:
            return
        if len(texts) == first:
            self.kept = formatted
        elif formatted in "".join(texts[first:]):
            self.body = self.body or formatted
            if _is_clients_own(handler):
                self.own_texts += len(texts) - first


class Handling(_local):
    """State of one thread."""

    # The record whose handlers run; None while none do.
    current: Handled | None = None
    # The record that was sent last for a handler that has it later than its logger.
    told: ReferenceType[logging.LogRecord] | None = None
    # Whether our own code runs: what is logged and printed meanwhile is not captured.
    busy = False


def _is_clients_own(handler: Any) -> bool:
    """Whether a handler is the runtime client's, and hides nothing: neither filter nor formatter.

    Its format may be another, as that writes what it is given.
    """
    kind, formatter = type(handler), handler.formatter
    if kind.__name__ not in _CLIENTS_HANDLERS or kind.__module__ != _CLIENT:
        return False
    for each in handler.filters:
        if type(each).__name__ != "LambdaLoggerFilter" or type(each).__module__ != _CLIENT:
            return False
    made_by = (type(formatter).__module__, type(formatter).__name__)
    if made_by not in (("logging", "Formatter"), _CLIENTS_JSON):
        return False
    if not (_METHODS.isdisjoint(handler.__dict__) and _METHODS.isdisjoint(formatter.__dict__)):
        return False
    # A class may be patched as well.
    code = getattr(type(formatter).format, "__code__", None)
    return code is not None and code.co_filename.endswith(_SOURCES)


_SOURCES = ("logging/__init__.py", "lambda_runtime_log_utils.py")


def watch_loggers(
    module: ModuleType,
    handling: Handling,
    on_handled: HandledCallback,
    on_formatted: Callable[[logging.LogRecord, object], None],
) -> None:
    """Call `on_handled` with each record once handlers of it have run.

    Args:
        module: ``logging``.
        handling: collects the texts that handlers write.
        on_handled: gets the record, and whether a handler has it later than its logger; never
            raises.
        on_formatted: gets a record that a handler formats at another time, and the text; likewise.
    """
    logger_class, handler_class = module.Logger, module.Handler
    _replace(logger_class, "callHandlers", _call_handlers(logger_class, handling, on_handled))
    _replace(handler_class, "handle", _handle(handler_class, handling, on_handled))
    _replace(handler_class, "format", _format(handler_class, handling, on_formatted))


def _call_handlers(logger_class: Any, handling: Handling, on_handled: HandledCallback) -> Any:
    original = logger_class.callHandlers

    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> Any:  # noqa: N802 - its name
        outer = handling.current
        handled = handling.current = Handled(record)
        try:
            return original(self, record)
        except BaseException as error:
            leave_no_frame(error)
            raise
        finally:
            handling.current = outer
            if handled.texts or handled.kept:
                on_handled(handled, False)

    return callHandlers


def _handle(handler_class: Any, handling: Handling, on_handled: HandledCallback) -> Any:
    original = handler_class.handle

    def handle(self: logging.Handler, record: logging.LogRecord) -> Any:
        outer = handled = handling.current
        if handled is None or handled.record is not record:
            handled = handling.current = Handled(record)
        first = len(handled.texts)
        try:
            return original(self, record)
        except BaseException as error:
            leave_no_frame(error)
            raise
        finally:
            handled.record_handler(self, first)
            if handled is not outer:
                handling.current = outer
                if handled.texts or handled.kept:
                    on_handled(handled, True)

    return handle


def _format(
    handler_class: Any,
    handling: Handling,
    on_formatted: Callable[[logging.LogRecord, object], None],
) -> Any:
    original = handler_class.format

    def format(self: logging.Handler, record: logging.LogRecord) -> Any:  # noqa: A001 - its name
        try:
            text = original(self, record)
        except BaseException as error:
            leave_no_frame(error)
            raise
        handled = handling.current
        if handled is None:
            on_formatted(record, text)
        else:
            handled.formatted = text
        return text

    return format


def _replace(owner: Any, name: str, function: FunctionType) -> None:
    # ``logging`` recognizes its own frames by their file (findCaller; a failing handler's stack).
    source = getattr(owner, name).__code__.co_filename
    function.__code__ = function.__code__.replace(co_filename=source)
    setattr(owner, name, function)


def watch_framed_log(module: ModuleType, on_text: Callable[[str], None]) -> None:
    """Call `on_text` with each text that the runtime client writes to the framed log descriptor.

    With ``_LAMBDA_TELEMETRY_LOG_FD`` set, it writes log records there, one frame each, and not to
    ``sys.stdout``: https://github.com/aws/aws-lambda-python-runtime-interface-client.
    """
    for handler in module.getLogger().handlers:
        sink = getattr(handler, "log_sink", None)
        if sink is None or not hasattr(sink, "fd"):
            continue
        original = sink.log

        def log(*arguments: Any, original: Any = original, **named: Any) -> Any:
            try:
                result = original(*arguments, **named)
            except BaseException as error:
                leave_no_frame(error)
                raise
            on_text(arguments[0] if arguments else named["msg"])
            return result

        sink.log = log
