"""Conflicts between the layer's packages and the function's own, which come first on sys.path.

Packages of one release belong together: ``opentelemetry-sdk`` requires exactly its own release of
``opentelemetry-api``, an instrumentation its own release of
``opentelemetry-semantic-conventions``. A function that brings one of a pair would get the other
from the layer.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from serverless_instrument.wrapper.records import is_ours, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# The directory of the packages that we vendor; without the layer, the one that pip installed us in.
_VENDOR = os.path.abspath(__file__).rpartition("/wrapper/")[0] + "/vendor"
ROOT = _VENDOR if os.path.isdir(_VENDOR) else os.path.dirname(os.path.dirname(_VENDOR))
_OLDEST = (1, 25)


class UnusableError(Exception):
    """The OpenTelemetry packages at hand cannot be used; the text gives the reason and remedy."""


def check_version(package: str, module_name: str) -> None:
    """Check that `package`, whose version is in `module_name`, is complete and recent enough.

    Raises:
        UnusableError: it is older than 1.25 or cannot be imported.
    """
    try:
        version = str(import_module(module_name).__version__)
        numbers = tuple(int(part) for part in version.split(".")[:2])
    except Exception as error:
        if not is_ours(error):
            raise
        raise UnusableError(
            f"{package} is not complete ({type_name(error)}: {error}); install it whole, or "
            "remove it from the function to use the layer's"
        ) from None
    if numbers < _OLDEST:
        oldest = ".".join(str(number) for number in _OLDEST)
        raise UnusableError(
            f"{package} {version} is older than {oldest}; update it, or remove it from the "
            "function to use the layer's"
        )


def is_own(path: str | None) -> bool:
    """Whether the file at `path` belongs to this package or the layer."""
    return path is not None and os.path.abspath(path).startswith(ROOT + os.sep)


def check_same_release() -> None:
    """Check that the layer's SDK is of the same release as the function's own API.

    Raises:
        ModuleNotFoundError: the two are of different releases, and the SDK would fail later in the
            function's own calls. Without the layer there would be no SDK to import, either.
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


def check_not_hidden(module_name: str) -> None:
    """Check that a module which was not found is not one of ours, hidden by the function's package.

    Raises:
        ImportError: it is hidden; `path` names the package that hides it.
    """
    top_name = module_name.partition(".")[0]
    path = getattr(sys.modules.get(top_name), "__file__", None)
    if path is not None and os.path.exists(os.path.join(ROOT, *module_name.split("."))):
        raise ImportError(f"there is another {top_name}", name=top_name, path=path)


def remedy(error: Exception) -> str:
    """What to do about a failed instrumentation of ours; "" where all packages are ours."""
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
