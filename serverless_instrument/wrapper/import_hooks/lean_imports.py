"""Imports a module with stand-ins for dependencies that it imports and rarely uses.

opentelemetry-instrumentation-botocore imports the metrics and logs APIs for its Bedrock extension,
the HTTP conventions for no use, and ``packaging`` for a check that we skip: 45 of its 117 M
instructions. During the import these modules are stand-ins, whose names import the real module when
they are used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from serverless_instrument.wrapper.records import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# It checks installed versions, which we skip, and imports ``packaging``: 45 M or more.
ALWAYS = ("opentelemetry.instrumentation.dependencies",)
BOTOCORE = (
    *ALWAYS,
    "opentelemetry._logs",
    "opentelemetry.instrumentation._semconv",
    "opentelemetry.metrics",
    "opentelemetry.propagate",
)


# Whether `import_lean` is running.
_lean = False


# Modules whose functions only return an object that may never be used, such as the meter that each
# AWS call gets: their calls are always put off.
_GETTERS = frozenset(("opentelemetry._logs", "opentelemetry.metrics"))


class _Deferred:
    """A value that is resolved when it is used; a call during `import_lean` is put off, too."""

    def __init__(self, resolve: Callable[[], object], *, getter: bool) -> None:
        self._resolve = resolve
        self._getter = getter

    def __call__(self, *arguments: object, **options: object) -> object:
        def call() -> object:
            return self._resolve()(*arguments, **options)  # type: ignore[operator] # as it proves

        # Any other call comes from the function, which relies on its effect.
        return _Deferred(call, getter=False) if _lean or self._getter else call()

    def __getattr__(self, name: str) -> object:
        return getattr(self._resolve(), name)


class _Stability:
    """Stands in for the switch of HTTP conventions, which AWS spans do not read."""

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
    """Import a module with stand-ins for `names` and call ``use(module)``.

    Where that fails, the module is imported normally.
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
    except Exception as error:  # another release, with other imports
        if not is_ours(error):
            raise
        for name in set(sys.modules) - before:
            if name.startswith("opentelemetry.instrumentation."):
                del sys.modules[name]
        return None
    finally:
        for name, module in standing_in.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
