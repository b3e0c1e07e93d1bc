"""What an invocation has used: the difference of two moments, and metrics of it. Pure.

CPU time is of the runtime's process and its children where that is known, else of the whole
environment; utilisation and network traffic are always the environment's, extensions included.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from serverless_instrument.forwarder.faas_metrics.peak_sampling import Peak
    from serverless_instrument.forwarder.faas_metrics.proc_usage import Usage

    # Name of the metric, unit, value.
    Figure = tuple[str, str, float]

# A counter that has fallen was reset; one that grew by more than this was misread.
_ABSURD = 1e15


class Used:
    """Of one invocation; None is not known.

    `cores` are utilisations of each core, from 0 to 1: what is not idle, time that the host took
    away included. `utilization` is that of all together.
    """

    __slots__ = (
        "cores",
        "cpu_s",
        "cpu_system_s",
        "cpu_user_s",
        "network_bytes",
        "received_bytes",
        "sent_bytes",
        "utilization",
    )

    def __init__(self, before: Usage, after: Usage) -> None:
        self.cpu_s: float | None = None
        self.cpu_user_s: float | None = None
        self.cpu_system_s: float | None = None
        self.received_bytes: float | None = None
        self.sent_bytes: float | None = None
        self.network_bytes: float | None = None
        self.utilization: float | None = None
        self.cores: list[float] = []
        self._cpu(before, after)
        if before.has_cpu and after.has_cpu:
            self._utilization(before, after)
        if before.has_network and after.has_network:
            self.received_bytes = _grown(before.received_bytes, after.received_bytes)
            self.sent_bytes = _grown(before.sent_bytes, after.sent_bytes)
            if self.received_bytes is not None and self.sent_bytes is not None:
                self.network_bytes = self.received_bytes + self.sent_bytes

    def _cpu(self, before: Usage, after: Usage) -> None:
        first, last = before.process, after.process
        if first is not None and last is not None:
            if (first.pid, first.started) != (last.pid, last.started):
                return
            self.cpu_user_s = _grown(first.user_s, last.user_s)
            self.cpu_system_s = _grown(first.system_s, last.system_s)
            if before.process_cpu_ns is not None and after.process_cpu_ns is not None:
                self.cpu_s = _grown(
                    before.process_cpu_ns / 1e9 + first.waited_s,
                    after.process_cpu_ns / 1e9 + last.waited_s,
                )
        elif before.has_cpu and after.has_cpu:
            self.cpu_user_s = _grown(before.cpu_user_s, after.cpu_user_s)
            self.cpu_system_s = _grown(before.cpu_system_s, after.cpu_system_s)
        if self.cpu_s is None and self.cpu_user_s is not None and self.cpu_system_s is not None:
            self.cpu_s = self.cpu_user_s + self.cpu_system_s

    def _utilization(self, before: Usage, after: Usage) -> None:
        if not before.cores == after.cores > 0:
            return
        passed_s, idle_s = 0.0, 0.0
        for core in range(after.cores):
            total = after.total_s[core] - before.total_s[core]
            idle = after.idle_s[core] - before.idle_s[core]
            if total > 0:
                self.cores.append(min(max(1 - idle / total, 0.0), 1.0))
                passed_s, idle_s = passed_s + total, idle_s + idle
        if passed_s > 0:
            self.utilization = min(max(1 - idle_s / passed_s, 0.0), 1.0)


def _grown(before: float, after: float) -> float | None:
    return after - before if 0 <= after - before < _ABSURD else None


def measurements(before: Usage | None, after: Usage | None, peak: Peak) -> Iterator[Figure]:
    """What is known of an invocation from both ends and from what was seen between them."""
    for usage in (before, after):
        if usage is not None:
            process = usage.process
            threads, resident_bytes = None, None
            if process is not None:
                threads, resident_bytes = process.threads, process.resident_bytes
            peak.include(usage.descriptors, threads, resident_bytes, usage.tmp)
    if before is not None and after is not None:
        yield from _used(Used(before, after), alone=peak.alone)
    for name, unit, value in (
        ("aws.lambda.memory.peak", "By", peak.resident_bytes),
        ("aws.lambda.tmp.used", "By", peak.tmp_used_bytes),
        ("aws.lambda.tmp.free", "By", peak.tmp_free_bytes),
        ("aws.lambda.file_descriptors.used", "{file_descriptor}", peak.descriptors),
        ("aws.lambda.threads.used", "{thread}", peak.threads),
    ):
        if value is not None:
            yield name, unit, value


def _used(used: Used, *, alone: bool) -> Iterator[Figure]:
    found: list[tuple[str, str, float | None]] = [
        ("aws.lambda.cpu.user_time", "s", used.cpu_user_s),
        ("aws.lambda.cpu.system_time", "s", used.cpu_system_s),
        ("aws.lambda.cpu.total_time", "s", used.cpu_s),
    ]
    # What concurrent invocations used together cannot be attributed to one of them.
    if alone:
        found += [
            ("aws.lambda.cpu.utilization", "1", used.utilization),
            ("aws.lambda.cpu.core_utilization.min", "1", min(used.cores, default=None)),
            ("aws.lambda.cpu.core_utilization.max", "1", max(used.cores, default=None)),
            ("aws.lambda.network.received", "By", used.received_bytes),
            ("aws.lambda.network.sent", "By", used.sent_bytes),
            ("aws.lambda.network.total", "By", used.network_bytes),
        ]
    for name, unit, value in found:
        if value is not None:
            yield name, unit, value
