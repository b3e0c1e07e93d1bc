"""Runs a hook after a module's first import, without wrapt, whose import takes 27 M instructions.

`PostImportHooks` is a PEP 451 finder: it asks the other finders for the module's spec and wraps its
loader for the one import that it watches.
"""

from __future__ import annotations

import sys

from serverless_instrument.wrapper.records import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Hook = Callable[[ModuleType], None]
    Execution = Callable[[ModuleType], None]
    Around = Callable[[ModuleType, Execution], None]


class PostImportHooks:
    """A meta path finder that runs hooks; a hook that fails never fails the import.

    Args:
        on_fault: called with the module's name and the exception of a hook that failed.
    """

    def __init__(self, on_fault: Callable[[str, Exception], None]) -> None:
        self._hooks: dict[str, Hook] = {}
        self._around: dict[str, Around] = {}
        self._on_fault = on_fault

    def install(self) -> None:
        """Insert this finder at the front of ``sys.meta_path``, once."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def watch_module(self, module_name: str, hook: Hook, around: Around | None = None) -> None:
        """Call ``hook(module)`` once `module_name` has been imported; now, if it has been.

        ``around(module, execution)`` is called in place of ``execution(module)``; what it raises
        becomes the import's.
        """
        module = sys.modules.get(module_name)
        if module is None:
            self._hooks[module_name] = hook
            if around is not None:
                self._around[module_name] = around
        else:
            self._run_hook(module_name, hook, module)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The import system's protocol; None for every module that is not watched."""
        if name not in self._hooks:
            return None
        for finder in sys.meta_path:
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec else None
            if spec is not None:
                # The caller may only want the spec: the module's execution removes the hook.
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(self, spec.loader)  # type: ignore[assignment] # as above
                return spec
        return None

    def _run_hook(self, name: str, hook: Hook, module: ModuleType) -> None:
        try:
            hook(module)
        except Exception as error:  # a hook is ours, the import is the user's
            if not is_ours(error):
                raise
            self._on_fault(name, error)

    def execute_module(self, module: ModuleType, execution: Execution) -> None:
        """Execute `module` with `execution`, then its hook; keep the hook if the module raises."""
        name = module.__name__
        hook = self._hooks.pop(name, None)
        around = self._around.get(name) if hook is not None else None
        try:
            if around is None:
                execution(module)
            else:
                around(module, execution)
        except BaseException:
            if hook is not None:
                self._hooks.setdefault(name, hook)
            raise
        if hook is not None:
            self._run_hook(name, hook, module)


class _Loader:
    """Wraps the module's own loader for one import."""

    def __init__(self, hooks: PostImportHooks, loader: object) -> None:
        self._hooks = hooks
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)  # type: ignore[attr-defined] # PEP 451
        return module

    def exec_module(self, module: ModuleType) -> None:
        # To inspect and pkgutil the module must look as it does without us.
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader  # type: ignore[assignment] # what it was
        module.__loader__ = self._loader  # type: ignore[assignment] # what it was
        self._hooks.execute_module(module, self._loader.exec_module)  # type: ignore[attr-defined] # PEP 451
