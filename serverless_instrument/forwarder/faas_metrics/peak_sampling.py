"""Peaks of what invocations hold while they run, and when to sample again. Pure.

Nothing is sampled while no invocation runs: an environment that waits is not woken. The first
sample comes a tenth of a second after START, so that a short invocation has none; the interval then
grows to a second, and is always long enough that sampling takes at most a hundredth of the time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import statvfs_result
    from typing import Protocol

    class Held(Protocol):
        """What `proc_sampler.sample` finds; None is not known."""

        descriptors: int | None
        threads: int | None
        resident_bytes: int | None
        tmp: statvfs_result | None


_FIRST_S, _LONGEST_S, _PART = 0.1, 1.0, 10
_COST_FACTOR = 100
_NEVER = float("inf")
# No invocation lasts longer, https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html.
_LONGEST_INVOCATION_S = 900.0
# An END that never comes must not keep sampling going.
_AFTER_DEADLINE_S = 1.0
# Ended invocations whose peak no flush has taken yet.
_MOST_REMEMBERED = 4096
_MOST_RUNNING = 256


class Peak:
    """The most of each that has been seen; the least of `tmp_free_bytes`. None is not known.

    `alone` is False where other invocations ran at the same time, in the same environment.
    """

    __slots__ = (
        "alone",
        "descriptors",
        "pid",
        "resident_bytes",
        "since_s",
        "threads",
        "tmp_bytes",
        "tmp_free_bytes",
        "tmp_used_bytes",
        "until_s",
    )

    def __init__(self, pid: int = 0, since_s: float = 0.0, until_s: float = 0.0) -> None:
        self.pid = pid
        self.since_s = since_s
        self.until_s = until_s
        self.alone = True
        self.descriptors: int | None = None
        self.threads: int | None = None
        self.resident_bytes: int | None = None
        self.tmp_bytes: int | None = None
        self.tmp_used_bytes: int | None = None
        self.tmp_free_bytes: int | None = None

    def include(
        self,
        descriptors: int | None,
        threads: int | None,
        resident_bytes: int | None,
        tmp: statvfs_result | None,
    ) -> None:
        """Include what was held at one moment."""
        self.descriptors = _most(self.descriptors, descriptors)
        self.threads = _most(self.threads, threads)
        self.resident_bytes = _most(self.resident_bytes, resident_bytes)
        if tmp is not None and tmp.f_blocks > 0:
            self.tmp_bytes = tmp.f_blocks * tmp.f_frsize
            used_bytes = (tmp.f_blocks - tmp.f_bfree) * tmp.f_frsize
            self.tmp_used_bytes = _most(self.tmp_used_bytes, used_bytes)
            free_bytes = tmp.f_bavail * tmp.f_frsize
            least_bytes = self.tmp_free_bytes
            self.tmp_free_bytes = (
                free_bytes if least_bytes is None else min(least_bytes, free_bytes)
            )


class Peaks:
    """Running invocations by request id, and those that have ended until they are taken.

    `sample_at_s` is when to sample (monotonic), infinity for never.
    """

    __slots__ = ("_ended", "_running", "sample_at_s")

    def __init__(self) -> None:
        self._running: dict[str, Peak] = {}
        self._ended: dict[str, Peak] = {}
        self.sample_at_s = _NEVER

    def start_invocation(self, request_id: str, pid: int, now_s: float, left_s: float) -> None:
        """An invocation began in process `pid`, with `left_s` to its deadline, 0 if unknown."""
        allowed_s = min(left_s, _LONGEST_INVOCATION_S) if left_s > 0 else _LONGEST_INVOCATION_S
        peak = Peak(pid, now_s, now_s + allowed_s + _AFTER_DEADLINE_S)
        self._running.pop(request_id, None)
        if self._running:
            peak.alone = False
            for other in self._running.values():
                other.alone = False
        self._running[request_id] = peak
        self._ended.pop(request_id, None)
        _bound(self._running, _MOST_RUNNING)
        if pid > 0:
            self.sample_at_s = min(self.sample_at_s, now_s + _FIRST_S)

    def end_invocation(self, request_id: str) -> None:
        """An invocation is over, or its runtime is gone."""
        peak = self._running.pop(request_id, None)
        if peak is not None and (peak.threads is not None or not peak.alone):
            self._ended[request_id] = peak
            _bound(self._ended, _MOST_REMEMBERED)
        if not self._running:
            self.sample_at_s = _NEVER

    def end_all(self) -> None:
        """End every invocation: the environment waits for its next one."""
        for request_id in list(self._running):
            self.end_invocation(request_id)

    @property
    def pids(self) -> set[int]:
        """The processes to sample."""
        return {peak.pid for peak in self._running.values() if peak.pid > 0}

    def record_sample(self, held: dict[int, Held | None], now_s: float, cost_s: float) -> None:
        """Include what `pids` hold; None is a process that cannot be read any more.

        `cost_s` is how long the sampling took.
        """
        for peak in self._running.values():
            found = held.get(peak.pid)
            if found is not None:
                peak.include(found.descriptors, found.threads, found.resident_bytes, found.tmp)
            if (peak.pid in held and found is None) or now_s > peak.until_s:
                peak.pid = 0
        self.sample_at_s = _NEVER
        sampled = [peak for peak in self._running.values() if peak.pid > 0]
        if sampled:
            since_s = max(peak.since_s for peak in sampled)
            pause_s = min(max((now_s - since_s) / _PART, _FIRST_S), _LONGEST_S)
            self.sample_at_s = now_s + max(pause_s, cost_s * _COST_FACTOR)

    def take_peak(self, request_id: str) -> Peak:
        """What is known of an invocation that has ended, forgotten here."""
        return self._ended.pop(request_id, None) or Peak()


def _most(mine: int | None, seen: int | None) -> int | None:
    return seen if mine is None else mine if seen is None else max(mine, seen)


def _bound(kept: dict[str, Peak], most: int) -> None:
    while len(kept) > most:
        del kept[next(iter(kept))]
