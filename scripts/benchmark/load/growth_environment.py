"""One environment of ours with its forwarder and a sink, and one bare: what more work costs."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, NamedTuple

from benchmark.rivals import trial
from benchmark.rivals.contenders import OURS, named
from benchmark.sandbox import process_cost
from benchmark.sandbox.lambda_api import EXTENSION_NEXT, REGISTER, RUNTIME_NEXT, LambdaApi
from benchmark.sandbox.processes import Subject, kill, start

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from benchmark.rivals.trial import Place

_TIMEOUT_S = 300.0


class Cost(NamedTuple):
    """CPU of both processes in ms, response plus tail in ms, memory now in KiB of both."""

    cpu_ms: float
    billed_ms: float
    memory_kib: int


class Environment:
    """A running function that can be invoked with more or less to do."""

    def __init__(self, api: LambdaApi, pids: list[int]) -> None:
        self._api = api
        self._pids = pids

    def invoke(self, event: dict[str, int]) -> Cost:
        """One invocation's cost.

        Raises:
            InvocationError, TimeoutError, OSError: it failed, or a process is gone.
        """
        before_ms = self._cpu_ms()
        who = {RUNTIME_NEXT, EXTENSION_NEXT}
        done = self._api.invoke(json.dumps(event).encode(), who, _TIMEOUT_S)
        return Cost(
            self._cpu_ms() - before_ms,
            done.latency_ms + done.tail_ms,
            sum(process_cost.resident_kib(pid) for pid in self._pids),
        )

    def _cpu_ms(self) -> float:
        return sum(process_cost.process_cpu_ms(pid) for pid in self._pids)


@contextlib.contextmanager
def environment(place: Place, opt: Path) -> Iterator[Environment]:
    """Ours with the unpacked layer `opt`, started and waiting for its first event.

    Raises:
        InvocationError, TimeoutError: it did not come up.
    """
    contender = named(OURS)
    processes: list[subprocess.Popen[bytes]] = []
    with LambdaApi() as api:
        environ = trial.variables_of(place, contender, opt, "growth", api.address)
        try:
            extension = [str(opt / "extensions" / contender.extension)]
            subject = Subject("extension", extension, environ)
            processes.append(start(subject, place.scratch / "extension.txt"))
            api.wait_for(REGISTER, _TIMEOUT_S)
            runtime = trial.runtime(place, contender, opt, environ)
            processes.append(start(runtime, place.scratch / "runtime.txt"))
            api.wait_ready({RUNTIME_NEXT, EXTENSION_NEXT}, _TIMEOUT_S)
            # Once: to look through all processes at each invocation is what would be measured.
            pids = [pid for each in processes for pid in process_cost.members(each.pid)]
            yield Environment(api, pids)
        finally:
            for process in processes:
                kill(process)


def work(running: Environment, kind: str, counts: list[int], times: int) -> dict[int, list[Cost]]:
    """{count: costs} of invocations with so many spans or lines; the first of each is left out."""
    found: dict[int, list[Cost]] = {}
    for count in counts:
        running.invoke({kind: count})
        found[count] = [running.invoke({kind: count}) for _ in range(times)]
    return found


def invocations(running: Environment, total: int) -> list[Cost]:
    """`total` invocations that do nothing."""
    return [running.invoke({}) for _ in range(total)]
