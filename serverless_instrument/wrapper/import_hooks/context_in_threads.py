"""The context of an invocation in which OpenTelemetry may yet be imported.

OpenTelemetry keeps the current span in a context variable, which tasks and copied contexts take
with them from where they start. The import may happen in any of them (a task of ``asyncio.run``, a
worker's thread), and the invocation has to be the current span in all. So each invocation sets a
dict of its own in a variable of ours. On the import the dict is filled, and the variable becomes
OpenTelemetry's.
"""

from __future__ import annotations

from _contextvars import ContextVar  # `contextvars` only names it anew, for 0.5 M instructions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from typing import Any

_current: ContextVar[dict[str, Any]] = ContextVar(
    "current_context", default={}
)  # a Context is never changed


class LateContext:
    """One invocation's context, entered where the invocation starts."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self.token: Token[dict[str, Any]] = _current.set(self._values)

    def fill(self, context: Mapping[str, object]) -> bool:
        """Make `context` what OpenTelemetry finds here and in contexts copied from here.

        False where OpenTelemetry's context is of another kind, or in use already.
        """
        from opentelemetry import context as context_api

        runtime: Any = context_api._RUNTIME_CONTEXT
        variable = getattr(runtime, "_current_context", None)
        if not isinstance(variable, ContextVar) or variable.get(None):
            return False
        self._values.update(context)
        runtime._current_context = _current
        return True
