"""Loads and switches on one instrumentation; imported with the first library that has one."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from serverless_instrument.wrapper.hooks.table import OWN_FILES
from serverless_instrument.wrapper.import_hooks.package_conflicts import check_not_hidden
from serverless_instrument.wrapper.records import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_PACKAGE = "opentelemetry.instrumentation"
# Package names that differ from the instrumentation's name.
_PACKAGES = {"aiobotocore": "botocore", "grpc_client": "grpc"}
# Packages of instrumentations that we have imported.
_loaded: set[str] = set()
_MODES = ("_StabilityMode", "_HTTPStabilityMode", "_OpenTelemetryStabilityMode")
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
            if not is_ours(error):
                raise
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
    try:
        gc.disable()
        spec = _installed(package)
        if spec is None:
            check_not_hidden(package)
            return
        _loaded.add(package)
        import_module("opentelemetry.trace")
        if not is_usable():
            return

        module = import_module(package)
        instrumentor = getattr(module, class_name)()
        if instrumentor.is_instrumented_by_opentelemetry:
            return
        if name == "botocore":  # reads no HTTP conventions and has no metrics
            _switch_on_botocore(instrumentor, options)
        else:
            from serverless_instrument.wrapper.hooks.given_headers import keep_given_headers
            from serverless_instrument.wrapper.hooks.old_meters import meter_options

            _use_stable_conventions()
            keep_given_headers(module)
            instrumentor.instrument(skip_dep_check=True, **meter_options(), **options)
        from serverless_instrument.wrapper.hooks.tracebacks import tidy_tracebacks

        _silence(package)
        tidy_tracebacks(name)
        _allow_user_instrument(instrumentor, options, lambda: tidy_tracebacks(name))
    finally:
        if collecting:
            gc.enable()


def _silence(package: str) -> None:
    """Keep the instrumentation's lines out of the function's log, unless a level is set."""
    from logging import CRITICAL, getLogger

    logger = getLogger(package)
    if not logger.level:
        logger.setLevel(CRITICAL + 1)


def _switch_on_botocore(instrumentor: Any, options: Mapping[str, object]) -> None:
    """What ``instrument(skip_dep_check=True, …)`` does, less the set-up of HTTP conventions.

    That would import them, and each AWS call would import the metrics and logs APIs.
    """
    instrumentor._instrument(**options)
    instrumentor._is_instrumented_by_opentelemetry = True
    from serverless_instrument.wrapper.hooks.botocore import leave_unused_apis

    leave_unused_apis(instrumentor.extension_registry)


def _allow_user_instrument(
    instrumentor: Any, ours: dict[str, object], then: Callable[[], None]
) -> None:
    """Let a later ``instrument(…)`` of the function's replace ours, with its options.

    An instrumentor is a singleton, which otherwise refuses a second call with a warning.
    """

    def instrument(**options: object) -> object:
        del instrumentor.instrument
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
        for name, hook in ours.items():
            options[name] = _combined(hook, options.get(name))
        result = instrumentor.instrument(**options)
        then()
        return result

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
    from opentelemetry.instrumentation import _semconv

    if os.environ.get(_OPT_IN):
        return
    stability: Any = _semconv._OpenTelemetrySemanticConventionStability
    # An Enum, but a plain class up to 0.46b0, which has HTTP alone.
    signals: Any = _semconv._OpenTelemetryStabilitySignalType
    # Its name has changed with releases.
    mode: Any = next(vars(_semconv)[name] for name in _MODES if name in vars(_semconv))
    with stability._lock:
        if not stability._initialized:
            mapping = stability._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING
            for name in ("HTTP", "DATABASE"):  # the others stay at their default
                if hasattr(signals, name):
                    mapping[getattr(signals, name)] = getattr(mode, name, mode.DEFAULT)
            stability._initialized = True
