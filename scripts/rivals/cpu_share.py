"""A share of one processor, as a function with little memory gets: 1,769 MB are one processor.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALL = 128 / 1769
_PERIOD_US = 20_000
_ROOT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def limited(share: float) -> Iterator[Callable[[int], str]]:
    """A function that holds a process group to `share` of a processor and says how it does that.

    By the kernel's bandwidth control where this may make a control group, else by stopping and
    continuing the processes. https://docs.kernel.org/scheduler/sched-bwc.html
    """
    group = _control_group(share)
    if group is not None:
        try:
            yield lambda pid: _join(group, pid)
        finally:
            with contextlib.suppress(OSError):
                group.rmdir()
        return
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def stop_and_go(pid: int) -> str:
        threads.append(threading.Thread(target=_duty_cycle, args=(pid, share, ended), daemon=True))
        threads[-1].start()
        return "SIGSTOP and SIGCONT"

    try:
        yield stop_and_go
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _control_group(share: float) -> Path | None:
    quota_us = round(share * _PERIOD_US)
    name = f"serverless-instrument-bench-{os.getpid()}"
    for parent, files in (
        (_ROOT, {"cpu.max": f"{quota_us} {_PERIOD_US}"}),
        (_ROOT / "cpu", {"cpu.cfs_period_us": str(_PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}),
    ):
        group = parent / name
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            for file, value in files.items():
                # "r+" where "w" would make a file in something that is no control group.
                with (group / file).open("r+") as control:
                    control.write(value)
            return group
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
    return None


def _join(group: Path, pid: int) -> str:
    (group / "cgroup.procs").write_text(str(pid))
    return "control group"


def _duty_cycle(group: int, share: float, ended: threading.Event) -> None:
    period_s = _PERIOD_US / 1e6
    try:
        while not ended.is_set():
            os.killpg(group, signal.SIGCONT)
            time.sleep(period_s * share)
            os.killpg(group, signal.SIGSTOP)
            time.sleep(period_s * (1 - share))
        os.killpg(group, signal.SIGCONT)
    except ProcessLookupError:
        return
