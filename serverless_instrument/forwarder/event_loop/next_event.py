"""``/next`` in the event loop: asked for, received, and asked for again after a failure."""

from __future__ import annotations

from select import POLLIN
from time import monotonic

from serverless_instrument.forwarder.extensions_api import NextPoll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from select import poll

    from serverless_instrument.forwarder.extensions_api import NextEvent, Registration

_RETRY_S = 0.2
_NEVER = float("inf")
_SUBJECT = "next"


class NextEventWatch:
    """The one request for the next event.

    Args:
        registration: without an identifier nothing is ever asked.
        poller: its owner waits, and hands what is ready to `receive`.
        report: see `Delivery`.

    Attributes:
        retry_at_s: when to `ask` again after a failure (monotonic), infinity for never.
    """

    def __init__(
        self, registration: Registration, poller: poll, report: Callable[[str, str], None]
    ) -> None:
        self._request = NextPoll(registration)
        self._can_ask = bool(registration.identifier)
        # To an internal extension a failure is how an environment ends; it gets no SHUTDOWN.
        self._fails_silently = registration.runtime_descriptor >= 0
        self._poller = poller
        self._report = report
        self._descriptor = -1
        self.retry_at_s = _NEVER

    @property
    def is_asked(self) -> bool:
        """Whether an answer is awaited."""
        return self._descriptor >= 0

    def load(self) -> None:
        """Load what reading an event needs."""
        self._request.prepare()

    def ask(self) -> None:
        """Send the request, which also tells Lambda that this extension is done."""
        self.retry_at_s = _NEVER
        if not self._can_ask:
            return
        try:
            self._descriptor = self._request.begin()
        except (OSError, ValueError, OverflowError) as error:
            self._request.close()
            self._fail(error)
            return
        self._poller.register(self._descriptor, POLLIN)

    def ask_later(self) -> None:
        """Have `ask` called again after a pause."""
        self.retry_at_s = monotonic() + _RETRY_S

    def receive(self, ready: set[int]) -> NextEvent | None:
        """The INVOKE or SHUTDOWN that has come, if it has."""
        if self._descriptor not in ready:
            return None
        try:
            event = self._request.receive()
        except Exception as error:  # whatever it is, this answer is of no use
            self._stop_watching()
            self._request.close()
            self._fail(error)
            return None
        if event is None:
            return None
        self._stop_watching()
        if event.kind == "INVOKE":
            self._report(_SUBJECT, "")
        elif event.kind != "SHUTDOWN":
            self._fail(ValueError(f"unknown event {event.kind[:40]!r}"))
            return None
        return event

    def _stop_watching(self) -> None:
        self._poller.unregister(self._descriptor)
        self._descriptor = -1

    def _fail(self, error: Exception) -> None:
        if not self._fails_silently:
            self._report(_SUBJECT, f"next failed, asking again: {error}")
        self.ask_later()
