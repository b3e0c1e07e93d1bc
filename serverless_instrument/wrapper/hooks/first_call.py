"""Instruments a library at its first call instead of its import.

urllib3 comes along with botocore and requests, urllib.request with nearly everything. Their calls
on behalf of those are no spans (the AWS or requests span stands for them), so an instrumentation
loaded at import would mostly be paid for nothing.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def at_first_call(owner: type, method: str, load: Callable[..., None]) -> None:
    """Call ``load()``, which never raises, before the first ``owner.method`` that is a span."""
    original = getattr(owner, method)

    @wraps(original)
    def first(self: object, *arguments: Any, **options: Any) -> object:
        # Whoever has wrapped this in the meantime goes on through the library's own.
        if _suppressed() or getattr(owner, method) is not first:
            return original(self, *arguments, **options)
        # Undone before anything else: whatever happens, the call itself goes on.
        setattr(owner, method, original)
        load()
        return getattr(self, method)(*arguments, **options)

    setattr(owner, method, first)


def _suppressed() -> bool:
    """Whether an enclosing span stands for this call; only OpenTelemetry code can have said so."""
    utils = sys.modules.get("opentelemetry.instrumentation.utils")
    if utils is None:
        return False
    return not (utils.is_instrumentation_enabled() and utils.is_http_instrumentation_enabled())
