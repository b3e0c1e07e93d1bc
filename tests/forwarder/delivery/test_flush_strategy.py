"""When what waits is sent: by kind, by rate, after idleness, and never later than the interval."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.delivery.flush_strategy import (
    ADAPTIVE,
    ASIDE,
    AT_END,
    BY_TIMER,
    CONTINUOUSLY,
    END,
    GO,
    KINDS,
    PERIODICALLY,
    SEND,
    WAIT,
    FlushStrategy,
)

START_S = 1_700_000_000.0


def invoke(strategy: FlushStrategy, now_s: float) -> tuple[bool, str]:
    """(sent at its start, what is done at its end) of an invocation, as the event loop does it."""
    sent = strategy.record_invocation(now_s)
    if sent:
        strategy.record_flush(now_s)
    how = strategy.action_at_end()
    if how == SEND:
        strategy.record_flush(now_s)
    return sent, how


def adaptive_after(gaps_s: list[float]) -> FlushStrategy:
    """An adaptive strategy that has seen invocations with these gaps between."""
    strategy, now_s = FlushStrategy(ADAPTIVE, 10_000, START_S), START_S
    invoke(strategy, now_s)
    for gap_s in gaps_s:
        now_s += gap_s
        invoke(strategy, now_s)
    return strategy


@pytest.mark.parametrize(
    ("kind", "how"), [(ADAPTIVE, SEND), (END, SEND), (PERIODICALLY, WAIT), (CONTINUOUSLY, GO)]
)
def test_the_end_of_a_first_invocation(kind: str, how: str) -> None:
    strategy = FlushStrategy(kind, 1000, START_S)
    strategy.record_invocation(START_S)
    assert strategy.action_at_end() == how
    assert strategy.sends_late_items() == (how == SEND)


@pytest.mark.parametrize("kind", KINDS)
def test_what_waits_is_sent_at_the_start_when_due(kind: str) -> None:
    strategy = FlushStrategy(kind, 1000, START_S)
    strategy.record_flush(START_S)
    assert not strategy.record_invocation(START_S + 0.999)
    assert strategy.wait_s(START_S + 0.4) == pytest.approx(0.6)
    assert strategy.record_invocation(START_S + 1)
    assert strategy.wait_s(START_S + 5) == 0


@pytest.mark.parametrize(
    ("gaps_s", "state"),
    [
        ([0.1] * 18, AT_END),  # 19 invocations
        ([0.1] * 19, ASIDE),
        ([59.0] * 19, ASIDE),
        ([61.0] * 19, AT_END),
        ([0.0] * 19, ASIDE),
        ([0.1] * 19 + [179.0], ASIDE),
        ([0.1] * 19 + [181.0], AT_END),
        ([0.1] * 19 + [181.0] + [0.1] * 18, AT_END),
        ([0.1] * 19 + [181.0] + [0.1] * 19, ASIDE),
        ([0.1] * 19 + [-5.0], AT_END),  # the clock was set back
        ([0.1] * 19 + [100.0] * 19, AT_END),
        ([100.0] * 19 + [0.1] * 19, ASIDE),
        ([30.0] * 10 + [0.5] * 10, ASIDE),
    ],
)
def test_adaptive_follows_the_rate(gaps_s: list[float], state: str) -> None:
    assert adaptive_after(gaps_s).state == state


def test_after_idleness_what_waited_is_sent_at_the_start_and_the_rest_at_the_end() -> None:
    strategy = adaptive_after([0.1] * 30)
    assert strategy.action_at_end() == GO
    assert invoke(strategy, START_S + 3 + 600) == (True, SEND)


@pytest.mark.parametrize("kind", [END, PERIODICALLY, CONTINUOUSLY])
def test_the_others_do_not(kind: str) -> None:
    strategy = FlushStrategy(kind, 1000, START_S)
    before = strategy.state
    for number in range(100):
        invoke(strategy, START_S + number * 0.1)
    assert strategy.state == before


@pytest.mark.parametrize(
    ("kind", "interval_ms", "used_s"),
    [(ADAPTIVE, 10_000, 1.0), (END, 10_000, 1.0), (PERIODICALLY, 3000, 3.0)],
)
def test_managed_instances_have_a_timer_only(kind: str, interval_ms: int, used_s: float) -> None:
    strategy = FlushStrategy(kind, interval_ms, START_S, frozen=False)
    assert strategy.state == BY_TIMER
    strategy.record_flush(START_S)
    assert not strategy.sends_late_items()
    assert strategy.wait_s(START_S) == used_s
    assert strategy.action_at_end() == GO


def test_a_clock_that_is_set_back_delays_by_one_interval_at_most() -> None:
    strategy = FlushStrategy(CONTINUOUSLY, 1000, START_S)
    strategy.record_flush(START_S)
    assert strategy.wait_s(START_S - 3600) == 1.0
    assert strategy.record_invocation(START_S - 3599)


@given(
    st.sampled_from(KINDS),
    st.integers(10, 60_000),
    st.lists(st.tuples(st.floats(0, 400), st.floats(0, 30)), max_size=60),
)
def test_nothing_waits_longer_than_the_interval_while_the_environment_lives(
    kind: str, interval_ms: int, invocations: list[tuple[float, float]]
) -> None:
    """`invocations` are (frozen before, duration); each leaves something at its end."""
    strategy, now_s = FlushStrategy(kind, interval_ms, START_S), START_S
    waits_since_s = None
    for frozen_s, duration_s in invocations:
        now_s += frozen_s
        if strategy.record_invocation(now_s):
            strategy.record_flush(now_s)
            waits_since_s = None
        # The timer inside the invocation.
        if waits_since_s is not None and strategy.wait_s(now_s) <= duration_s:
            strategy.record_flush(now_s + strategy.wait_s(now_s))
            waits_since_s = None
        if waits_since_s is not None:
            assert now_s - waits_since_s <= interval_ms / 1000 + 1e-3
        now_s += duration_s
        if strategy.action_at_end() == SEND:
            strategy.record_flush(now_s)
            waits_since_s = None
        elif waits_since_s is None:
            waits_since_s = now_s
