"""A bound of CPU time on the matching of patterns; loaded where there are patterns.

CPython's ``re`` looks for signals while it backtracks, so that a handler that raises ends a match
that would take for ever. ``bounded_search`` sees to the searches in which it does not look.
"""

from __future__ import annotations

from _signal import (  # type: ignore[import-not-found] # what signal wraps; that imports enum
    ITIMER_VIRTUAL,
    SIGVTALRM,
    setitimer,
    signal,
)
from time import monotonic_ns, thread_time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Result = TypeVar("Result")

VALUE_NS = 20_000_000
INVOCATION_NS = 50_000_000
# The kernel rounds a timer up to its tick; 0 would disarm it.
_LEAST_S = 0.001
# Of the clock of CPU time, which is a system call; the other clock is none.
_PRECISION_NS = 1_000_000


class _OverrunError(BaseException):
    """Raised by the signal's handler, only while a match runs."""


class TimeBound:
    """What is left of the time for one value, and for all values of an invocation.

    It is the main thread's: only there do handlers of signals run.
    """

    __slots__ = ("_invocation_left_ns", "_read_cpu_ns", "_read_ns", "_until_ns", "_value_left_ns")

    def __init__(self) -> None:
        self._invocation_left_ns = INVOCATION_NS
        self._value_left_ns = VALUE_NS
        # The thread's CPU time as it was read last, and when that was.
        self._read_cpu_ns, self._read_ns = thread_time_ns(), monotonic_ns()
        # When the match that runs is to end, in the thread's CPU time; 0 where none runs.
        self._until_ns = 0
        signal(SIGVTALRM, self._interrupt)

    def start_invocation(self) -> None:
        """An invocation begins: its values have all of their time."""
        self._invocation_left_ns = INVOCATION_NS

    def start_value(self) -> None:
        """A value begins: its patterns have all of their time."""
        self._value_left_ns = VALUE_NS

    @property
    def is_used_up(self) -> bool:
        """Whether the invocation's values have used all of their time."""
        return self._invocation_left_ns <= 0

    def run(self, match: Callable[[str], Result], text: str) -> Result | None:
        """What `match` returns for `text`; None where it took too long. It runs `re` alone."""
        left_ns = min(self._value_left_ns, self._invocation_left_ns)
        if left_ns <= 0:
            return None
        used_ns = 0
        started_ns = monotonic_ns()
        if started_ns - self._read_ns > _PRECISION_NS:
            self._read_cpu_ns, self._read_ns = thread_time_ns(), started_ns
        result: Result | None
        try:
            self._until_ns = self._read_cpu_ns + left_ns
            setitimer(ITIMER_VIRTUAL, max(left_ns / 1e9, _LEAST_S))
            # What the timer itself costs does not count.
            started_ns = monotonic_ns()
            result = match(text)
            used_ns = monotonic_ns() - started_ns
            # A signal that has not been handled yet finds that nothing runs.
            self._until_ns = 0
        except _OverrunError:
            result, used_ns = None, monotonic_ns() - started_ns
        finally:
            self._until_ns = 0
            setitimer(ITIMER_VIRTUAL, 0)
        if used_ns > _PRECISION_NS:
            # The thread may have waited for the processor.
            used_ns = min(used_ns, thread_time_ns() - self._read_cpu_ns)
        self._value_left_ns -= used_ns
        self._invocation_left_ns -= used_ns
        return result

    def _interrupt(self, *_: object) -> None:
        if not self._until_ns:
            return
        left_ns = self._until_ns - thread_time_ns()
        if left_ns > 0:
            # The timer counts what the process's other threads compute as well.
            setitimer(ITIMER_VIRTUAL, max(left_ns / 1e9, _LEAST_S))
            return
        self._until_ns = 0
        raise _OverrunError
