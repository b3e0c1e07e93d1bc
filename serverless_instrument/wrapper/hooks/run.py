"""Sets one instrumentation going; loaded with the first library that has one."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from serverless_instrument.wrapper.hooks.table import OWN_FILES
from serverless_instrument.wrapper.import_hooks.lean_imports import ALWAYS, BOTOCORE, import_lean
from serverless_instrument.wrapper.import_hooks.package_conflicts import (
    OwnConventions,
    check_not_hidden,
    needs_own_conventions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_PACKAGE = "opentelemetry.instrumentation"
# Instrumentations whose package has another name.
_PACKAGES = {"aiobotocore": "botocore", "grpc_client": "grpc"}
# Instrumentations that we have imported.
_loaded: set[str] = set()
_OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"


def run(
    name: str,
    class_name: str,
    module: ModuleType,
    usable: Callable[[], bool],
    failed: Callable[[str, Exception], None],
) -> None:
    """Instrument the library of the imported `module`, if the instrumentation is installed.

    `usable` tells, once the API is imported, whether the packages at hand are of any use; `failed`
    is told the module's name and whatever an instrumentation that does not fit raises.
    """

    def load(**options: object) -> None:
        try:
            _load(name, class_name, options, usable)
        except Exception as error:  # ours to say, not the caller's of the library to see
            failed(module.__name__, error)

    if name in OWN_FILES:
        import_module(f"serverless_instrument.wrapper.hooks.{name}").hook(module, load)
    else:
        load()


def _load(
    name: str, class_name: str, options: dict[str, object], usable: Callable[[], bool]
) -> None:
    """Import the instrumentation and switch it on.

    The garbage collector rests meanwhile: with boto3 loaded it would go over all of it again and
    again for the classes that are made here (32 M instructions, 13 ms). The check of installed
    versions is left out, which imports ``packaging``: what does not fit raises, and is said.
    """
    package = f"{_PACKAGE}.{_PACKAGES.get(name, name)}"
    if package in sys.modules and package not in _loaded:
        return  # the function imports it itself, and will do with it as it likes
    collecting = gc.isenabled()
    gc.disable()
    try:
        spec = _installed(package)
        if spec is None:
            check_not_hidden(package)
            return
        _loaded.add(package)
        import_module("opentelemetry.trace")
        if not usable():
            return

        def switch_on(module: ModuleType) -> None:
            instrumentor = getattr(module, class_name)()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument(skip_dep_check=True, **_meters(name), **options)
                _give_way(instrumentor, options)

        _import(spec, name, switch_on)
    finally:
        if collecting:
            gc.enable()


def _meters(name: str) -> Mapping[str, object]:
    if name == "botocore":  # which measures nothing of its own
        return {}
    from serverless_instrument.wrapper.hooks import old_meters

    return old_meters.options()


def _import(spec: ModuleSpec, name: str, switch_on: Callable[[ModuleType], None]) -> None:
    with OwnConventions() if needs_own_conventions(spec) else nullcontext():
        if name == "botocore":
            import_lean(spec.name, BOTOCORE, switch_on)
            return

        def with_stable_conventions(module: ModuleType) -> None:
            _stable_conventions()
            switch_on(module)

        import_lean(spec.name, ALWAYS, with_stable_conventions)


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


def _installed(package: str) -> ModuleSpec | None:
    try:
        return find_spec(package)
    except ModuleNotFoundError:
        return None


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
