from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.event_loop.flush_control import wait_limit_s

NOW_S = 1_700_000_000.0


@pytest.mark.parametrize(
    ("left_s", "limit_s"),
    [(900.0, 1.0), (1.1, 1.0), (1.0, 0.9), (0.5, 0.4), (0.1, 0.0), (0.05, 0.0), (-3.0, 0.0)],
)
def test_the_wait_ends_after_a_second_or_before_the_deadline(left_s: float, limit_s: float) -> None:
    deadline_ms = int((NOW_S + left_s) * 1000)
    assert wait_limit_s(deadline_ms, NOW_S) == pytest.approx(limit_s, abs=0.001)


def test_without_a_deadline_it_is_a_second() -> None:
    assert wait_limit_s(0, NOW_S) == 1.0


@given(st.integers(1, 10**14), st.floats(0, 1e11))
def test_it_never_leads_past_the_deadline(deadline_ms: int, now_unix_s: float) -> None:
    limit_s = wait_limit_s(deadline_ms, now_unix_s)
    assert 0.0 <= limit_s <= 1.0
    assert limit_s == 0.0 or now_unix_s + limit_s < deadline_ms / 1000
