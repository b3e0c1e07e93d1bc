"""Processor time and peak memory of a process and whatever it has started."""

from __future__ import annotations

import os
import time
from pathlib import Path

from start_cost.memory import peak_kib

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def members(group: int) -> list[int]:
    """Process ids of a process group: a wrapper may have started the runtime as its child.

    https://docs.kernel.org/filesystems/proc.html, "stat"
    """
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
    total_s = 0.0
    for pid in members(group):
        try:
            # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of the kernel's posix-timers.
            total_s += time.clock_gettime((~pid << 3) | 2)
        except OSError:
            continue
    return total_s * 1e3


def memory_kib(group: int) -> int:
    """What the members have resident now."""
    total = 0
    for pid in members(group):
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
        total += pages * _PAGE_BYTES // 1024
    return total


def peak_memory_kib(group: int) -> int:
    """Sum of the members' peaks."""
    total = 0
    for pid in members(group):
        try:
            total += peak_kib(pid)
        except OSError:
            continue
    return total
