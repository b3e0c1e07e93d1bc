"""When to look at what runs, and what is remembered of it."""

from __future__ import annotations

import os
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.faas_metrics.peak_sampling import Peaks
from serverless_instrument.forwarder.faas_metrics.proc_sampler import Sample

NEVER = float("inf")
MIB = 1024 * 1024


def tmp(used_mib: int, size_mib: int = 512) -> os.statvfs_result:
    free = size_mib - used_mib
    return os.statvfs_result((MIB, MIB, size_mib, free, free, 0, 0, 0, 0, 255))


def held(
    descriptors: int | None = None,
    threads: int | None = None,
    resident_bytes: int | None = None,
    tmp: os.statvfs_result | None = None,
) -> Sample:
    found = Sample()
    found.descriptors, found.threads = descriptors, threads
    found.resident_bytes, found.tmp = resident_bytes, tmp
    return found


def looks(peaks: Peaks, until_s: float, cost_s: float = 0.0) -> list[float]:
    """When it is looked, from now on."""
    found = []
    while peaks.sample_at_s <= until_s:
        now_s = peaks.sample_at_s
        found.append(now_s)
        peaks.record_sample({pid: held(threads=1) for pid in peaks.pids}, now_s, cost_s)
    return found


def test_nobody_is_woken_while_nothing_runs() -> None:
    peaks = Peaks()
    assert peaks.sample_at_s == NEVER
    peaks.start_invocation("r1", 7, 100.0, 3.0)
    assert peaks.sample_at_s == 100.1
    peaks.end_invocation("r1")
    assert peaks.sample_at_s == NEVER


def test_looks_grow_rare() -> None:
    peaks = Peaks()
    peaks.start_invocation("r1", 7, 0.0, 900.0)
    times = looks(peaks, 900.0)
    assert len([at_s for at_s in times if at_s <= 1.05]) == 10
    assert len(times) < 930
    assert max(later - earlier for earlier, later in pairwise(times)) <= 1.001


def test_looking_takes_a_hundredth_of_the_time_at_most() -> None:
    peaks = Peaks()
    peaks.start_invocation("r1", 7, 0.0, 900.0)
    assert len(looks(peaks, 100.0, cost_s=0.05)) <= 21


def test_an_end_that_never_comes() -> None:
    peaks = Peaks()
    peaks.start_invocation("r1", 7, 0.0, 3.0)
    assert looks(peaks, 1000.0)[-1] < 5.1
    assert peaks.sample_at_s == NEVER


def test_the_next_event_is_waited_for() -> None:
    peaks = Peaks()
    peaks.start_invocation("r1", 7, 0.0, 3.0)
    peaks.end_all()
    assert peaks.sample_at_s == NEVER


def test_a_process_that_cannot_be_looked_at_is_left_alone() -> None:
    peaks = Peaks()
    peaks.start_invocation("unseen", 0, 0.0, 3.0)
    assert peaks.sample_at_s == NEVER
    peaks.start_invocation("gone", 7, 0.0, 3.0)
    peaks.start_invocation("there", 8, 0.0, 3.0)
    peaks.record_sample({7: None, 8: held(threads=1)}, 0.1, 0.0)
    assert peaks.pids == {8}
    peaks.end_invocation("there")
    peaks.record_sample({}, 0.2, 0.0)
    assert peaks.sample_at_s == NEVER


def test_the_most_of_each_and_the_least_that_was_free() -> None:
    peaks = Peaks()
    peaks.start_invocation("r1", 7, 0.0, 3.0)
    peaks.record_sample({7: held(5, 2, 100, tmp(10))}, 0.1, 0.0)
    peaks.record_sample({7: held(9, 1, None, tmp(200))}, 0.2, 0.0)
    peaks.record_sample({7: held(None, None, 90, tmp(20))}, 0.3, 0.0)
    peaks.end_invocation("r1")
    peak = peaks.take_peak("r1")
    assert (peak.descriptors, peak.threads, peak.resident_bytes) == (9, 2, 100)
    assert (peak.tmp_used_bytes, peak.tmp_free_bytes) == (200 * MIB, 312 * MIB)
    assert peak.tmp_bytes == 512 * MIB
    assert peaks.take_peak("r1").threads is None


def test_invocations_at_the_same_time_are_not_alone() -> None:
    peaks = Peaks()
    peaks.start_invocation("first", 7, 0.0, 3.0)
    peaks.start_invocation("second", 8, 1.0, 3.0)
    peaks.end_invocation("second")
    peaks.end_invocation("first")
    peaks.start_invocation("third", 7, 2.0, 3.0)
    peaks.end_invocation("third")
    assert [peaks.take_peak(name).alone for name in ("first", "second", "third")] == [
        False,
        False,
        True,
    ]


def test_an_attempt_that_is_repeated_is_another() -> None:
    peaks = Peaks()
    peaks.start_invocation("r1", 7, 0.0, 3.0)
    peaks.record_sample({7: held(threads=50)}, 0.1, 0.0)
    peaks.end_invocation("r1")
    peaks.start_invocation("r1", 7, 5.0, 3.0)
    peaks.end_invocation("r1")
    peak = peaks.take_peak("r1")
    assert (peak.threads, peak.alone) == (None, True)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["began", "ended", "look", "stop", "take"]),
            st.integers(0, 300),
            st.floats(0, 10),
        ),
        max_size=60,
    )
)
def test_nothing_is_due_unless_something_runs(steps: list[tuple[str, int, float]]) -> None:
    peaks, now_s, running = Peaks(), 0.0, set()
    for what, number, seconds in steps:
        name, now_s = f"r{number}", now_s + seconds
        if what == "began":
            peaks.start_invocation(name, number, now_s, seconds)
            running.add(name)
        elif what == "ended":
            peaks.end_invocation(name)
            running.discard(name)
        elif what == "look":
            peaks.record_sample(
                {pid: held(threads=number) for pid in peaks.pids}, now_s, seconds / 1000
            )
            assert peaks.sample_at_s > now_s
        elif what == "take":
            peaks.take_peak(name)
        else:
            peaks.end_all()
            running.clear()
        assert running or peaks.sample_at_s == NEVER
