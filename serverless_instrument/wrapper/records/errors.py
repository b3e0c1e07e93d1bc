"""Attributes and stack trace of an exception. Pure.

https://opentelemetry.io/docs/specs/semconv/exceptions/
"""

from __future__ import annotations

from serverless_instrument.wrapper.records import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_qualname = type.__dict__["__qualname__"].__get__
_module = type.__dict__["__module__"].__get__


def qualified_name(kind: type) -> str:
    """``module.QualifiedName`` of a class; of a builtin, its name alone."""
    # The interpreter's own getters: a metaclass of the function's may have others, which raise.
    name: str = _qualname(kind)
    try:
        module = _module(kind)
    except AttributeError:  # a class body may delete it
        return name
    return name if module == "builtins" else f"{module}.{name}"


def message(error: BaseException) -> str:
    """``str(error)``, or "" where that raises."""
    try:
        return str.__str__(str(error))  # a user's __str__ may return a subclass of str
    except Exception as fault:  # a user's __str__ may raise
        if not is_ours(fault):
            raise
        return ""


def stacktrace(error: BaseException, traceback: TracebackType | None) -> str:
    """The stack trace as Python prints it, from `traceback` on; "" where that fails."""
    try:
        from traceback import format_exception

        return "".join(format_exception(type(error), error, traceback))
    except Exception as fault:  # the user's exception class may raise; the span must not be lost
        if not is_ours(fault):
            raise
        return ""


def details(error: BaseException, trace: str) -> dict[str, object]:
    """The attributes of an ``exception`` event; `trace` is its stack trace."""
    return {
        "exception.type": qualified_name(type(error)),
        "exception.message": message(error),
        "exception.stacktrace": trace,
    }


def failure(of: Mapping[str, object]) -> tuple[str, str]:
    """``error.type`` and message of an invocation that failed with the exception of `details`."""
    return str(of["exception.type"]), str(of["exception.message"])
