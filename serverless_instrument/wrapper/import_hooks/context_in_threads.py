"""The context of an invocation during which OpenTelemetry may be imported later.

OpenTelemetry keeps the current span in a context variable; tasks and copied contexts start with the
values of their creator. The import may happen in any of them (a task of ``asyncio.run``, a worker
thread), and the invocation's span must be the current one in all. So each invocation sets a dict of
its own in a variable of ours. The import fills the dict and makes the variable OpenTelemetry's.
"""

from __future__ import annotations

from _contextvars import ContextVar  # `contextvars` re-exports it, for 0.5 M instructions

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

    def fill_context(self, context: Mapping[str, object]) -> bool:
        """Make `context` OpenTelemetry's current one here and in contexts copied from here.

        Returns False, and does nothing, where OpenTelemetry's context is of another implementation
        or in use already.
        """
        from opentelemetry import context as context_api

        runtime: Any = context_api._RUNTIME_CONTEXT
        variable = getattr(runtime, "_current_context", None)
        if not isinstance(variable, ContextVar) or variable.get(None):
            return False
        self._values.update(context)
        runtime._current_context = _current
        return True
