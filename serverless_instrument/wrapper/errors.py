"""What is recorded of an exception; pure.

https://opentelemetry.io/docs/specs/semconv/exceptions/
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


def qualified_name(kind: type) -> str:
    """``module.QualifiedName`` of a class; a builtin goes by its name alone."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def message(error: BaseException) -> str:
    """``str(error)``, or "" where that raises."""
    try:
        return str(error)
    except Exception:  # a user's __str__ may raise
        return ""


def stacktrace(error: BaseException, traceback: TracebackType | None) -> str:
    """The stack trace as Python prints it, from `traceback` on."""
    from traceback import format_exception

    return "".join(format_exception(type(error), error, traceback))


def details(error: BaseException, traceback: TracebackType | None) -> dict[str, object]:
    """The attributes of an ``exception`` event."""
    return {
        "exception.type": qualified_name(type(error)),
        "exception.message": message(error),
        "exception.stacktrace": stacktrace(error, traceback),
    }
