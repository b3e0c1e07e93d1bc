"""Telemetry records of the runtime side and their encoding; and `is_ours`, for every guard."""

from __future__ import annotations

_name = type.__dict__["__name__"].__get__
_flags = type.__dict__["__flags__"].__get__
_HEAP_TYPE = 1 << 9  # https://docs.python.org/3/c-api/typeobj.html#c.Py_TPFLAGS_HEAPTYPE


def type_name(value: object) -> str:
    """The name of the type of `value`, whose metaclass may raise when it is asked for it."""
    name: str = _name(type(value))
    return name


def is_ours(error: BaseException) -> bool:
    """Whether our code, or what it calls, raised `error`; a guard raises any other again.

    See `guards`. It is here, and its module loaded late, so that no start pays for a module.
    """
    traceback = error.__traceback__
    if traceback is None or (
        # Raised by the guarded line itself, with a class and a text of the interpreter's.
        traceback.tb_next is None and not _flags(type(error)) & _HEAP_TYPE and error.args
    ):
        return True
    from serverless_instrument.wrapper.records import guards

    return guards.is_ours(error)
