"""/next is asked once for each event, after the flush, and always in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serverless_instrument.forwarder.event_loop.lifecycle import (
    DRAIN,
    DRAINING,
    EXIT,
    FLUSH,
    FLUSH_ASIDE,
    FLUSHING,
    GONE,
    INVOKED,
    NEXT,
    NOTHING,
    SETTLE,
    SETTLING,
    STARTING,
    WAITING,
    Lifecycle,
)

if TYPE_CHECKING:
    from collections.abc import Callable

STATES = [STARTING, WAITING, INVOKED, SETTLING, FLUSHING, DRAINING, GONE]
Event = tuple[str, "Callable[[Lifecycle], str]"]


def lifecycle_in(state: str) -> Lifecycle:
    """A lifecycle that has got into `state` by events; request "a" is running where one is."""
    lifecycle = Lifecycle()
    if state == STARTING:
        return lifecycle
    lifecycle.record_ready()
    lifecycle.wait_for_platform = state == SETTLING
    if state in (INVOKED, SETTLING, FLUSHING):
        lifecycle.record_invoke("a", runtime_connected=True)
    if state == SETTLING:
        lifecycle.record_end("a")
    if state == FLUSHING:
        lifecycle.record_overdue()
    if state in (DRAINING, GONE):
        lifecycle.record_shutdown()
    if state == GONE:
        lifecycle.record_flushed()
    assert lifecycle.state == state
    return lifecycle


EVENTS: dict[str, Callable[[Lifecycle], str]] = {
    "ready": Lifecycle.record_ready,
    "invoke": lambda lifecycle: lifecycle.record_invoke("b", runtime_connected=True),
    "unattended": lambda lifecycle: lifecycle.record_invoke("b", runtime_connected=False),
    "its end": lambda lifecycle: lifecycle.record_end("a"),
    "another end": lambda lifecycle: lifecycle.record_end("z"),
    "platform done": lambda lifecycle: lifecycle.record_platform_end("a"),
    "runtime gone": Lifecycle.record_runtime_exit,
    "overdue": Lifecycle.record_overdue,
    "flushed": Lifecycle.record_flushed,
    "shutdown": Lifecycle.record_shutdown,
}
# (state, event): (state after, action); whatever is not here changes nothing.
EXPECTED = {
    (STARTING, "ready"): (WAITING, NEXT),
    (WAITING, "invoke"): (INVOKED, NOTHING),
    (WAITING, "unattended"): (FLUSHING, FLUSH),
    (WAITING, "its end"): (WAITING, FLUSH_ASIDE),
    (WAITING, "another end"): (WAITING, FLUSH_ASIDE),
    (WAITING, "runtime gone"): (WAITING, FLUSH_ASIDE),
    (INVOKED, "its end"): (FLUSHING, FLUSH),
    (INVOKED, "runtime gone"): (FLUSHING, FLUSH),
    (INVOKED, "overdue"): (FLUSHING, FLUSH),
    (INVOKED, "platform done"): (FLUSHING, FLUSH),
    (SETTLING, "its end"): (SETTLING, FLUSH_ASIDE),
    (SETTLING, "another end"): (SETTLING, FLUSH_ASIDE),
    (SETTLING, "runtime gone"): (FLUSHING, FLUSH),
    (SETTLING, "overdue"): (FLUSHING, FLUSH),
    (SETTLING, "platform done"): (FLUSHING, FLUSH),
    (SETTLING, "shutdown"): (DRAINING, DRAIN),
    (FLUSHING, "its end"): (FLUSHING, FLUSH_ASIDE),
    (FLUSHING, "another end"): (FLUSHING, FLUSH_ASIDE),
    (FLUSHING, "runtime gone"): (FLUSHING, FLUSH_ASIDE),
    (FLUSHING, "flushed"): (WAITING, NEXT),
    (DRAINING, "its end"): (DRAINING, FLUSH_ASIDE),
    (DRAINING, "another end"): (DRAINING, FLUSH_ASIDE),
    (DRAINING, "runtime gone"): (DRAINING, FLUSH_ASIDE),
    (DRAINING, "flushed"): (GONE, EXIT),
    (STARTING, "shutdown"): (DRAINING, DRAIN),
    (WAITING, "shutdown"): (DRAINING, DRAIN),
    (INVOKED, "shutdown"): (DRAINING, DRAIN),
    (FLUSHING, "shutdown"): (DRAINING, DRAIN),
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_every_event_in_every_state(state: str, event: str) -> None:
    lifecycle = lifecycle_in(state)
    action = EVENTS[event](lifecycle)
    assert (lifecycle.state, action) == EXPECTED.get((state, event), (state, NOTHING))


def test_an_end_that_was_quicker_than_its_invoke_is_not_waited_for() -> None:
    lifecycle = lifecycle_in(WAITING)
    assert lifecycle.record_end("a") == FLUSH_ASIDE
    assert lifecycle.record_invoke("a", runtime_connected=True) == FLUSH


def test_a_retry_under_the_same_request_id_is_waited_for() -> None:
    lifecycle = lifecycle_in(INVOKED)
    for _ in range(3):
        assert lifecycle.record_end("a") == FLUSH
        assert lifecycle.record_flushed() == NEXT
        assert lifecycle.record_invoke("a", runtime_connected=True) == NOTHING
        assert lifecycle.state == INVOKED


def test_an_end_and_a_quick_end_of_the_retry() -> None:
    lifecycle = lifecycle_in(INVOKED)
    lifecycle.record_end("a")
    lifecycle.record_flushed()
    assert lifecycle.record_end("a") == FLUSH_ASIDE
    assert lifecycle.record_invoke("a", runtime_connected=True) == FLUSH
    lifecycle.record_flushed()
    assert lifecycle.record_invoke("a", runtime_connected=True) == NOTHING


def test_the_end_of_an_unattended_invocation_is_not_taken_for_a_quick_one() -> None:
    lifecycle = lifecycle_in(WAITING)
    assert lifecycle.record_invoke("a", runtime_connected=False) == FLUSH
    assert lifecycle.record_flushed() == NEXT
    assert lifecycle.record_end("a") == FLUSH_ASIDE
    assert lifecycle.record_invoke("a", runtime_connected=True) == NOTHING


def test_an_invoke_without_a_request_id_is_ended_by_any_end() -> None:
    lifecycle = lifecycle_in(WAITING)
    assert lifecycle.record_invoke("", runtime_connected=True) == NOTHING
    assert lifecycle.record_end("a") == FLUSH


def test_ends_whose_invoke_never_comes_are_forgotten() -> None:
    lifecycle = lifecycle_in(WAITING)
    for number in range(65):
        lifecycle.record_end(str(number))
    assert lifecycle.record_invoke("0", runtime_connected=True) == NOTHING
    lifecycle = lifecycle_in(WAITING)
    for number in range(65):
        lifecycle.record_end(str(number))
    assert lifecycle.record_invoke("1", runtime_connected=True) == FLUSH


def invoked(*, wait_for_platform: bool = False) -> Lifecycle:
    life = Lifecycle()
    life.wait_for_platform = wait_for_platform
    life.record_ready()
    assert life.record_invoke("a", runtime_connected=True) == NOTHING
    return life


def test_the_platform_ends_an_invocation_for_which_no_end_comes() -> None:
    life = invoked()
    assert life.record_platform_end("b") == NOTHING
    assert life.record_platform_end("") == NOTHING
    assert life.record_platform_end("a") == FLUSH
    assert life.record_platform_end("a") == NOTHING
    # An END that comes after all is that of this invocation, and not of a later attempt.
    assert life.record_end("a") == FLUSH_ASIDE
    assert life.record_flushed() == NEXT
    assert life.record_invoke("a", runtime_connected=True) == NOTHING
    assert life.record_end("a") == FLUSH


def test_an_end_that_is_late_for_the_platform_ends_no_other_invocation() -> None:
    life = invoked()
    life.record_platform_end("a")
    life.record_flushed()
    life.record_invoke("b", runtime_connected=True)
    assert life.record_end("a") == NOTHING
    assert life.record_platform_end("b") == FLUSH


def test_where_the_platforms_lines_are_waited_for_an_end_has_two_parts() -> None:
    life = invoked(wait_for_platform=True)
    assert life.record_end("a") == SETTLE
    assert life.record_platform_end("b") == NOTHING
    assert life.record_platform_end("a") == FLUSH
    assert life.record_flushed() == NEXT


@pytest.mark.parametrize("happens", [Lifecycle.record_overdue, Lifecycle.record_runtime_exit])
def test_a_platform_that_says_nothing_is_not_waited_for_long(
    happens: Callable[[Lifecycle], str],
) -> None:
    life = invoked(wait_for_platform=True)
    life.record_end("a")
    assert happens(life) == FLUSH


def test_an_invocation_that_was_over_before_it_was_told_is_not_waited_for() -> None:
    life = Lifecycle()
    life.wait_for_platform = True
    life.record_ready()
    life.record_end("a")
    assert life.record_invoke("a", runtime_connected=True) == FLUSH


def test_an_end_without_a_request_id_ends_an_invocation_without_one() -> None:
    lifecycle = lifecycle_in(WAITING)
    assert lifecycle.record_invoke("", runtime_connected=True) == NOTHING
    assert lifecycle.record_platform_end("") == NOTHING
    assert lifecycle.record_end("") == FLUSH


REQUEST_IDS = st.sampled_from(["a", "b", "c"])


class Life(RuleBasedStateMachine):
    """The event loop and Lambda around a lifecycle, in any order that they allow."""

    def __init__(self) -> None:
        super().__init__()
        self.lifecycle = Lifecycle()
        self.asked = False
        self.flush_decided = True
        self.shut_down = False
        self.exits = 0
        self.do(self.lifecycle.record_ready())

    def do(self, action: str) -> None:
        if action == NEXT:
            assert not self.asked, "asked twice without an event"
            assert self.flush_decided, "asked before the flush"
            assert not self.shut_down, "asked after SHUTDOWN"
            self.asked = True
        elif action == FLUSH:
            assert not self.asked, "flushing while Lambda thinks we are done"
            self.flush_decided = True
        elif action == DRAIN:
            assert not self.shut_down, "drained twice"
            self.shut_down = True
        elif action == EXIT:
            assert self.shut_down
            self.exits += 1

    @precondition(lambda self: self.asked)
    @rule(request_id=REQUEST_IDS, connected=st.booleans())
    def invoke(self, request_id: str, *, connected: bool) -> None:
        self.asked, self.flush_decided = False, False
        self.do(self.lifecycle.record_invoke(request_id, runtime_connected=connected))

    @rule(request_id=REQUEST_IDS)
    def end(self, request_id: str) -> None:
        self.do(self.lifecycle.record_end(request_id))

    @rule(request_id=REQUEST_IDS)
    def platform_done(self, request_id: str) -> None:
        self.do(self.lifecycle.record_platform_end(request_id))

    @rule(active=st.booleans())
    def dev_mode(self, *, active: bool) -> None:
        self.lifecycle.wait_for_platform = active

    @rule()
    def runtime_gone(self) -> None:
        self.do(self.lifecycle.record_runtime_exit())

    @rule()
    def overdue(self) -> None:
        self.do(self.lifecycle.record_overdue())

    @rule()
    def flushed(self) -> None:
        self.do(self.lifecycle.record_flushed())

    @rule()
    def shutdown(self) -> None:
        self.asked = False
        self.do(self.lifecycle.record_shutdown())

    @invariant()
    def next_is_outstanding_exactly_while_waiting(self) -> None:
        assert self.asked == (self.lifecycle.state == WAITING)

    @invariant()
    def it_exits_at_most_once(self) -> None:
        assert self.exits == int(self.lifecycle.state == GONE)

    def teardown(self) -> None:
        """From anywhere, time alone leads to /next, or after SHUTDOWN to the exit."""
        self.do(self.lifecycle.record_overdue())
        self.do(self.lifecycle.record_flushed())
        assert self.lifecycle.state == (GONE if self.shut_down else WAITING)
        self.next_is_outstanding_exactly_while_waiting()
        self.it_exits_at_most_once()


TestLife = Life.TestCase
