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
_PATIENCE_S = 2.0
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
            _remove(group)
        return
    with stopped_and_continued(share) as hold:
        yield hold


@contextlib.contextmanager
def stopped_and_continued(share: float) -> Iterator[Callable[[int], str]]:
    """As `limited`, by signals: coarser, but anybody may."""
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def hold(group: int) -> str:
        thread = threading.Thread(target=_duty_cycle, args=(group, share, ended), daemon=True)
        threads.append(thread)
        thread.start()
        return "SIGSTOP and SIGCONT"

    try:
        yield hold
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
            group.mkdir(exist_ok=True)  # an earlier one of ours may still hold a dying process
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


def _remove(group: Path) -> None:
    # A killed process leaves its group only when its parent has heard of it.
    patience_end_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < patience_end_s:
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(_PERIOD_US / 1e6)


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
