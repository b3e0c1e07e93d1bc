"""The forwarder for minutes at a high rate: what arrives, and the memory it takes.

Invocations of 20 spans and 50 log lines each, one frame an item as the runtime sends them, as fast
as asked for or as the machine holds. The forwarder is the real process; what arrives is counted in
another process.
"""

from __future__ import annotations

import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmark import command
from serverless_instrument import wire
from tests.forwarder import encoded
from tests.forwarder.running import Forwarder, eventually
from tests.servers.extensions_api import ExtensionsApi
from tests.servers.otlp_backend import Export, OtlpBackend
from tests.servers.raw_http import Request, answer, read_request

SPANS, LOGS = 20, 50
_SAMPLE_S = 1.0
_SAMPLES_PER_LINE = 10
# The first minute fills buffers; growth is what comes after it.
_SHORTEST_S = 170.0
# Between the medians of two minutes: what a busy allocator leaves.
_GROWTH_KIB = 512
_PEAK_KIB = 24 * 1024


class CountingBackend(OtlpBackend):
    """Counts items and forgets them."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        super().__init__()
        self.respond = self._count

    def _count(self, export: Export) -> bytes:
        self.exports.clear()
        for item in encoded.found(export.signal, export.body):
            self.counts[f"{export.signal}/{item.name}"] += 1
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def count() -> None:
    """The backend's process: says its URL, then, at the end of stdin, what came."""
    backend = CountingBackend()
    print(backend.url, flush=True)
    sys.stdin.read()
    print(json.dumps(backend.counts), flush=True)


class Api(ExtensionsApi):
    """Hands out invocations without a pause between them."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.told = threading.Semaphore(0)
        self.over = False
        super().__init__()

    def _next(self, request: Request) -> tuple[bytes | None, ...]:
        del request
        self.nexts.clear()
        self.asked.release()
        self.told.acquire()
        kind = "SHUTDOWN" if self.over else "INVOKE"
        left_s = 2.0 if self.over else 60.0
        deadline_ms = int((time.time() + left_s) * 1000)
        return (answer(200, {"eventType": kind, "deadlineMs": deadline_ms, "requestId": "r"}),)

    def serve(self, connection: object, _number: int) -> None:
        """Answer the forwarder's requests until it hangs up."""
        buffer = bytearray()
        while (request := read_request(connection, buffer)) is not None:  # type: ignore[arg-type] # a socket
            if request.path.endswith("/register"):
                connection.sendall(self._register(request))  # type: ignore[attr-defined] # a socket
            elif request.path.endswith("/next"):
                for said in self._next(request):
                    connection.sendall(said)  # type: ignore[attr-defined] # a socket
            else:
                connection.sendall(answer(202, {}))  # type: ignore[attr-defined] # a socket


def invocation() -> bytes:
    """All frames of one."""
    spans = [encoded.batch("traces", [f"span {number}"]) for number in range(SPANS)]
    return b"".join(
        [
            encoded.start("r", "invocation"),
            *[wire.frame(wire.SPANS, batch) for batch in spans],
            *[encoded.logs([f"line {number}"]) for number in range(LOGS)],
            encoded.end("r", "invocation"),
        ]
    )


def rss_kib(pid: int) -> int:
    """Resident memory now."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def soak(minutes: float, rate: float, environ: dict[str, str]) -> int:
    """Run; 0 where nothing was lost and nothing grew."""
    program = [sys.executable, "-m", "benchmark.load.forwarder_soak"]
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as directory,
        subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{command.ROOT / 'scripts'}:{command.ROOT}"},
        ) as backend,
    ):
        assert backend.stdout is not None
        assert backend.stdin is not None
        url = backend.stdout.readline().strip()
        api = Api()
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, **environ}
        with Forwarder(Path(directory), api.address, environ) as forwarder:
            api.asked.acquire()
            samples, done = _drive(api, forwarder, minutes * 60, rate)
            peak_kib = forwarder.peak_kib()
            api.over = True
            api.told.release()
            eventually(lambda: forwarder.process.poll() is not None, "the end")
            said = forwarder.lines()
        backend.stdin.close()
        counts = json.loads(backend.stdout.read())
    return _judged(counts, done, samples, peak_kib, said)


def _drive(
    api: Api, forwarder: Forwarder, lasts_s: float, rate: float
) -> tuple[list[tuple[float, int]], int]:
    runtime, frames = forwarder.connect(), invocation()
    began_s = time.monotonic()
    done, next_sample_s = 0, began_s
    samples: list[tuple[float, int]] = []
    while (now_s := time.monotonic()) - began_s < lasts_s:
        if now_s >= next_sample_s:
            next_sample_s += _SAMPLE_S
            samples.append((now_s - began_s, rss_kib(forwarder.pid)))
            if len(samples) % _SAMPLES_PER_LINE == 1:
                at_s, kib = samples[-1]
                print(f"{at_s:6.0f} s  {kib} KiB  {done} invocations", flush=True)
        api.told.release()
        runtime.send(frames)
        done += 1
        assert api.asked.acquire(timeout=30), "no /next"
        ahead_s = began_s + done / rate - time.monotonic()
        if ahead_s > 0:
            time.sleep(ahead_s)
    elapsed_s = time.monotonic() - began_s
    print(f"{done} invocations in {elapsed_s:.0f} s: {done / elapsed_s:.0f}/s", flush=True)
    return samples, done


def growth_kib(samples: list[tuple[float, int]]) -> int:
    """From the second minute's median to the last's, of (seconds, KiB); 0 under three minutes.

    Medians, because one sample may be taken in the middle of a request, or just after it.
    """
    last_s = samples[-1][0]
    early = [kib for at_s, kib in samples if 60 <= at_s < 120]
    late = [kib for at_s, kib in samples if at_s > last_s - 60]
    if last_s < _SHORTEST_S:
        return 0
    return round(statistics.median(late) - statistics.median(early))


def _judged(
    counts: dict[str, int],
    done: int,
    samples: list[tuple[float, int]],
    peak_kib: int,
    said: list[str],
) -> int:
    expected = {"traces/invocation": done}
    expected |= {f"traces/span {number}": done for number in range(SPANS)}
    expected |= {f"logs/line {number}": done for number in range(LOGS)}
    pairs = {name: (counts.get(name, 0), want) for name, want in expected.items()}
    wrong = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    grown_kib = growth_kib(samples)
    print(f"peak {peak_kib} KiB, after the first minute {grown_kib:+} KiB; said: {said}")
    for name, (came, want) in wrong.items():
        print(f"{name}: {came} of {want}")
    return int(bool(wrong) or grown_kib > _GROWTH_KIB or peak_kib > _PEAK_KIB)


if __name__ == "__main__":
    count()
