"""The function's memory size as a limit: what the processes of an environment take of it.

Lambda's is a control group's, which needs rights and a kernel that a laptop may not give; looking
at /proc needs neither. RLIMIT_AS would be no stand-in: it bounds addresses, not memory, and
raises MemoryError where Lambda kills.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from serverless_instrument.local.environment.process_tree import descendants

if TYPE_CHECKING:
    from collections.abc import Sequence

# What can be taken between two looks is a few megabytes, and the look costs tens of microseconds.
LOOK_EVERY_S = 0.005
# Finding children means going through all of /proc.
_LOOKS_PER_SEARCH = 50
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


class ResidentMemory:
    """Memory of process trees, cheap enough to be asked for every few milliseconds."""

    def __init__(self) -> None:
        self._looks = 0
        self._below: list[int] = []

    def kb(self, roots: Sequence[int]) -> int:
        """Resident KiB of the processes `roots` and of those below them."""
        if self._looks % _LOOKS_PER_SEARCH == 0:
            self._below = [child.pid for root in roots for child in descendants(root)]
        self._looks += 1
        return sum(resident_kb(pid) for pid in (*roots, *self._below))


def resident_kb(pid: int) -> int:
    """Resident memory of one process in KiB; 0 where /proc does not tell (proc_pid_statm(5))."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/statm", "rb") as statm:
        fields = statm.read().split()
        return int(fields[1]) * _PAGE_KB
    return 0
