"""The layer's packages beside the function's own, which come first on sys.path.

What is of one release belongs together: ``opentelemetry-sdk`` asks for exactly its release of
``opentelemetry-api``, an instrumentation for its release of ``opentelemetry-semantic-conventions``.
A function that brings one of a pair would get the other from the layer.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# The directory of the packages that we vendor; without the layer, the one that pip installed us in.
_VENDOR = os.path.abspath(__file__).rpartition("/wrapper/")[0] + "/vendor"
ROOT = _VENDOR if os.path.isdir(_VENDOR) else os.path.dirname(os.path.dirname(_VENDOR))
_CONVENTIONS = "opentelemetry.semconv"


def is_own(path: str | None) -> bool:
    """Whether the file at `path` came with us."""
    return path is not None and os.path.abspath(path).startswith(ROOT + os.sep)


def refuse_mixture() -> None:
    """Keep the layer's SDK from being imported on top of the function's own API.

    Raises:
        ModuleNotFoundError: it would be, and would fail later in the function's own calls; without
            the layer there is no SDK to import, either.
    """
    api, sdk = _version("opentelemetry.version"), _version("opentelemetry.sdk.version")
    if api is None or sdk is None or is_own(api.__file__) or not is_own(sdk.__file__):
        return
    if api.__version__ != sdk.__version__:
        raise ModuleNotFoundError(
            f"opentelemetry-api {api.__version__} of the function and opentelemetry-sdk "
            f"{sdk.__version__} of the layer are of different releases; install opentelemetry-sdk "
            f"{api.__version__} into the function, or remove opentelemetry-api from it",
            name="opentelemetry.sdk",
        )


def look_for_hidden(module_name: str) -> None:
    """A module cannot be found: is it one of ours, behind something of the function's?

    Raises:
        ImportError: it is, and stands behind what `path` names.
    """
    top_name = module_name.partition(".")[0]
    path = getattr(sys.modules.get(top_name), "__file__", None)
    if path is not None and os.path.exists(os.path.join(ROOT, *module_name.split("."))):
        raise ImportError(f"there is another {top_name}", name=top_name, path=path)


def remedy(error: Exception) -> str:
    """What to do where an instrumentation of ours failed; "" where all packages are ours."""
    path = getattr(error, "path", None)
    if path is not None and not is_own(path):
        return f"; {path} is the function's own: update it, or remove it to use the layer's"
    api = _version("opentelemetry.version")
    if api is None or is_own(api.__file__):
        return ""
    return (
        f"; opentelemetry-api {api.__version__} is the function's own: update it, or remove it to "
        "use the layer's"
    )


def _version(module_name: str) -> ModuleType | None:
    try:
        return import_module(module_name)
    except ImportError:
        return None


class OwnConventions:
    """While it is entered, an instrumentation of ours finds the conventions of its own release.

    They are tables of names. What the function has imported of its own is put back afterwards.
    """

    def __init__(self) -> None:
        self._kept: dict[str, ModuleType] = {}

    def __enter__(self) -> None:
        self._kept = _conventions()
        _forget(self._kept)
        sys.meta_path.insert(0, self)

    def __exit__(self, *exception: object) -> None:
        sys.meta_path.remove(self)
        _forget(_conventions())
        sys.modules.update(self._kept)
        if _CONVENTIONS in self._kept:
            sys.modules["opentelemetry"].semconv = self._kept[_CONVENTIONS]  # type: ignore[attr-defined] # as the import does

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The import system's question; what is below comes from our directory by itself."""
        if name != _CONVENTIONS:
            return None
        return PathFinder.find_spec(name, [os.path.join(ROOT, "opentelemetry")], target)


def needs_own_conventions(instrumentation: ModuleSpec) -> bool:
    """Whether an instrumentation of ours would get conventions that are the function's."""
    if not is_own(instrumentation.origin):
        return False
    found = find_spec(_CONVENTIONS)
    return found is None or not is_own(found.origin)


def _conventions() -> dict[str, ModuleType]:
    return {
        name: module
        for name, module in sys.modules.items()
        if name == _CONVENTIONS or name.startswith(_CONVENTIONS + ".")
    }


def _forget(modules: dict[str, ModuleType]) -> None:
    for name in modules:
        del sys.modules[name]
