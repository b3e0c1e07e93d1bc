"""How much the runtime's processes hold at one moment: the runtime's own and its descendants.

https://man7.org/linux/man-pages/man5/proc.5.html
"""

from __future__ import annotations

import posix

from serverless_instrument.forwarder.faas_metrics.proc_stats import (
    PAGE_BYTES,
    PROC,
    descriptors,
    tmp,
)
from serverless_instrument.forwarder.faas_metrics.proc_usage import ProcessStat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import statvfs_result

_READ_BYTES = 4096
# Bounds of what a sample costs; a function starts a few processes.
_MOST_PROCESSES = 64
_MOST_THREADS = 64
# Rows of /proc/PID/limits.
_LIMITS = {b"Max open files": "descriptors", b"Max processes": "threads"}


class Sample:
    """Open descriptors, threads, resident bytes, the file system of /tmp; None is not known.

    Pages that processes share count for each.
    """

    __slots__ = ("descriptors", "resident_bytes", "threads", "tmp")

    def __init__(self) -> None:
        self.descriptors: int | None = None
        self.threads: int | None = None
        self.resident_bytes: int | None = None
        self.tmp: statvfs_result | None = None


def sample(pid: int, proc: str = PROC) -> Sample | None:
    """What `pid` and its descendants hold; None where none can be read.

    `proc` is where the proc file system is.
    """
    found = Sample()
    for process in _tree(pid, proc):
        try:
            stat = ProcessStat(_read(f"{proc}/{process}/stat"), PAGE_BYTES)
        except (OSError, ValueError, IndexError):
            continue
        found.threads = (found.threads or 0) + stat.threads
        found.resident_bytes = (found.resident_bytes or 0) + stat.resident_bytes
        opened = descriptors(process, proc)
        if opened is not None:
            found.descriptors = (found.descriptors or 0) + opened
    if found.threads is None:
        return None
    found.tmp = tmp()
    return found


def limits(pid: int, proc: str = PROC) -> dict[str, int]:
    """Soft limits of "descriptors" and "threads" of a process; what has none is not in it."""
    found: dict[str, int] = {}
    try:
        lines = _read(f"{proc}/{pid}/limits").splitlines()
    except OSError:
        return found
    for line in lines:
        for title, name in _LIMITS.items():
            soft = line[len(title) :].split()[:1] if line.startswith(title) else []
            if soft and soft[0].isdigit():
                found[name] = int(soft[0])
    return found


def _tree(pid: int, proc: str) -> Iterator[int]:
    """`pid` and its descendants; only itself where the kernel tells no children."""
    # Without the layer the forwarder is a child of the runtime's process: it is left out.
    waiting, seen, own = [pid], 0, posix.getpid()
    while waiting and seen < _MOST_PROCESSES:
        process = waiting.pop()
        seen += 1
        yield process
        waiting += [child for child in _children(process, proc) if child != own]


def _children(pid: int, proc: str) -> list[int]:
    """Children that any thread of `pid` has started."""
    found: list[int] = []
    try:
        for thread in posix.listdir(f"{proc}/{pid}/task")[:_MOST_THREADS]:
            text = _read(f"{proc}/{pid}/task/{thread}/children")
            found += [int(child) for child in text.split()]
    except (OSError, ValueError):
        return found
    return found


def _read(path: str) -> bytes:
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(descriptor, _READ_BYTES)
    finally:
        posix.close(descriptor)
