"""Instruments a library at its first call instead of its import.

botocore and requests import urllib3, and nearly everything imports urllib.request. Calls that they
make get no span (the AWS or requests span covers them), so an instrumentation loaded at import
would mostly be unused.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from serverless_instrument.wrapper.records.function_identity import copy_identity

if TYPE_CHECKING:
    from collections.abc import Callable


def at_first_call(owner: type, method: str, load: Callable[..., None]) -> None:
    """Call ``load()``, which never raises, before the first ``owner.method`` that gets a span."""
    original = getattr(owner, method)

    def first(self: object, *arguments: Any, **options: Any) -> object:
        try:
            # A wrapper put around this method meanwhile stays, and calls the library's own.
            if _is_suppressed() or getattr(owner, method) is not first:
                return original(self, *arguments, **options)
            # Restored first, so that the call goes on whatever happens.
            setattr(owner, method, original)
            load()
            return getattr(self, method)(*arguments, **options)
        except BaseException as error:
            from serverless_instrument.wrapper.hooks.tracebacks import leave_no_frames

            leave_no_frames(error)
            raise

    copy_identity(first, original)
    setattr(owner, method, first)


def _is_suppressed() -> bool:
    """Whether an enclosing span covers this call, as its instrumentation marks in the context."""
    utils = sys.modules.get("opentelemetry.instrumentation.utils")
    if utils is None:
        return False
    return not (utils.is_instrumentation_enabled() and utils.is_http_instrumentation_enabled())
