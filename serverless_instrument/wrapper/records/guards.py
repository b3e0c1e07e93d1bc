"""Whether an exception that our code has caught is its own, or has only been raised in it.

The function's signal handlers and ``PyThreadState_SetAsyncExc`` raise between any two instructions,
those of ours included, and mean the function. Loaded with the first exception.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # typeshed lacks it; signal imports enum
import sys
from opcode import opmap
from types import FunctionType, MethodType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType, TracebackType

_RAISE = opmap["RAISE_VARARGS"]
_HAS_VARARGS, _HAS_VARKEYWORDS = (
    0x04,
    0x08,
)  # https://docs.python.org/3/library/inspect.html#code-objects-bit-flags
_SIGNAL_NUMBERS = range(1, 65)
# Raised by the interpreter without arguments.
_WITHOUT_ARGUMENTS = (MemoryError, StopIteration, StopAsyncIteration)


def is_ours(error: BaseException) -> bool:
    """Whether `error` was raised by what our code does, or by an object that it calls.

    False for what a signal handler, a trace function or another thread raised in it: that is the
    function's, and the guard that caught it raises it again.
    """
    traceback = error.__traceback__
    if traceback is None:
        return True
    handlers = _handler_codes() if traceback.tb_next is not None else set()
    caller = traceback.tb_frame.f_back
    while True:
        frame = traceback.tb_frame
        if frame.f_code in handlers or _is_called_by_interpreter(frame, caller):
            return False
        if traceback.tb_next is None:
            return not _has_no_cause(error, traceback)
        caller, traceback = frame, traceback.tb_next


def _handler_codes() -> set[CodeType]:
    codes = set()
    for number in _SIGNAL_NUMBERS:
        handler = _signal.getsignal(number)
        if type(handler) is MethodType:
            handler = handler.__func__
        if type(handler) is FunctionType:
            codes.add(handler.__code__)
    return codes


def _is_called_by_interpreter(frame: FrameType, caller: FrameType | None) -> bool:
    """Whether an argument of `frame` is `caller`, or its code.

    So are signal handlers called, which may have been replaced since, and callbacks of
    ``sys.settrace`` and ``sys.monitoring``.
    """
    code = frame.f_code
    # Not in a frame of ours: `f_locals` keeps what it has, the exception above all, until the
    # garbage collector comes.
    if caller is None or code.co_filename.startswith(_OWN_DIRECTORY):
        return False
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & _HAS_VARARGS) + bool(code.co_flags & _HAS_VARKEYWORDS)
    values = frame.f_locals
    for name in code.co_varnames[:count]:
        value = values.get(name)
        for each in value if type(value) is tuple else (value,):
            if each is caller or each is caller.f_code:
                return True
    return False


_OWN_DIRECTORY = is_ours.__code__.co_filename.rpartition("/wrapper/")[0] + "/wrapper/"


def _has_no_cause(error: BaseException, innermost: TracebackType) -> bool:
    """Whether neither a ``raise`` statement nor a failed call in `innermost` made `error`.

    ``PyThreadState_SetAsyncExc`` makes it from its class alone, at an instruction that raises
    nothing. The interpreter gives arguments to nearly all that it raises.
    """
    if innermost.tb_frame.f_code.co_code[innermost.tb_lasti] == _RAISE:
        return False
    if isinstance(error, _WITHOUT_ARGUMENTS):
        return False
    if not BaseException.args.__get__(error):  # type: ignore[attr-defined] # a descriptor
        return True
    # A class of the function's may make arguments of its own.
    module = str(type.__getattribute__(type(error), "__module__")).partition(".")[0]
    return module not in sys.stdlib_module_names and any(
        type(vars(each).get("__init__")) is FunctionType for each in type(error).__mro__
    )
