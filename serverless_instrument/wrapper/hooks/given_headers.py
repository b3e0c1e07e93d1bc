"""Trace headers that the function has set itself stay as they are in its requests.

The instrumentations inject the client span's context into every request, over what is there.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

_HEADER = "traceparent"
# What was injected lately: a request that is sent again has it, and gets the new span's.
_injected: deque[object] = deque(maxlen=256)


def keep_given_headers(instrumentation: ModuleType) -> None:
    """Have `instrumentation` inject nothing into headers with a ``traceparent`` of the user's."""
    inject = getattr(instrumentation, "inject", None)
    if inject is not None and not hasattr(inject, "keeps_given_headers"):
        instrumentation.inject = _keeping(inject)  # type: ignore[attr-defined] # found above


def _keeping(inject: Callable[..., None]) -> Callable[..., None]:
    def inject_if_absent(carrier: Mapping[str, Any], *arguments: Any, **options: Any) -> None:
        if is_given(carrier):
            return
        inject(carrier, *arguments, **options)
        value = _value(carrier)
        if value is not None:
            _injected.append(value)

    inject_if_absent.keeps_given_headers = True  # type: ignore[attr-defined] # read above
    return inject_if_absent


def is_given(carrier: Mapping[str, Any]) -> bool:
    """Whether `carrier` has a ``traceparent``, in any spelling, that was not injected here."""
    value = _value(carrier)
    return value is not None and value not in _injected


def _value(carrier: Mapping[str, Any]) -> object:
    for name in carrier:
        if str(name).lower() == _HEADER:
            value: object = carrier[name]
            return value
    return None
