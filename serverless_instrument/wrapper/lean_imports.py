"""Cheaper loading of two parts of the OpenTelemetry packages that cost more than all the rest.

`opentelemetry.semconv` defines deprecated enumerations beside its constants, and making an Enum
class costs far more than its constants do; they are made when somebody asks for one. The
instrumentations' check of installed versions imports ``packaging``; it is imported when somebody
checks.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.machinery import ModuleSpec

_CONSTANTS = "opentelemetry.semconv."
_DEPENDENCIES = "opentelemetry.instrumentation.dependencies"
_CHECKED_NAMES = ("DependencyConflict", "DependencyConflictError", "get_dependency_conflicts")


class LeanFinder:
    """A meta path finder for the modules above; a failure of ours means the ordinary import."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The import system's question; None for every other module."""
        if name != _DEPENDENCIES and not name.startswith(_CONSTANTS):
            return None
        for finder in sys.meta_path:
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec else None
            if spec is not None and spec.loader is not None and hasattr(spec.loader, "get_code"):
                loader = _Constants if name != _DEPENDENCIES else _Dependencies
                spec.loader = loader(spec.loader)  # type: ignore[assignment] # PEP 451 loaders
            if spec is not None:
                return spec
        return None


class _Lean:
    """A loader that leaves the expensive part for later."""

    def __init__(self, loader: object) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> None:  # noqa: ARG002 - PEP 451
        return None

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader  # type: ignore[assignment] # what it was
        module.__loader__ = self._loader  # type: ignore[assignment] # what it was
        before = dict(module.__dict__)
        try:
            self._fill(module)
        except Exception:  # the module is not what we know: load it as anybody would
            module.__dict__.clear()
            module.__dict__.update(before)
            self._whole(module)

    def _fill(self, module: ModuleType) -> None:
        raise NotImplementedError

    def _whole(self, module: ModuleType) -> None:
        self._loader.exec_module(module)  # type: ignore[attr-defined] # PEP 451


class _Constants(_Lean):
    """Runs the module with a plain class for Enum, then forgets the classes that came of it."""

    def _fill(self, module: ModuleType) -> None:
        code = self._loader.get_code(module.__name__)  # type: ignore[attr-defined] # importlib's
        namespace = module.__dict__
        namespace["__builtins__"] = {**_builtins(), "__import__": _import_without_enum}
        exec(code, namespace)  # the module's own code
        namespace["__builtins__"] = _builtins()
        enumerations = [
            name
            for name, value in namespace.items()
            if isinstance(value, type) and issubclass(value, _PlainEnum)
        ]
        for name in enumerations:
            del namespace[name]
        if enumerations:
            namespace["__getattr__"] = self._on_demand(module, frozenset(enumerations))

    def _on_demand(self, module: ModuleType, names: frozenset[str]) -> Callable[[str], object]:
        def getter(name: str) -> object:
            if name not in names:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            scratch = ModuleType(module.__name__)
            scratch.__dict__.update(
                {key: module.__dict__.get(key) for key in ("__file__", "__package__", "__spec__")}
            )
            self._whole(scratch)
            for wanted in names:
                module.__dict__[wanted] = scratch.__dict__[wanted]
            del module.__dict__["__getattr__"]
            return module.__dict__[name]

        return getter


class _PlainEnum:
    """Stands in for Enum while a module of constants is run."""


class _PlainEnumModule:
    Enum = _PlainEnum


def _builtins() -> Mapping[str, object]:
    import builtins

    return builtins.__dict__


def _import_without_enum(name: str, *arguments: object) -> object:
    if name == "enum":
        return _PlainEnumModule
    return __import__(name, *arguments)  # type: ignore[arg-type] # passed on as they came


class _Dependencies(_Lean):
    """Three names that import the module proper when they are used."""

    def _fill(self, module: ModuleType) -> None:
        def get_dependency_conflicts(*arguments: object, **options: object) -> object:
            self._whole(module)
            return module.__dict__["get_dependency_conflicts"](*arguments, **options)

        def getter(name: str) -> object:
            if name.startswith("__"):
                raise AttributeError(name)
            self._whole(module)
            return module.__dict__[name]

        module.__dict__["DependencyConflict"] = type("DependencyConflict", (), {})
        module.__dict__["DependencyConflictError"] = type(
            "DependencyConflictError", (Exception,), {}
        )
        module.__dict__["get_dependency_conflicts"] = get_dependency_conflicts
        module.__dict__["__getattr__"] = getter
