"""Loads and switches on one instrumentation; imported with the first library that has one."""

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
# Package names that differ from the instrumentation's name.
_PACKAGES = {"aiobotocore": "botocore", "grpc_client": "grpc"}
# Packages of instrumentations that we have imported.
_loaded: set[str] = set()
_OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"


def instrument_library(
    name: str,
    class_name: str,
    module: ModuleType,
    is_usable: Callable[[], bool],
    on_failure: Callable[[str, Exception], None],
) -> None:
    """Instrument the library of the imported `module`, if the instrumentation is installed.

    Args:
        name: of the instrumentation, as in `hooks.table`.
        class_name: of its instrumentor.
        module: the library's module.
        is_usable: returns, once the API is imported, whether the packages at hand can be used.
        on_failure: gets the module's name and what an incompatible instrumentation raises.
    """

    def load(**options: object) -> None:
        try:
            _load(name, class_name, options, is_usable)
        except Exception as error:  # a warning of ours, never an exception in the user's call
            on_failure(module.__name__, error)

    if name in OWN_FILES:
        import_module(f"serverless_instrument.wrapper.hooks.{name}").hook(module, load)
    else:
        load()


def _load(
    name: str, class_name: str, options: dict[str, object], is_usable: Callable[[], bool]
) -> None:
    """Import the instrumentation and switch it on.

    The garbage collector is off meanwhile: with boto3 loaded it would traverse all of it repeatedly
    for the classes that are made here (32 M instructions, 13 ms). The check of installed versions,
    which imports ``packaging``, is skipped: an incompatible instrumentation raises.
    """
    package = f"{_PACKAGE}.{_PACKAGES.get(name, name)}"
    if package in sys.modules and package not in _loaded:
        return  # the function imports it itself, and switches it on or not
    collecting = gc.isenabled()
    gc.disable()
    try:
        spec = _installed(package)
        if spec is None:
            check_not_hidden(package)
            return
        _loaded.add(package)
        import_module("opentelemetry.trace")
        if not is_usable():
            return

        def switch_on(module: ModuleType) -> None:
            _quiet_logger(package)
            instrumentor = getattr(module, class_name)()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument(skip_dep_check=True, **_meters(name), **options)
                _allow_user_instrument(instrumentor, options)

        _import(spec, name, switch_on)
    finally:
        if collecting:
            gc.enable()


def _quiet_logger(package: str) -> None:
    """Keep what an instrumentation says of each call out of a function's log at DEBUG."""
    from logging import WARNING, getLogger

    logger = getLogger(package)
    if not logger.level:
        logger.setLevel(WARNING)


def _meters(name: str) -> Mapping[str, object]:
    if name == "botocore":  # has no metrics
        return {}
    from serverless_instrument.wrapper.hooks import old_meters

    return old_meters.meter_options()


def _import(spec: ModuleSpec, name: str, switch_on: Callable[[ModuleType], None]) -> None:
    with OwnConventions() if needs_own_conventions(spec) else nullcontext():
        if name == "botocore":
            import_lean(spec.name, BOTOCORE, switch_on)
            return

        def with_stable_conventions(module: ModuleType) -> None:
            _use_stable_conventions()
            switch_on(module)

        import_lean(spec.name, ALWAYS, with_stable_conventions)


def _allow_user_instrument(instrumentor: Any, ours: dict[str, object]) -> None:
    """Let a later ``instrument(…)`` of the function's replace ours, with its options.

    An instrumentor is a singleton, which otherwise refuses a second call with a warning.
    """

    def instrument(**options: object) -> object:
        del instrumentor.instrument
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
        for name, hook in ours.items():
            options[name] = _combined(hook, options.get(name))
        return instrumentor.instrument(**options)

    instrumentor.instrument = instrument


def _combined(ours: Any, users: Any) -> object:
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


def _use_stable_conventions() -> None:
    """Make instrumentations follow the stable HTTP and database conventions.

    They read ``OTEL_SEMCONV_STABILITY_OPT_IN`` once; a value that the user has set is kept.
    """
    from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability

    if os.environ.get(_OPT_IN):
        return
    os.environ[_OPT_IN] = "http,database"
    try:
        _OpenTelemetrySemanticConventionStability._initialize()  # type: ignore[no-untyped-call] # untyped there
    finally:
        del os.environ[_OPT_IN]
