"""``scripts/bench metrics``: what metrics cost in the runtime, in the forwarder, and at the end.

Runtime: CPU microseconds to record ten values and to collect them as frames at the end of an
invocation, medians. Forwarder: CPU milliseconds of an invocation, and milliseconds from END to
/next, the same process with and without metrics in turns. At most 100 us, 0.5 ms, 0.3 ms.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from benchmark import command, markdown_table
from benchmark.commands.tail import figures
from benchmark.load.end_delay import floor_ms, invoked_s
from benchmark.sandbox.process_cost import process_cpu_ms
from serverless_instrument.wrapper.metrics import metric_reader
from serverless_instrument.wrapper.metrics.measurements import Measurements
from serverless_instrument.wrapper.metrics.meter import Provider
from tests.forwarder.running import world

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        "of which the SDK": partial(sdk, alone=True),
    }
    rows = []
    for kind in ("counter", "histogram"):
        for instruments in (1, VALUES):
            for name, way in ways.items():
                recorded, taken = runtime_us(*way(kind, instruments))
                cells = [f"{value_us:.1f}" for value_us in (recorded, taken, recorded + taken)]
                rows.append([f"{name}, {instruments} {kind}(s)", *cells])
    print(f"{VALUES} values: CPU us, median\n")
    print("\n".join(markdown_table.lines(["", "record", "collect", "both"], rows)), flush=True)


def forwarder_ms(
    kind: str, environ: dict[str, str], count: int, frames: Callable[[], bytes]
) -> tuple[float, list[float]]:
    """(CPU ms of an invocation, ms from END to /next of each), frozen between them."""
    took_ms: list[float] = []
    environ = {"SERVERLESS_INSTRUMENT_FLUSH": kind, **environ}
    with tempfile.TemporaryDirectory() as directory, world(Path(directory), None, environ) as parts:
        before_ms = 0.0
        for number in range(_BEFORE + count):
            if number == _BEFORE:
                before_ms = process_cpu_ms(parts.forwarder.pid)
            took_s = invoked_s(parts, f"span {number}", frames())
            if number >= _BEFORE:
                took_ms.append(took_s * 1000)
            with parts.forwarder.frozen():
                time.sleep(0.1)
        each_ms = (process_cpu_ms(parts.forwarder.pid) - before_ms) / count
        parts.shut_down()
    return each_ms, took_ms


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
    rows = [["bare extension", "", *figures(floor_ms(count))]]
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
                mean_ms = f"{statistics.mean(cpus_ms):.2f}"
                rows.append([f"{kind}, {name}", mean_ms, *figures(took_ms)])
    print(f"\n{count} invocations, 10/s: CPU ms; END to /next, ms\n")
    print("\n".join(markdown_table.lines(["", "CPU", "mean", "median", "p99"], rows)))


def main(arguments: Sequence[str]) -> int:
    """Print both tables."""
    parser = command.parser("metrics", f"Metrics.\n\n{__doc__}")
    parser.add_argument(
        "--count", type=int, default=300, metavar="N", help="measured invocations of a case"
    )
    count = parser.parse_args(arguments).count
    span = NonRecordingSpan(SpanContext(7, 7, is_remote=False, trace_flags=TraceFlags(1)))
    with use_span(span):
        print_runtime()
    print_forwarder(count)
    return 0
