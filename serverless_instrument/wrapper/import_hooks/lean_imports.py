"""Leaves out of an import what the imported module only names and hardly ever uses.

opentelemetry-instrumentation-botocore imports the metrics and logs APIs for its Bedrock extension,
the conventions of HTTP for none, and ``packaging`` for a check that is not made: 45 of its 117 M
instructions. For the length of the import these modules are stand-ins, whose names import the real
module when something is done with them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The check of installed versions, which is not made, imports ``packaging``: 45 M or more.
ALWAYS = ("opentelemetry.instrumentation.dependencies",)
BOTOCORE = (
    *ALWAYS,
    "opentelemetry._logs",
    "opentelemetry.instrumentation._semconv",
    "opentelemetry.metrics",
    "opentelemetry.propagate",
)


# Whether an import with stand-ins, or the first use of what it gave, is going on.
_lean = False


# Of these a call only gets what is then used, or never is: each AWS call asks for a meter.
_GETTERS = frozenset(("opentelemetry._logs", "opentelemetry.metrics"))


class _Deferred:
    """A value that is worked out when it is used; a call during the import is put off as well."""

    def __init__(self, resolve: Callable[[], object], *, getter: bool) -> None:
        self._resolve = resolve
        self._getter = getter

    def __call__(self, *arguments: object, **options: object) -> object:
        def call() -> object:
            return self._resolve()(*arguments, **options)  # type: ignore[operator] # as it proves

        # Other calls later on are the function's own, which counts on what they return and do.
        return _Deferred(call, getter=False) if _lean or self._getter else call()

    def __getattr__(self, name: str) -> object:
        return getattr(self._resolve(), name)


class _Stability:
    """Stands for the switch of conventions, which an AWS span does not ask."""

    @staticmethod
    def _initialize() -> None:
        if not _lean:
            module = import_module("opentelemetry.instrumentation._semconv")
            module._OpenTelemetrySemanticConventionStability._initialize()


class _StandIn(ModuleType):
    _OpenTelemetrySemanticConventionStability = _Stability

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        module_name = self.__name__
        return _Deferred(
            lambda: getattr(import_module(module_name), name), getter=module_name in _GETTERS
        )


def import_lean(module_name: str, names: Sequence[str], use: Callable[[ModuleType], None]) -> None:
    """``use(module)`` after importing it with stand-ins for `names`.

    Imports the ordinary way where that fails.
    """
    global _lean
    _lean = True
    try:
        module = _with_stand_ins(module_name, names)
        if module is not None:
            use(module)
            return
    finally:
        _lean = False
    use(import_module(module_name))


def _with_stand_ins(module_name: str, names: Sequence[str]) -> ModuleType | None:
    before = set(sys.modules)
    standing_in = {name: _StandIn(name) for name in names if name not in sys.modules}
    sys.modules.update(standing_in)
    try:
        return import_module(module_name)
    except Exception:  # it is built in another way than we know
        for name in set(sys.modules) - before:
            if name.startswith("opentelemetry.instrumentation."):
                del sys.modules[name]
        return None
    finally:
        for name, module in standing_in.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
