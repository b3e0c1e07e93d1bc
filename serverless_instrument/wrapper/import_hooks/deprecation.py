"""The decorator ``deprecated`` of PEP 702, for the layer's bytecode of OpenTelemetry.

OpenTelemetry has it from ``typing_extensions``, whose import takes 8.5 M instructions, as much as
all of the API: the layer's bytecode has it from here (``layer_build/late_imports.py``).
https://peps.python.org/pep-0702/#runtime-behavior
"""

from __future__ import annotations

import warnings
from functools import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


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


# typing_extensions, too, uses that of the standard library where there is one (Python 3.13).
deprecated = getattr(warnings, "deprecated", Deprecated)
