"""Where an execution environment sends its platform events and its freezes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio


class TelemetrySink(Protocol):
    """The part of the Telemetry API that an environment drives; `apis.telemetry` implements it.

    Attributes:
        thawed: set while the environment's processes may run.
    """

    thawed: asyncio.Event

    def open_subscriptions(self) -> None:
        """Accept subscriptions: a new environment starts."""

    def close_subscriptions(self) -> None:
        """Refuse subscriptions: the initialization is over."""

    def emit_event(self, kind: str, record: Any, time_unix_ns: int | None = None) -> None:
        """Record one event of type `kind`, at the present time if `time_unix_ns` is None."""

    def deliver_immediately(self) -> None:
        """Stop waiting for full batches: the environment shuts down."""

    async def end_environment(self) -> None:
        """Drop the subscriptions: the environment's processes are gone."""
