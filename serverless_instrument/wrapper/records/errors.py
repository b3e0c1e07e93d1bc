"""Attributes and stack trace of an exception. Pure.

https://opentelemetry.io/docs/specs/semconv/exceptions/
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


# Read past a metaclass of the user's, which may raise when asked for a name.
_MODULE, _QUALIFIED_NAME = type.__dict__["__module__"], type.__dict__["__qualname__"]


def qualified_name(kind: type) -> str:
    """``module.QualifiedName`` of a class; of a builtin, its name alone."""
    name: str = _QUALIFIED_NAME.__get__(kind)
    try:
        module = _MODULE.__get__(kind)
    except AttributeError:  # a class body may delete it
        module = "builtins"
    return name if module == "builtins" else f"{module}.{name}"


def message(error: BaseException) -> str:
    """``str(error)``, or "" where that raises."""
    try:
        return str.__str__(str(error))  # a user's __str__ may return a subclass of str
    except Exception:  # a user's __str__ may raise
        return ""


def stacktrace(error: BaseException, traceback: TracebackType | None) -> str:
    """The stack trace as Python prints it, from `traceback` on; "" where that fails."""
    try:
        from traceback import format_exception

        return "".join(format_exception(type(error), error, traceback))
    except Exception:  # the user's exception class may raise; the span must not be lost
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
