"""OpenTelemetry instrumentation for Python on AWS Lambda.

Importing this package imports nothing else: it is on the cold-start path of every function. The
names below are those of `serverless_instrument.api`, loaded when one is asked for.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.api import (
        capture_error,
        capture_warning,
        create_span,
        current_span,
        instrument,
        metric,
        record_exception,
        set_attribute,
    )
    from serverless_instrument.wire import __version__

__all__ = [
    "__version__",
    "capture_error",
    "capture_warning",
    "create_span",
    "current_span",
    "instrument",
    "metric",
    "record_exception",
    "set_attribute",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from serverless_instrument import wire

        return wire.__version__
    if name.startswith("_") or name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from serverless_instrument import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return __all__
