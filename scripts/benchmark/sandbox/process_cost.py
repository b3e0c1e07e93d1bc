"""Processor time and memory of a process and whatever it has started.

https://docs.kernel.org/filesystems/proc.html
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_IDLE_S = 0.05


def members(group: int) -> list[int]:
    """Process ids of a process group: a wrapper may have started the runtime as its child."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (directory / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        state, process_group = after_name[0], int(after_name[2])
        if process_group == group and state != "Z":
            found.append(int(directory.name))
    return found


def cpu_ms(group: int) -> float:
    """Processor time of the living members, all threads, to the nanosecond."""
    total_ms = 0.0
    for pid in members(group):
        try:
            total_ms += process_cpu_ms(pid)
        except OSError:
            continue
    return total_ms


def process_cpu_ms(pid: int) -> float:
    """Processor time of one process, all threads.

    Raises:
        OSError: there is none.
    """
    # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of the kernel's posix-timers.
    return time.clock_gettime((~pid << 3) | 2) * 1e3


def wait_idle(group: int, timeout_s: float) -> None:
    """Wait until all threads of the members sleep and use no processor time for a while.

    Raises:
        TimeoutError: they go on and on.
    """
    end_s = time.monotonic() + timeout_s
    before_ms = -1.0
    while time.monotonic() < end_s:
        now_ms = cpu_ms(group)
        if now_ms == before_ms and _all_sleep(group):
            return
        before_ms = now_ms
        time.sleep(_IDLE_S)
    raise TimeoutError(f"process group {group} was not idle within {timeout_s:g} s")


def _all_sleep(group: int) -> bool:
    try:
        states = [
            (thread / "stat").read_text().rpartition(")")[2].split()[0]
            for pid in members(group)
            for thread in Path(f"/proc/{pid}/task").iterdir()
        ]
    except OSError:
        return False
    return set(states) == {"S"}


def peak_kib(pid: int) -> int:
    """Peak resident memory of a process's present program; ru_maxrss counts its parent's, too."""
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def resident_kib(pid: int) -> int:
    """What a process has resident now.

    Raises:
        OSError: there is none.
    """
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * _PAGE_BYTES // 1024


def peak_memory_kib(group: int) -> int:
    """Sum of the members' peaks."""
    total = 0
    for pid in members(group):
        try:
            total += peak_kib(pid)
        except OSError:
            continue
    return total
