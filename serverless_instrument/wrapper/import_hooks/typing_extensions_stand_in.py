"""A stand-in for ``typing_extensions`` while OpenTelemetry's API is imported.

The API uses one decorator of it, and a function that it never calls; the import of the real module
takes 8.5 M instructions, as much as all of the API. The decorator follows PEP 702:
https://peps.python.org/pep-0702/#runtime-behavior
"""

from __future__ import annotations

import sys
import warnings
from functools import wraps
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_NAME = "typing_extensions"


class Deprecated:
    """Decorates a class or function that warns when it is used, as ``warnings.deprecated`` does.

    Args:
        message: of the warning.
        category: of the warning; None for no warning.
        stacklevel: 1 is the line that uses the class or function.
    """

    def __init__(
        self,
        message: str,
        /,
        *,
        category: type[Warning] | None = DeprecationWarning,
        stacklevel: int = 1,
    ) -> None:
        self.message = message
        self.category = category
        self.stacklevel = stacklevel

    def __call__(self, subject: Any, /) -> Any:
        """`subject`, which warns from now on."""
        if self.category is not None:
            subject = (
                self._warning_class(subject)
                if isinstance(subject, type)
                else self._warning_function(subject)
            )
        subject.__deprecated__ = self.message
        return subject

    def _warn(self) -> None:
        warnings.warn(self.message, category=self.category, stacklevel=self.stacklevel + 2)

    def _warning_function(self, function: Callable[..., object]) -> Callable[..., object]:
        @wraps(function)
        def wrapper(*arguments: object, **options: object) -> object:
            self._warn()
            return function(*arguments, **options)

        return wrapper

    def _warning_class(self, subject: Any) -> Any:
        original_new = subject.__new__
        original_init_subclass = subject.__init_subclass__

        @wraps(original_new)
        def new(cls: Any, /, *arguments: object, **options: object) -> object:
            if cls is subject:
                self._warn()
            if original_new is not object.__new__:
                return original_new(cls, *arguments, **options)
            if cls.__init__ is object.__init__ and (arguments or options):
                raise TypeError(f"{cls.__name__}() takes no arguments")
            return original_new(cls)

        def init_subclass(*arguments: Any, **options: Any) -> object:
            self._warn()
            return original_init_subclass(*arguments, **options)

        subject.__new__ = staticmethod(new)
        if hasattr(original_init_subclass, "__func__"):
            # A classmethod of the class itself is bound to it: pass the subclass.
            function = original_init_subclass.__func__

            def bound(cls: Any, *arguments: Any, **options: Any) -> object:
                self._warn()
                return function(cls, *arguments, **options)

            subject.__init_subclass__ = classmethod(bound)
        else:
            subject.__init_subclass__ = init_subclass
        return subject


def _assert_never(value: object, /) -> None:
    raise AssertionError(f"Expected code to be unreachable, but got: {value!r}")


class _StandIn(ModuleType):
    """Has what the API uses; for any other name it imports the real module."""

    # typing_extensions, too, uses that of the standard library where there is one (Python 3.13).
    deprecated = getattr(warnings, "deprecated", Deprecated)
    assert_never = staticmethod(_assert_never)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_NAME) is self:
            del sys.modules[_NAME]
        return getattr(import_module(_NAME), name)


def without_typing_extensions() -> Callable[[], None] | None:
    """Install the stand-in; returns the function that removes it.

    Returns None, and does nothing, where ``typing_extensions`` is loaded.
    """
    if _NAME in sys.modules:
        return None
    stand_in = sys.modules[_NAME] = _StandIn(_NAME)

    def restore() -> None:
        if sys.modules.get(_NAME) is stand_in:
            del sys.modules[_NAME]

    return restore
