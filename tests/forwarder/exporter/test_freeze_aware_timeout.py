"""Time in which the process was frozen does not count; any other does."""

from __future__ import annotations

import pytest

from serverless_instrument.forwarder.exporter.freeze_aware_timeout import FreezeAwareTimeout


def test_time_awake_runs_out() -> None:
    patience = FreezeAwareTimeout(110.0, 100.0)
    assert patience.wait_s(100.0) == 10.0
    assert patience.wait_s(104.0) == 6.0
    with pytest.raises(TimeoutError, match="no answer in time"):
        patience.wait_s(110.0)
    with pytest.raises(TimeoutError):
        patience.wait_s(110.2)


def test_a_wait_with_a_freeze_in_it_does_not_count() -> None:
    patience = FreezeAwareTimeout(110.0, 100.0)
    patience.wait_s(100.0)
    patience.wait_s(104.0)
    assert patience.wait_s(700.0) == pytest.approx(6.0)
    with pytest.raises(TimeoutError):
        patience.wait_s(706.0)


def test_nor_does_a_freeze_before_the_first_wait() -> None:
    assert FreezeAwareTimeout(110.0, 100.0).wait_s(700.0) == pytest.approx(10.0)


def test_without_time_there_is_no_wait() -> None:
    with pytest.raises(TimeoutError):
        FreezeAwareTimeout(99.0, 100.0).wait_s(100.0)
