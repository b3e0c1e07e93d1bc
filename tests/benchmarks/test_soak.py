"""The soak's verdict on growth, and a short soak."""

from __future__ import annotations

import pytest
from benchmark.load import forwarder_soak

STEADY = [(float(second), 14_000 + 300 * (second % 7)) for second in range(600)]


def test_what_goes_up_and_down_has_not_grown() -> None:
    assert abs(forwarder_soak.growth_kib(STEADY)) < 300


@pytest.mark.parametrize("at", [0, 60, 61, 100, 300, 598, 599])
@pytest.mark.parametrize("kib", [9_000, 23_000])
def test_one_sample_says_nothing(at: int, kib: int) -> None:
    samples = [*STEADY[:at], (float(at), kib), *STEADY[at + 1 :]]
    assert abs(forwarder_soak.growth_kib(samples)) < 300


@pytest.mark.parametrize("seconds", [180, 240, 600])
def test_a_steady_leak_is_seen(seconds: int) -> None:
    samples = [(at_s, kib + int(at_s * 3000 / seconds)) for at_s, kib in STEADY[:seconds]]
    assert forwarder_soak.growth_kib(samples) > 512


def test_a_short_run_says_nothing_of_growth() -> None:
    assert forwarder_soak.growth_kib([(at_s, round(at_s * 1000)) for at_s, _ in STEADY[:100]]) == 0


@pytest.mark.integration
def test_twelve_seconds_lose_nothing_and_stay_small(capsys: pytest.CaptureFixture[str]) -> None:
    """A rate that any machine holds: ten minutes at 500/s are `scripts/bench soak`."""
    status = forwarder_soak.soak(0.2, 100.0, {})
    assert status == 0, capsys.readouterr().out
