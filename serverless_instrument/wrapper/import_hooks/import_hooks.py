"""Runs a function after a module's first import, without wrapt (27 M instructions to import).

A PEP 451 finder: it asks the others for the module's spec and puts its own loader around theirs
for the one import that it watches.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Hook = Callable[[ModuleType], None]
    Before = Callable[[], Callable[[], None] | None]


class PostImportHooks:
    """A meta path finder that calls `fault` where a hook fails, and never fails an import.

    Args:
        fault: told the module's name and the exception.
    """

    def __init__(self, fault: Callable[[str, Exception], None]) -> None:
        self._hooks: dict[str, Hook] = {}
        self._before: dict[str, Before] = {}
        self._fault = fault

    def install(self) -> None:
        """Go first on ``sys.meta_path``, once."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def watch(self, module_name: str, hook: Hook, before: Before | None = None) -> None:
        """Call ``hook(module)`` once `module_name` has been imported; now, if it has been.

        `before` is called before the module is executed; what it returns, after. An ImportError
        that it raises is that of the import.
        """
        module = sys.modules.get(module_name)
        if module is None:
            self._hooks[module_name] = hook
            if before is not None:
                self._before[module_name] = before
        else:
            self._call(module_name, hook, module)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The import system's question; None for every module that is not watched."""
        if name not in self._hooks:
            return None
        for finder in sys.meta_path:
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec else None
            if spec is not None:
                # Whoever asks may only want to know: the hook goes once the module is executed.
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(self, spec.loader)  # type: ignore[assignment] # as above
                return spec
        return None

    def _call(self, name: str, hook: Hook, module: ModuleType) -> None:
        try:
            hook(module)
        except Exception as error:  # a hook is ours, the import is the user's
            self._fault(name, error)

    def execute(self, module: ModuleType, execution: Callable[[ModuleType], None]) -> None:
        """Execute a module with `execution`, and then its hook; watch it again if it raises."""
        name = module.__name__
        hook = self._hooks.pop(name, None)
        before = self._before.get(name) if hook is not None else None
        after = None
        try:
            after = before() if before is not None else None
            execution(module)
        except BaseException:
            if hook is not None:
                self._hooks.setdefault(name, hook)
            raise
        finally:
            if after is not None:
                after()
        if hook is not None:
            self._call(name, hook, module)


class _Loader:
    """The module's own loader, for the length of one import."""

    def __init__(self, hooks: PostImportHooks, loader: object) -> None:
        self._hooks = hooks
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)  # type: ignore[attr-defined] # PEP 451
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The module must look, to inspect and pkgutil, as if we had not been here.
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader  # type: ignore[assignment] # what it was
        module.__loader__ = self._loader  # type: ignore[assignment] # what it was
        self._hooks.execute(module, self._loader.exec_module)  # type: ignore[attr-defined] # PEP 451
