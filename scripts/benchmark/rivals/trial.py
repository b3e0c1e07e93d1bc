"""One execution environment from start to kill: what it took, and what each invocation took."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.rivals import contenders
from benchmark.sandbox import cpu_share, environ, process_cost
from benchmark.sandbox.lambda_api import (
    EXTENSION_NEXT,
    REGISTER,
    RUNTIME_NEXT,
    LambdaApi,
)
from benchmark.sandbox.processes import Subject, function_directory, kill, start
from benchmark.starts.repeated import HTTP_EVENT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from benchmark.rivals.backends import Sink
    from benchmark.rivals.contenders import Contender


_TIMEOUT_S = 120.0
_EVENT = HTTP_EVENT.read_bytes()


class Place(NamedTuple):
    """What every trial of a run shares."""

    scratch: Path
    python: str
    sink: Sink
    aws_url: str


class Trial(NamedTuple):
    """Times in ms, memory in KiB. `init` ends when runtime and extension wait for an event."""

    init_wall_ms: float
    init_cpu_ms: float
    extension_init_cpu_ms: float
    first_ms: float
    calls_ms: tuple[float, ...]
    call_cpu_ms: float
    extension_call_cpu_ms: float
    tail_ms: tuple[float, ...]
    memory_kib: int
    extension_memory_kib: int
    output_bytes: int
    telemetry: int


def run(
    place: Place,
    contender: Contender,
    opt: Path,
    function: str,
    calls: int,
    *,
    share: float = 1.0,
    bytecode: bool = True,
) -> Trial:
    """Start `contender`, whose layer is at `opt`, with `function`; invoke it 1 + `calls` times.

    Raises:
        InvocationError, TimeoutError: it did not come up, or the function failed.
    """
    before = place.sink.received()
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(LambdaApi())
        limit = stack.enter_context(_limit(share))
        source = contenders.source(contender, function)
        variables = variables_of(place, contender, opt, source, api.address)
        if not bytecode:
            variables["PYTHONDONTWRITEBYTECODE"] = "1"
        processes: list[subprocess.Popen[bytes]] = []
        stack.callback(_kill, processes)
        who = {RUNTIME_NEXT}
        begin_s = time.monotonic()
        if contender.extension:
            extension = str(opt / "extensions" / contender.extension)
            subject = Subject("extension", [extension], variables)
            processes.append(start(subject, place.scratch / "extension.txt"))
            limit(processes[0].pid)
            api.wait_for(REGISTER, _TIMEOUT_S)
            who.add(EXTENSION_NEXT)
        output = place.scratch / "runtime.txt"
        processes.insert(0, start(runtime(place, contender, opt, variables), output))
        limit(processes[0].pid)
        ready_s = api.wait_ready(who, _TIMEOUT_S)
        init_cpu_ms = _cpu(processes)
        first = api.invoke(_EVENT, who, _TIMEOUT_S)
        before_cpu_ms = _cpu(processes)
        warm = [api.invoke(_EVENT, who, _TIMEOUT_S) for _ in range(calls)]
        after_cpu_ms = _cpu(processes)
        memory_kib = [process_cost.peak_memory_kib(process.pid) for process in processes]
    each = [(after - before) / max(1, calls) for before, after in zip(before_cpu_ms, after_cpu_ms)]  # noqa: B905 - of the same processes
    return Trial(
        init_wall_ms=(ready_s - begin_s) * 1e3,
        init_cpu_ms=init_cpu_ms[0],
        extension_init_cpu_ms=sum(init_cpu_ms[1:]),
        first_ms=first.latency_ms,
        calls_ms=tuple(call.latency_ms for call in warm),
        call_cpu_ms=each[0],
        extension_call_cpu_ms=sum(each[1:]),
        tail_ms=tuple(call.tail_ms for call in warm),
        memory_kib=memory_kib[0],
        extension_memory_kib=sum(memory_kib[1:]),
        output_bytes=output.stat().st_size,
        telemetry=place.sink.received() - before,
    )


def _kill(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        kill(process)


def _cpu(processes: list[subprocess.Popen[bytes]]) -> list[float]:
    return [process_cost.cpu_ms(process.pid) for process in processes]


@contextlib.contextmanager
def _limit(share: float) -> Iterator[Callable[[int], str]]:
    if share >= 1:
        yield lambda _pid: "all of a processor"
    else:
        with cpu_share.limited(share) as limit:
            yield limit


def runtime(place: Place, contender: Contender, opt: Path, variables: dict[str, str]) -> Subject:
    """The runtime as Lambda starts it, behind the contender's wrapper if it has one."""
    command = [place.python, str(environ.RUNTIME_DIRECTORY / "bootstrap.py")]
    if contender.wrapper:
        command.insert(0, str(opt / contender.wrapper))
    return Subject(contender.name, command, variables)


def variables_of(
    place: Place, contender: Contender, opt: Path, function: str, address: str
) -> dict[str, str]:
    """What Lambda and the contender set for functions/`function`.py."""
    task = function_directory(function, place.scratch / "tasks")
    socket = place.scratch / "forwarder.sock"
    return {
        **environ.runtime(address, socket, task, opt, place.python),
        **environ.CREDENTIALS,
        "AWS_ENDPOINT_URL": place.aws_url,
        "BENCH_URL": f"{place.sink.url}/page",
        "PATH": f"{Path(place.python).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        **{name: place.sink.fill(value) for name, value in contender.environ.items()},
    }
