"""What a piece of code costs, in figures that other load on the machine does not change.

`reference_ms` is processor time, measured in turns with a fixed piece of Python work; `calls` is a
count. Wall-clock time is for tests that are marked ``timing``.
"""

from __future__ import annotations

import inspect
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def reference_work() -> int:
    """What takes 0.1 ms on the machine for which the tests' limits were written."""
    total = 0
    for number in range(3000):
        total += number & 7
    return total


def least_cpu_ns(work: Callable[[], object], times: int) -> int:
    """The least processor time that `work` takes in this thread: other load only adds."""
    least_ns = 1 << 62
    for _ in range(times):
        began_ns = time.thread_time_ns()
        work()
        least_ns = min(least_ns, time.thread_time_ns() - began_ns)
    return least_ns


def reference_ms(work: Callable[[], object], times: int = 20) -> float:
    """Milliseconds of processor time that `work` would take on the reference machine.

    Coverage, which doubles them, waits.
    """
    work_ns = reference_ns = 1 << 62
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        for _ in range(times):
            reference_ns = min(reference_ns, least_cpu_ns(reference_work, 2))
            work_ns = min(work_ns, least_cpu_ns(work, 1))
    finally:
        sys.settrace(tracer)
    return work_ns / reference_ns * 0.1


# The same for a program under test, which has this package not on its path.
SOURCE = "\n".join(
    [
        "import sys, time",
        *(inspect.getsource(part) for part in (reference_work, least_cpu_ns, reference_ms)),
    ]
).replace("Callable[[], object]", "object")


def calls(work: Callable[[], object]) -> int:
    """How many functions `work` calls, those of C among them."""
    count = 0

    def note(_frame: object, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    previous = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(previous)
    return count
