"""What metrics cost: ten values in the runtime, an invocation in the forwarder, the end's delay.

    python tests/benchmarks/metrics_cost.py [--count 300]

Runtime: CPU microseconds to record ten values and to collect them as frames at the end of an
invocation, medians. Forwarder: CPU milliseconds of an invocation, and milliseconds from END to
/next, the same process with and without metrics in turns. Issue: at most 100 us, 0.5 ms, 0.3 ms.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from serverless_instrument.wrapper.metrics import metric_reader
from serverless_instrument.wrapper.metrics.measurements import Measurements
from serverless_instrument.wrapper.metrics.meter import Provider
from tests.benchmarks.flush_strategies import floor_ms, invoked_s
from tests.forwarder.running import world

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = 10
ATTRIBUTES = {"step": "one", "kind": "book"}
_ROUNDS = 2000
_WARM_UP = 50
_BEFORE = 20


def runtime_us(record: Callable[[], None], take: Callable[[], object]) -> tuple[float, float]:
    """(recording, collecting), medians of CPU microseconds."""
    recorded, taken = [], []
    for number in range(_WARM_UP + _ROUNDS):
        began_ns = time.thread_time_ns()
        record()
        middle_ns = time.thread_time_ns()
        take()
        ended_ns = time.thread_time_ns()
        if number >= _WARM_UP:
            recorded.append(middle_ns - began_ns)
            taken.append(ended_ns - middle_ns)
    return statistics.median(recorded) / 1000, statistics.median(taken) / 1000


def own(kind: str, instruments: int) -> tuple[Callable[[], None], Callable[[], object]]:
    """``serverless_instrument.metric``."""
    measurements = Measurements(time.time_ns())

    def record() -> None:
        for number in range(VALUES):
            name = f"work.{number % instruments}"
            measurements.record_value(name, number * 3.5, "ms", ATTRIBUTES, kind)

    return record, lambda: measurements.take_metric_frames(time.time_ns())


def recording(provider: Any, kind: str, instruments: int) -> Callable[[], None]:
    """Records through OpenTelemetry's API."""
    meter = provider.get_meter("shop")
    made = [getattr(meter, f"create_{kind}")(f"work.{n}", "ms") for n in range(instruments)]
    verbs = [instrument.record if kind == "histogram" else instrument.add for instrument in made]

    def record() -> None:
        for number in range(VALUES):
            verbs[number % instruments](number * 3.5, ATTRIBUTES)

    return record


def ours(kind: str, instruments: int) -> tuple[Callable[[], None], Callable[[], object]]:
    """The API on our own measurements, as a function gets it."""
    provider = Provider(frozenset(), "trace_based", lambda _: None, print)
    return recording(provider, kind, instruments), lambda: provider.take_metric_frames(
        time.time_ns()
    )


def sdk(
    kind: str, instruments: int, *, alone: bool = False
) -> tuple[Callable[[], None], Callable[[], object]]:
    """A provider of the function's own; `alone` leaves out what is ours."""
    reader = metric_reader.make_reader("delta")
    provider = MeterProvider([reader], shutdown_on_exit=False)
    if alone:
        reader._receive_metrics = lambda *_, **__: None  # type: ignore[method-assign] # see above
    return recording(provider, kind, instruments), reader.take_metric_frames


def print_runtime() -> None:
    """A row for each way to record."""
    ways: dict[str, Callable[[str, int], tuple[Callable[[], None], Callable[[], object]]]] = {
        "metric()": own,
        "API": ours,
        "API with the SDK": sdk,
        "  of which the SDK": partial(sdk, alone=True),
    }
    print(f"{VALUES} values: CPU us, record + collect, median")
    for kind in ("counter", "histogram"):
        for instruments in (1, VALUES):
            for name, way in ways.items():
                recorded, taken = runtime_us(*way(kind, instruments))
                label = f"{name}, {instruments} {kind}(s)"
                total = recorded + taken
                print(f"{label:<40} {recorded:>6.1f} + {taken:>6.1f} = {total:>6.1f}", flush=True)


def forwarder_ms(
    kind: str, environ: dict[str, str], count: int, frames: Callable[[], bytes]
) -> tuple[float, list[float]]:
    """(CPU ms of an invocation, ms from END to /next of each), frozen between them."""
    took_ms: list[float] = []
    environ = {"SERVERLESS_INSTRUMENT_FLUSH": kind, **environ}
    with tempfile.TemporaryDirectory() as directory, world(Path(directory), None, environ) as parts:
        cpu_ns = 0
        for number in range(_BEFORE + count):
            if number == _BEFORE:
                cpu_ns = _cpu_ns(parts.forwarder.pid)
            took_s = invoked_s(parts, f"span {number}", frames())
            if number >= _BEFORE:
                took_ms.append(took_s * 1000)
            with parts.forwarder.frozen():
                time.sleep(0.1)
        cpu_ms = (_cpu_ns(parts.forwarder.pid) - cpu_ns) / 1e6 / count
        parts.shut_down()
    return cpu_ms, took_ms


def _cpu_ns(pid: int) -> int:
    """https://docs.kernel.org/scheduler/sched-stats.html: to the nanosecond."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        total += int((thread / "schedstat").read_text().split()[0])
    return total


def print_forwarder(count: int) -> None:
    """Rows with and without metrics, which take turns."""
    record, take = ours("histogram", VALUES)

    def ten() -> bytes:
        record()
        frames = take()
        assert isinstance(frames, bytes)
        return frames

    cases: dict[str, tuple[dict[str, str], Callable[[], bytes]]] = {
        "no metrics": ({"OTEL_METRICS_EXPORTER": "none"}, bytes),
        "FaaS": ({"OTEL_METRICS_EXPORTER": "otlp"}, bytes),
        "FaaS and ten histograms": ({"OTEL_METRICS_EXPORTER": "otlp"}, ten),
    }
    print(f"{count} invocations, 10/s: CPU ms; END to /next, ms")
    print(f"{'':<36} {'CPU':>6} {'mean':>6} {'median':>6} {'p99':>6}")
    _print_tail("bare extension", 0.0, floor_ms(count))
    span = NonRecordingSpan(SpanContext(7, 7, is_remote=False, trace_flags=TraceFlags(1)))
    with use_span(span):
        for kind in ("adaptive", "end"):
            results: dict[str, tuple[list[float], list[float]]] = {}
            for _ in range(2):
                for name, (environ, frames) in cases.items():
                    cpu_ms, took_ms = forwarder_ms(kind, environ, count // 2, frames)
                    of_case = results.setdefault(name, ([], []))
                    of_case[0].append(cpu_ms)
                    of_case[1].extend(took_ms)
            for name, (cpus_ms, took_ms) in results.items():
                _print_tail(f"{kind}, {name}", statistics.mean(cpus_ms), took_ms)


def _print_tail(label: str, cpu_ms: float, took_ms: list[float]) -> None:
    mean, median = statistics.mean(took_ms), statistics.median(took_ms)
    p99 = sorted(took_ms)[int(len(took_ms) * 0.99)]
    print(f"{label:<36} {cpu_ms:>6.2f} {mean:>6.2f} {median:>6.2f} {p99:>6.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300, help="measured invocations of a case")
    count = parser.parse_args().count
    span = NonRecordingSpan(SpanContext(7, 7, is_remote=False, trace_flags=TraceFlags(1)))
    with use_span(span):
        print_runtime()
    print_forwarder(count)


if __name__ == "__main__":
    main()
