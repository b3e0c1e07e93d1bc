"""Sets one instrumentation going; loaded with the first library that has one."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from serverless_instrument.wrapper.hooks.table import OWN_FILES
from serverless_instrument.wrapper.lean_imports import import_lean

if TYPE_CHECKING:
    from types import ModuleType

_PACKAGE = "opentelemetry.instrumentation"
# Instrumentations that live in another's package.
_PACKAGES = {"aiobotocore": "botocore"}
_OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"


def run(name: str, class_name: str, module: ModuleType) -> None:
    """Instrument the library of the imported `module`, if the instrumentation is installed.

    Raises:
        Exception: whatever an instrumentation that does not fit raises.
    """

    def load(**options: object) -> None:
        _load(name, class_name, options)

    if name in OWN_FILES:
        import_module(f"serverless_instrument.wrapper.hooks.{name}").hook(module, load)
    else:
        load()


def _load(name: str, class_name: str, options: dict[str, object]) -> None:
    """Import the instrumentation and switch it on.

    The garbage collector rests meanwhile: with boto3 loaded it would go over all of it again and
    again for the classes that are made here (32 M instructions, 13 ms). The check of installed
    versions is left out, which imports ``packaging``: what does not fit raises, and is said.
    """
    package = f"{_PACKAGE}.{_PACKAGES.get(name, name)}"
    collecting = gc.isenabled()
    gc.disable()
    try:
        if not _installed(package):
            return
        if name == "botocore":
            module = import_lean(package)
        else:
            module = import_module(package)
            _stable_conventions()
        instrumentor = getattr(module, class_name)()
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(skip_dep_check=True, **options)
            _give_way(instrumentor, options)
    finally:
        if collecting:
            gc.enable()


def _give_way(instrumentor: Any, ours: dict[str, object]) -> None:
    """Let the function's own ``instrument(…)`` count, which comes later, with its options.

    An instrumentor is one for the whole process, and otherwise refuses with a warning.
    """

    def instrument(**options: object) -> object:
        del instrumentor.instrument
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
        for name, hook in ours.items():
            options[name] = _both(hook, options.get(name))
        return instrumentor.instrument(**options)

    instrumentor.instrument = instrument


def _both(ours: Any, users: Any) -> object:
    if not callable(users):
        return ours

    def hook(*arguments: object) -> None:
        ours(*arguments)
        users(*arguments)

    return hook


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _stable_conventions() -> None:
    """Have instrumentations follow the stable HTTP and database conventions.

    They read ``OTEL_SEMCONV_STABILITY_OPT_IN`` once; a value of the user's own stands.
    """
    from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability

    if os.environ.get(_OPT_IN):
        return
    os.environ[_OPT_IN] = "http,database"
    try:
        _OpenTelemetrySemanticConventionStability._initialize()  # type: ignore[no-untyped-call] # untyped there
    finally:
        del os.environ[_OPT_IN]
