"""Hooks into ``logging``: each record, and the text that its handlers write.

A handler of ours on the root logger would not do: functions set the formatter of
``root.handlers[0]``, check whether there are handlers, clear them (``basicConfig(force=True)``) and
switch propagation off (Powertools). ``Logger.callHandlers`` sees each record once, whatever the
handlers are.
"""

from __future__ import annotations

from _thread import _local

from serverless_instrument.wrapper.logs.output_tee import leave_no_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    RecordCallback = Callable[[logging.LogRecord, dict[str, Any], list[str], list[bytes]], None]


class Handling(_local):
    """State of one thread: what the handlers of the current record have written."""

    # Texts, and digests of the lines that they completed; None while no record is handled.
    texts: list[str] | None = None
    digests: list[bytes] | None = None
    # Whether our own code runs: what is logged and printed meanwhile is not captured.
    busy = False


def watch_loggers(module: ModuleType, handling: Handling, on_record: RecordCallback) -> None:
    """Call `on_record` with each record once its handlers have run.

    Args:
        module: ``logging``.
        handling: collects the texts that handlers write.
        on_record: gets the record, its attributes as they were before a handler changed them
            (awslambdaric's JsonFormatter does), the texts and the digests; never raises.
    """
    logger_class = module.Logger
    original = logger_class.callHandlers

    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> Any:  # noqa: N802 - its name
        outer, outer_digests = handling.texts, handling.digests
        texts: list[str] = []
        digests: list[bytes] = []
        before = record.__dict__.copy()
        handling.texts, handling.digests = texts, digests
        try:
            return original(self, record)
        except BaseException as error:
            leave_no_frame(error)
            raise
        finally:
            handling.texts, handling.digests = outer, outer_digests
            if texts or _is_handled(self, before.get("levelno")):
                on_record(record, before, texts, digests)

    # ``logging`` recognizes its own frames by their file (findCaller; a failing handler's stack).
    code = callHandlers.__code__.replace(co_filename=original.__code__.co_filename)
    callHandlers.__code__ = code
    logger_class.callHandlers = callHandlers


def _is_handled(logger: Any, level: object) -> bool:
    """Whether any handler but a NullHandler or a QueueHandler accepts records of `level`.

    A QueueListener writes a QueueHandler's records later; they are captured as text.
    """
    found: Any = logger
    while found is not None:
        for handler in found.handlers:
            if type(handler).__name__ in ("NullHandler", "QueueHandler"):
                continue
            if not isinstance(level, int) or level >= handler.level:
                return True
        if not found.propagate:
            return False
        found = found.parent
    return False


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
