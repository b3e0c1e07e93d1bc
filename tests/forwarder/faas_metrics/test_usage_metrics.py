"""What an invocation has used."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.faas_metrics.peak_sampling import Peak
from serverless_instrument.forwarder.faas_metrics.proc_usage import Usage
from serverless_instrument.forwarder.faas_metrics.usage_metrics import Used, measurements

MIB = 1024 * 1024
PAGE_BYTES = 4096


def stat(*cores: tuple[int, int, int]) -> bytes:
    """/proc/stat of cores with ticks of user, system and idle."""
    rows = [(f"cpu{number}", core) for number, core in enumerate(cores)]
    total = tuple(sum(column) for column in zip(*cores, strict=True))
    return b"".join(
        f"{name} {user} 0 {system} {idle} 0 0 0 0 0 0\n".encode()
        for name, (user, system, idle) in [("cpu ", total), *rows]
    )


def net_dev(received: int, sent: int) -> bytes:
    return f"a\nb\n lo: 7 0 0 0 0 0 0 0 7\neth0: {received} 0 0 0 0 0 0 0 {sent}\n".encode()


def process(user: int, system: int, waited: int = 0, pid: int = 8, started: int = 0) -> bytes:
    columns = ["S", *["0"] * 10, user, system, waited, 0, 0, 0, 1, 0, started, 0, 10]
    return f"{pid} (python) ".encode() + " ".join(map(str, columns)).encode()


def both() -> tuple[Usage, Usage]:
    """Two moments: 30 ms of one core, of which 20 ms are the runtime's."""
    before = Usage(stat((100, 10, 1000), (0, 0, 1110)), net_dev(1000, 500), process(50, 5))
    before.process_cpu_ns = 560_000_000
    after = Usage(stat((102, 11, 1001), (0, 0, 1114)), net_dev(1300, 600), process(51, 6))
    after.process_cpu_ns = 578_500_000
    return before, after


def named(before: Usage | None, after: Usage | None, peak: Peak | None = None) -> dict[str, float]:
    found = list(measurements(before, after, peak or Peak()))
    assert len({name for name, _, _ in found}) == len(found)
    assert all(name.startswith("aws.lambda.") for name, _, _ in found)
    return {name.removeprefix("aws.lambda."): value for name, _, value in found}


def test_an_invocation() -> None:
    assert named(*both()) == pytest.approx(
        {
            "cpu.user_time": 0.01,
            "cpu.system_time": 0.01,
            "cpu.total_time": 0.0185,
            "cpu.utilization": 3 / 8,
            "cpu.core_utilization.min": 0.0,
            "cpu.core_utilization.max": 3 / 4,
            "network.received": 300,
            "network.sent": 100,
            "network.total": 400,
            "memory.peak": 10 * PAGE_BYTES,
            "threads.used": 1,
        }
    )


def test_peaks_are_those_of_all_that_was_seen() -> None:
    before, after = both()
    before.descriptors, after.descriptors = 9, 4
    before.tmp = os.statvfs_result((MIB, MIB, 512, 500, 490, 0, 0, 0, 0, 255))
    peak = Peak()
    peak.include(7, 30, 50, os.statvfs_result((MIB, MIB, 512, 100, 90, 0, 0, 0, 0, 255)))
    found = named(before, after, peak)
    assert found["file_descriptors.used"] == 9
    assert found["threads.used"] == 30
    assert found["memory.peak"] == 10 * PAGE_BYTES
    assert (found["tmp.used"], found["tmp.free"]) == (412 * MIB, 90 * MIB)


def test_others_at_the_same_time_leave_only_what_is_the_processes_own() -> None:
    peak = Peak()
    peak.alone = False
    found = named(*both(), peak)
    assert "cpu.total_time" in found
    assert not [name for name in found if "utilization" in name or "network" in name]


def test_without_the_process_it_is_the_environment() -> None:
    before = Usage(stat((100, 10, 1000)), net_dev(0, 0))
    after = Usage(stat((102, 11, 1001)), net_dev(0, 0))
    used = Used(before, after)
    assert (used.cpu_user_s, used.cpu_system_s) == pytest.approx((0.02, 0.01))
    assert used.cpu_s == pytest.approx(0.03)


def test_a_process_that_died_is_measured_by_its_environment() -> None:
    before, after = both()
    dead = Usage(stat((102, 11, 1001), (0, 0, 1114)), net_dev(1300, 600))
    assert Used(before, dead).cpu_s == pytest.approx(0.03)
    assert Used(before, after).cpu_s == pytest.approx(0.0185)


def test_another_process_tells_nothing_of_this_one() -> None:
    before, _ = both()
    for other in (process(90, 9, pid=9), process(90, 9, started=77)):
        after = Usage(stat((102, 11, 1001), (0, 0, 1114)), net_dev(1300, 600), other)
        after.process_cpu_ns = 999_000_000
        assert Used(before, after).cpu_s is None


def test_counters_that_started_anew_tell_nothing() -> None:
    before, after = both()
    assert not [name for name in named(after, before) if "cpu" in name and "time" in name]
    assert not [name for name in named(after, before) if "network" in name]


def test_nothing_is_made_up() -> None:
    assert named(None, None) == {}
    before, after = both()
    assert "cpu.total_time" not in named(before, None)
    unread = Usage(b"", net_dev(1, 1))
    unread.has_cpu = False
    assert Used(unread, unread).cpu_s is None
    deaf = Usage(stat((1, 1, 1)), b"")
    deaf.has_network = False
    assert Used(deaf, after).network_bytes is None
    # Not a tick has passed.
    assert Used(before, before).utilization is None


def test_a_core_that_came_or_went_is_no_measure() -> None:
    before, _ = both()
    assert Used(before, Usage(stat((102, 11, 1001)), net_dev(0, 0))).utilization is None


NUMBERS = st.integers(-(10**20), 10**20)


@given(st.tuples(*[NUMBERS] * 8))
def test_absurd_numbers_stay_in_bounds(numbers: tuple[int, ...]) -> None:
    a, b, c, d, e, f, g, h = numbers
    before = Usage(stat((a, b, c)), net_dev(d, e), process(f, g, h))
    after = Usage(stat((h, g, f)), net_dev(e, d), process(c, b, a))
    for name, value in named(before, after).items():
        if not name.startswith(("memory", "threads", "tmp", "file")):
            assert 0 <= value < 1e16
        if "utilization" in name:
            assert value <= 1
