"""Target of ``_HANDLER``: loads the user's handler and calls it between START and END.

The file's name is part of the design. awslambdaric trims leading stack frames of files named
``bootstrap.py``, so an error document begins with the user's frames, as it does without us. That is
also why the runtime client's own loader loads the user's module, from the module-level
``__getattr__`` below: every frame above the loader's is then a ``bootstrap.py`` frame. What need
not be in a file of this name is in ``instrumentation.py``.
"""

from __future__ import annotations

import os
import sys

from serverless_instrument.wrapper.instrumentation import shared
from serverless_instrument.wrapper.records import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from serverless_instrument.wrapper.instrumentation import Instrumentation

    Handler = Callable[[object, object], object]

_MARK = "__serverless_instrument__"
_USER_HANDLER = "SERVERLESS_INSTRUMENT_HANDLER"


def __getattr__(name: str) -> Handler:
    """The instrumented handler, made when the runtime client asks for ``handler``.

    Raises:
        Exception: whatever the runtime client's loader or the user's module raises, unchanged
            except for AttributeError, which the client would take for a missing handler of ours.
    """
    if name != "handler":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    user_handler_name = os.environ.pop(_USER_HANDLER, "") or os.environ.get("_HANDLER", "")
    if user_handler_name == f"{__name__}.handler":
        msg = f'_HANDLER="{user_handler_name}" names no function; set {_USER_HANDLER} to yours'
        raise ValueError(msg)
    os.environ["_HANDLER"] = user_handler_name
    instrumentation = shared(_OWN_FILE)
    try:
        user_handler = _load(user_handler_name)
    except AttributeError as error:
        if instrumentation:
            instrumentation.send_init_error(error, _below_own_frames(error))
        raise _disguised(error).with_traceback(error.__traceback__) from None
    except BaseException as error:
        if instrumentation:
            instrumentation.send_init_error(error, _below_own_frames(error))
        raise
    handler = instrument(user_handler, instrumentation) if instrumentation else user_handler
    globals()["handler"] = handler
    return handler


def _load(user_handler_name: str) -> Handler:
    """Load the user's handler with the runtime client's loader, where that client is running."""
    client = sys.modules.get("awslambdaric.bootstrap")
    loader = getattr(client, "_get_handler", None)
    if loader is not None:
        handler: Handler = loader(user_handler_name)
        return handler
    from importlib import import_module

    module_name, _, function_name = user_handler_name.rpartition(".")
    loaded: Handler = getattr(import_module(module_name.replace("/", ".")), function_name)
    return loaded


def _disguised(error: AttributeError) -> Exception:
    """An exception with the type name and text of `error` that is no AttributeError."""
    kind = type(type(error).__name__, (Exception,), {"__str__": lambda _: str(error)})
    disguised: Exception = kind()
    return disguised


def decorated(user_handler: Handler, attributes: Mapping[str, object] | None) -> Handler:
    """Instrument `user_handler` unless it is instrumented; `attributes` are set on its spans."""
    instrumentation = shared(_OWN_FILE)
    if instrumentation is None or _is_marked(user_handler):
        return user_handler
    return instrument(user_handler, instrumentation, attributes)


def instrument(
    user_handler: Handler,
    instrumentation: Instrumentation,
    attributes: Mapping[str, object] | None = None,
) -> Handler:
    """`user_handler` between START and END; same result, same exception, same stack trace."""
    if _is_marked(user_handler):
        return user_handler

    def handler(event: object, context: object) -> object:
        invocation = instrumentation.start_invocation(event, context, attributes)
        try:
            response = user_handler(event, context)
        except BaseException as error:
            if invocation is not None:
                instrumentation.fail_invocation(invocation, error, _below_own_frame(error))
            _leave_no_frame(error)
            raise
        if invocation is not None:
            instrumentation.end_invocation(invocation, response)
        return response

    _copy_identity(handler, user_handler)
    return handler


def _is_marked(user_handler: Handler) -> bool:
    return getattr(user_handler, _MARK, None) is True


def _copy_identity(handler: Handler, user_handler: Handler) -> None:
    """Do what functools.wraps does, for handlers that may be any object."""
    setattr(handler, _MARK, True)
    handler.__wrapped__ = user_handler  # type: ignore[attr-defined] # a function
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        try:
            setattr(handler, name, getattr(user_handler, name))
        except Exception as error:  # the attribute is missing, or its getter raises
            if not is_ours(error):
                raise
            continue


def _below_own_frame(error: BaseException) -> TracebackType | None:
    """The traceback without its first frame, if that is of this file."""
    traceback = error.__traceback__
    if traceback is not None and traceback.tb_frame.f_code.co_filename == _OWN_FILE:
        return traceback.tb_next
    return traceback


def _below_own_frames(error: BaseException) -> TracebackType | None:
    """The traceback without all its leading frames of this file."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename == _OWN_FILE:
        traceback = traceback.tb_next
    return traceback


_OWN_FILE = _below_own_frame.__code__.co_filename


def _leave_no_frame(error: BaseException) -> None:
    """Take our frame out of `error` before it is raised again.

    The client keeps the frame in error documents where only ``bootstrap.py`` frames follow it, and
    the interpreter prints it when a BaseException, which the client does not catch, ends the
    process.
    """
    traceback = error.__traceback__
    if sys.version_info < (3, 11):
        # Python 3.10 restores the old traceback of an exception that is raised again.
        if _has_only_bootstrap_frames(traceback):
            _hide_own_frame()
    elif traceback is not None and traceback.tb_frame.f_code.co_filename == _OWN_FILE:
        # The base class's own method: a user's class may have another of that name.
        BaseException.with_traceback(error, traceback.tb_next)


def _has_only_bootstrap_frames(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if "/bootstrap.py" not in traceback.tb_frame.f_code.co_filename:
            return False
        traceback = traceback.tb_next
    return True


def _hide_own_frame() -> None:
    """Have the client leave our frame out of its error documents: Python 3.10 only.

    A handler that cannot be called (not a function, wrong number of arguments) fails in the
    caller's own frame, and a function's own file may be named ``bootstrap.py``. The client then
    trims nothing.
    """
    client = sys.modules.get("awslambdaric.bootstrap")
    extract = getattr(client, "extract_traceback", None)
    if client is None or extract is None or getattr(extract, "hides_own_frame", False):
        return

    def extract_traceback(traceback: object) -> list[tuple[str, int, str, str]]:
        return [frame for frame in extract(traceback) if frame[0] != _OWN_FILE]

    extract_traceback.hides_own_frame = True  # type: ignore[attr-defined] # read by the next call
    client.extract_traceback = extract_traceback  # type: ignore[attr-defined] # as found above
