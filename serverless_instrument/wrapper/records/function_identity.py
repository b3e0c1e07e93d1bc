"""Names and marks of callables that may be any object, read without running any of its code.

A handler may be a proxy that is bound with the first call, or raises for each name that it is asked
for. Only what plain functions have of themselves is looked at.
"""

from __future__ import annotations

from functools import update_wrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType
    from typing import Any


class _Example:
    def method(self) -> None: ...


_FUNCTION, _METHOD = type(_Example.method), type(_Example().method)


def plain_function(target: Any) -> FunctionType | None:
    """The function that `target` is, or is a method of; None for any other object."""
    kind: object = type(target)
    if kind is _METHOD:
        target = target.__func__
        kind = type(target)
    return target if kind is _FUNCTION else None


def copy_identity(wrapper: Callable[..., object], wrapped: object) -> None:
    """Do what functools.wraps does, as far as `wrapped` has it of itself."""
    function = plain_function(wrapped)
    if function is not None:
        update_wrapper(wrapper, function)
    wrapper.__wrapped__ = wrapped  # type: ignore[attr-defined] # a function
