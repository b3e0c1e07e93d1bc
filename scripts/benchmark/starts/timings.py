"""Time and memory of a start. Compare only what was measured in one interleaved run."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from benchmark.sandbox.lambda_api import LambdaApi
from benchmark.sandbox.process_cost import peak_kib
from benchmark.sandbox.processes import Subject, start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Start(NamedTuple):
    """One start, up to the request that was waited for."""

    elapsed_ms: float
    cpu_ms: float
    peak_kib: int


class Case(NamedTuple):
    """A subject to start and the request that ends the measurement."""

    subject_for: Callable[[str], Subject]
    target: str


def interleaved(cases: Sequence[Case], rounds: int, scratch: Path) -> list[list[Start]]:
    """One list of `rounds` starts per case: a b c, a b c, … so that all meet the same weather.

    The first round warms the caches and is not counted.

    Raises:
        TimeoutError: a process did not make its request within 60 s.
    """
    measured: list[list[Start]] = [[] for _ in cases]
    for number in range(rounds + 1):
        for case, starts in zip(cases, measured, strict=True):
            result = _measure(case, scratch / "timing.txt")
            if number:
                starts.append(result)
    return measured


def _measure(case: Case, output: Path) -> Start:
    with LambdaApi() as api:
        subject = case.subject_for(api.address)
        begin_s = time.monotonic()
        process = start(subject, output)
        try:
            request = api.wait_for(case.target, 60)
            peak = peak_kib(process.pid)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            # All threads, scaled by the scheduler to its own nanosecond clock.
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = -signal.SIGKILL
    return Start(
        elapsed_ms=(request.received_s - begin_s) * 1e3,
        cpu_ms=(usage.ru_utime + usage.ru_stime) * 1e3,
        peak_kib=peak,
    )
