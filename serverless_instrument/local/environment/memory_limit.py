"""Resident memory of an environment's processes, read from /proc to enforce the memory size.

Lambda uses a control group, which needs privileges and kernel features that a laptop may lack.
RLIMIT_AS is no substitute: it limits address space and not memory, and raises MemoryError where
Lambda kills the process.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from serverless_instrument.local.environment.process_tree import descendants

if TYPE_CHECKING:
    from collections.abc import Sequence

# A process can allocate a few megabytes between two readings; one takes tens of microseconds.
READ_INTERVAL_S = 0.005
# Finding the children reads all of /proc.
_READINGS_PER_SEARCH = 50
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


class ResidentMemory:
    """Memory of process trees, cheap enough to be read every few milliseconds."""

    def __init__(self) -> None:
        self._readings = 0
        self._below: list[int] = []

    def kb(self, roots: Sequence[int]) -> int:
        """Resident KiB of the processes `roots` and of their descendants."""
        if self._readings % _READINGS_PER_SEARCH == 0:
            self._below = [child.pid for root in roots for child in descendants(root)]
        self._readings += 1
        return sum(resident_kb(pid) for pid in (*roots, *self._below))


def resident_kb(pid: int) -> int:
    """Resident memory of one process in KiB (proc_pid_statm(5)); 0 where /proc has none such."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/statm", "rb") as statm:
        fields = statm.read().split()
        return int(fields[1]) * _PAGE_KB
    return 0
