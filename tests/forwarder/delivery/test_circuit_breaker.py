"""One request at a time; an outage is waited for once, tried with backoff, and then forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.delivery.circuit_breaker import (
    BUSY,
    CLOSED,
    OPEN,
    PROBING,
    CircuitBreaker,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def breaker_in(state: str) -> CircuitBreaker:
    breaker = CircuitBreaker()
    if state != CLOSED:
        breaker.record_sent()
    if state == PROBING:
        breaker.record_overrun()
    if state == OPEN:
        breaker.record_failure(0.0, 1.0, None)
    assert breaker.state == state
    return breaker


EVENTS: dict[str, Callable[[CircuitBreaker], None]] = {
    "sent": CircuitBreaker.record_sent,
    "answered": CircuitBreaker.record_answer,
    "overran": CircuitBreaker.record_overrun,
    "let go": CircuitBreaker.let_go,
    "failed": lambda breaker: breaker.record_failure(0.0, 1.0, None),
}
# What is not here changes nothing.
EXPECTED = {
    (CLOSED, "sent"): BUSY,
    (OPEN, "sent"): PROBING,
    (BUSY, "answered"): CLOSED,
    (BUSY, "failed"): OPEN,
    (BUSY, "overran"): PROBING,
    (BUSY, "let go"): PROBING,
    (PROBING, "answered"): CLOSED,
    (PROBING, "failed"): OPEN,
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", [CLOSED, BUSY, OPEN, PROBING])
def test_every_event_in_every_state(state: str, event: str) -> None:
    breaker = breaker_in(state)
    EVENTS[event](breaker)
    assert breaker.state == EXPECTED.get((state, event), state)
    assert breaker.holds_next() == (breaker.state == BUSY)


def test_one_at_a_time() -> None:
    assert breaker_in(CLOSED).may_send(0.0)
    assert not breaker_in(BUSY).may_send(1e9)
    assert not breaker_in(PROBING).may_send(1e9)
    assert not breaker_in(OPEN).may_send(0.9)
    assert breaker_in(OPEN).may_send(1.0)


def test_backoff_doubles_up_to_a_minute_and_starts_again_after_an_answer() -> None:
    breaker, now_s, waits_s = CircuitBreaker(), 0.0, []
    for _ in range(8):
        breaker.record_sent()
        breaker.record_failure(now_s, 1.0, None)
        waits_s.append(breaker.open_until_s - now_s)
        now_s = breaker.open_until_s
    assert waits_s == [1, 2, 4, 8, 16, 32, 60, 60]
    breaker.record_sent()
    breaker.record_answer()
    breaker.record_sent()
    breaker.record_failure(now_s, 1.0, None)
    assert breaker.open_until_s == now_s + 1


@given(st.floats(0, 1))
def test_jitter_takes_at_most_half_of_the_wait(random: float) -> None:
    breaker = breaker_in(BUSY)
    breaker.record_failure(0.0, random, None)
    assert 0.5 <= breaker.open_until_s <= 1.0


@pytest.mark.parametrize(("retry_after_s", "open_until_s"), [(30.0, 40.0), (0.0, 11.0)])
def test_what_the_backend_asks_for_is_the_least(retry_after_s: float, open_until_s: float) -> None:
    breaker = breaker_in(BUSY)
    breaker.record_failure(10.0, 1.0, retry_after_s)
    assert breaker.open_until_s == open_until_s


def test_a_backend_that_is_always_too_slow_is_waited_for_less_and_less() -> None:
    breaker, awaited = CircuitBreaker(), []
    for _ in range(300):
        breaker.record_sent()
        awaited.append(breaker.holds_next())
        breaker.record_overrun()
        breaker.record_answer()
    assert [number for number, one in enumerate(awaited) if one] == [
        0,
        2,
        6,
        14,
        30,
        62,
        126,
        190,
        254,
    ]


def test_a_request_that_had_no_time_makes_nobody_wait_less() -> None:
    breaker = CircuitBreaker()
    for _ in range(10):
        breaker.record_sent()
        assert breaker.holds_next()
        breaker.let_go()
        assert not breaker.holds_next()
        breaker.record_answer()


def test_a_backend_in_time_again_is_waited_for_again() -> None:
    breaker = CircuitBreaker()
    for _ in range(3):  # waited for, aside, waited for
        breaker.record_sent()
        breaker.record_overrun()
        breaker.record_answer()
    for _ in range(3):
        breaker.record_sent()
        breaker.record_answer()
    breaker.record_sent()
    assert breaker.holds_next()
    breaker.record_answer()
    breaker.record_sent()
    assert breaker.holds_next()
    breaker.record_overrun()
    breaker.record_answer()
    breaker.record_sent()
    assert not breaker.holds_next()
    breaker.record_answer()
    breaker.record_sent()
    assert breaker.holds_next()


def test_a_drain_forgets_and_hurries_but_asks_leave() -> None:
    breaker = breaker_in(OPEN)
    breaker.record_failure(0.0, 1.0, 3600)
    breaker.start_draining()
    assert breaker.may_send(0.0)
    breaker.record_sent()
    breaker.record_failure(5.0, 1.0, None)
    assert breaker.open_until_s == 5.2
    breaker.record_sent()
    breaker.record_failure(6.0, 1.0, 3.0)
    assert breaker.open_until_s == 9.0
