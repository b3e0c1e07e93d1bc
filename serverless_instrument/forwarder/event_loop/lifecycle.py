"""The forwarder's states as a table: events in, actions out. Pure.

``next`` tells Lambda that the extension is done with an invocation, so it comes after the flush;
``platform.runtimeDone`` is not waited for where our own END frame comes sooner
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
"""

from __future__ import annotations

# states
STARTING, WAITING, INVOKED, SETTLING, FLUSHING, DRAINING, GONE = (
    "starting",
    "waiting",
    "invoked",
    "settling",
    "flushing",
    "draining",
    "gone",
)
# actions
NEXT, FLUSH, FLUSH_ASIDE, SETTLE, DRAIN, EXIT, NOTHING = (
    "next",
    "flush",
    "flush aside",
    "settle",
    "drain",
    "exit",
    "nothing",
)

# Beside the request ids that ended, what `Connections` finds: the last runtime is gone, or one with
# an invocation unfinished; and the runtime process that started this one is gone.
RUNTIME_GONE, PARENT_GONE = "(runtime gone)", "(parent gone)"

_TABLE = {
    (STARTING, "ready"): (WAITING, NEXT),
    (WAITING, "invoke"): (INVOKED, NOTHING),
    # No END will come: the runtime is not instrumented, or its END came before INVOKE.
    (WAITING, "invoke unattended"): (FLUSHING, FLUSH),
    # Managed Instances have no INVOKE: invocations end while the forwarder waits for SHUTDOWN.
    (WAITING, "end"): (WAITING, FLUSH_ASIDE),
    (WAITING, "runtime gone"): (WAITING, FLUSH_ASIDE),
    (INVOKED, "end"): (FLUSHING, FLUSH),
    (INVOKED, "runtime gone"): (FLUSHING, FLUSH),
    (INVOKED, "overdue"): (FLUSHING, FLUSH),
    (INVOKED, "platform done"): (FLUSHING, FLUSH),
    # In dev mode the platform's lines are waited for; they come before platform.runtimeDone.
    (INVOKED, "end in part"): (SETTLING, SETTLE),
    (SETTLING, "platform done"): (FLUSHING, FLUSH),
    (SETTLING, "end"): (SETTLING, FLUSH_ASIDE),
    (SETTLING, "runtime gone"): (FLUSHING, FLUSH),
    (SETTLING, "overdue"): (FLUSHING, FLUSH),
    (FLUSHING, "flushed"): (WAITING, NEXT),
    # What comes during a flush or a drain is sent with it.
    (FLUSHING, "end"): (FLUSHING, FLUSH_ASIDE),
    (FLUSHING, "runtime gone"): (FLUSHING, FLUSH_ASIDE),
    (DRAINING, "end"): (DRAINING, FLUSH_ASIDE),
    (DRAINING, "runtime gone"): (DRAINING, FLUSH_ASIDE),
    (DRAINING, "flushed"): (GONE, EXIT),
}
_MOST_REMEMBERED = 64


class Lifecycle:
    """State of the forwarder and the one invocation that it waits for.

    A request id is not unique: a retried asynchronous invocation has that of the first attempt
    (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html), so an END
    is remembered only until the INVOKE that it belongs to.
    """

    __slots__ = ("_done_id", "_ended", "_request_id", "_settling_id", "state", "wait_for_platform")

    def __init__(self) -> None:
        self.state = STARTING
        # Whether an invocation ends with ``platform.runtimeDone``, after END.
        self.wait_for_platform = False
        self._settling_id = ""
        # Of an invocation that the platform ended; its END, if it still comes, ends no other one.
        self._done_id = ""
        # Of the last INVOKE whose END has not come.
        self._request_id = ""
        self._ended: dict[str, None] = {}

    def _advance(self, event: str) -> str:
        self.state, action = _TABLE.get((self.state, event), (self.state, NOTHING))
        return action

    def record_ready(self) -> str:
        """Everything is set up."""
        return self._advance("ready")

    def record_invoke(self, request_id: str, *, runtime_connected: bool) -> str:
        """INVOKE came; its END may have come before it."""
        self._request_id = request_id
        self._done_id = ""
        if request_id in self._ended:
            del self._ended[request_id]
            self._request_id = ""
            return self._advance("invoke unattended")
        return self._advance("invoke" if runtime_connected else "invoke unattended")

    def record_end(self, request_id: str) -> str:
        """An END frame came."""
        if request_id and request_id == self._done_id:
            self._done_id = ""
            return NOTHING if self.state == INVOKED else self._advance("end")
        nameless = self.state == INVOKED and not self._request_id
        if request_id == self._request_id or nameless:
            self._request_id = ""
            if self.wait_for_platform and self.state == INVOKED:
                self._settling_id = request_id
                return self._advance("end in part")
            return self._advance("end")
        self._ended[request_id] = None
        if len(self._ended) > _MOST_REMEMBERED:
            del self._ended[next(iter(self._ended))]
        return NOTHING if self.state == INVOKED else self._advance("end")

    def record_platform_end(self, request_id: str) -> str:
        """``platform.runtimeDone`` came: the end of an invocation for which no END does."""
        if self.state == SETTLING and request_id == self._settling_id:
            return self._advance("platform done")
        if self.state == INVOKED and request_id and request_id == self._request_id:
            self._request_id, self._done_id = "", request_id
            return self._advance("platform done")
        return NOTHING

    def record_runtime_exit(self) -> str:
        """The last runtime process disconnected."""
        return self._advance("runtime gone")

    def record_overdue(self) -> str:
        """The invocation's deadline has passed without END."""
        return self._advance("overdue")

    def record_flushed(self) -> str:
        """A flush or drain is complete, or its time is up."""
        return self._advance("flushed")

    def record_shutdown(self) -> str:
        """SHUTDOWN came; valid in every state, once."""
        if self.state in (DRAINING, GONE):
            return NOTHING
        self.state = DRAINING
        return DRAIN
