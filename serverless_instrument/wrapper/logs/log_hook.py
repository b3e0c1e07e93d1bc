"""Every record that a logger hands to its handlers, and the text that they make of it.

Not a handler of ours on the root logger: functions set the formatter of ``root.handlers[0]``, ask
whether there are handlers, clear them (``basicConfig(force=True)``) and switch propagation off
(Powertools). ``Logger.callHandlers`` is where each record passes once, whatever the handlers are.
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

    Ended = Callable[[logging.LogRecord, dict[str, Any], list[str], list[bytes]], None]


class Handling(_local):
    """Per thread: texts of the record that is with its handlers now, None outside, and digests."""

    texts: list[str] | None = None
    digests: list[bytes] | None = None
    # Whether what is going on is ours: nothing of it is to be captured.
    busy = False


def watch(module: ModuleType, handling: Handling, ended: Ended) -> None:
    """Call `ended` with each record once its handlers have run.

    Args:
        module: ``logging``.
        handling: told of the texts that handlers write.
        ended: gets the record, its attributes as they were before a handler changed them
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
                ended(record, before, texts, digests)

    # The module tells its own frames by their file: "Call stack:" of a failing handler, findCaller.
    code = callHandlers.__code__.replace(co_filename=original.__code__.co_filename)
    callHandlers.__code__ = code
    logger_class.callHandlers = callHandlers


def _is_handled(logger: Any, level: object) -> bool:
    """Whether a handler other than one that does nothing takes records of `level`.

    A QueueHandler's records are written elsewhere, as text.
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


def watch_sink(module: ModuleType, note: Callable[[str], None]) -> None:
    """Call `note` with each text that the runtime client writes to the framed log descriptor.

    That of https://github.com/aws/aws-lambda-python-runtime-interface-client: with
    ``_LAMBDA_TELEMETRY_LOG_FD`` set, logging passes by ``sys.stdout``, a frame for each record.
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
            note(arguments[0] if arguments else named["msg"])
            return result

        sink.log = log
