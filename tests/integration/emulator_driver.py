"""Runs inside the namespace: scenario on stdin, a JSON list of outcomes on stdout.

It starts AWS's Runtime Interface Emulator, a backend and, where asked for, a collector, and does
what the scenario says. Nothing here judges: the tests do.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shlex
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from serverless_instrument import wire
from tests.integration import scenario
from tests.integration.collector import Collector
from tests.integration.processes import forwarders
from tests.integration.scenario import Answer, Environment, Outcome, Scenario, Step
from tests.servers.loopback import free_port, listening, loopback_up
from tests.servers.relayed_backend import Backend, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_ANSWER_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_SPANS_TIMEOUT_S = 20.0
# A forwarder without the layer outlives its runtime by what a last delivery may take.
_FORWARDER_PATIENCE_S = 2.0
_FORWARDER_POLL_S = 0.01
_POLL_S = 0.005

# /opt and the forwarder's directory are private to each environment; the mount point is what the
# forwarder itself would make. Lambda's /opt is read-only, and so is this one.
_ENTER = """
set -e
mount --bind "$1" /opt
mount -o remount,bind,ro /opt
mount -t tmpfs -o mode=0700 tmpfs /tmp/.serverless-instrument
cd "$LAMBDA_TASK_ROOT"
eval "$2"
shift 2
exec "$@"
"""

# The emulator says how a runtime exited only in words; this writes down the status itself.
_RUNTIME = """#!/bin/sh
{command} >> "{scratch}/stdout" 2>> "{scratch}/stderr"
status=$?
echo "$status" >> "{scratch}/runtime-exits"
exit "$status"
"""


class Emulator:
    """One environment: the emulator's process, what it starts, and the backend it exports to."""

    def __init__(
        self,
        wanted: Environment,
        plan: Scenario,
        scratch: Path,
        backend: Backend,
        collector: Collector | None,
    ) -> None:
        self._scratch = scratch
        self._backend = backend
        self._collector = collector
        endpoint = collector.url if collector else backend.url
        self._answers: list[Answer] = []
        runtime = scratch / "runtime"
        command = shlex.join(wanted.command or (plan.bootstrap,))
        runtime.write_text(_RUNTIME.format(command=command, scratch=scratch))
        runtime.chmod(0o755)
        self._port = free_port()
        self._command = [
            *("unshare", "-m", "sh", "-c", _ENTER, "sh", wanted.opt, wanted.prepare, plan.emulator),
            *("--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
            *("--runtime-api-address", f"127.0.0.1:{free_port()}"),
            str(runtime),
        ]
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(scratch),
            "_HANDLER": wanted.handler,
            "LAMBDA_TASK_ROOT": wanted.task_root,
            "SERVERLESS_INSTRUMENT_LOCAL_PYTHON": sys.executable,
            "TEST_SCRATCH": str(scratch),
            **({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint} if endpoint else {}),
            **wanted.environ,
        }

    async def start(self) -> None:
        """Start the emulator; it starts the function with the first invocation."""
        with (self._scratch / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environ, stdout=log, stderr=log
            )
        await listening(self._port)
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_ANSWER_TIMEOUT_S))

    async def perform(self, step: Step) -> None:
        """Carry out one step."""
        if step.action == scenario.INVOKE:
            await self._invoke(step)
        elif step.action == scenario.CUT_CONNECTIONS:
            await self._backend.cut_idle_connections()
        elif step.action == scenario.AWAIT_SPANS:
            with contextlib.suppress(asyncio.TimeoutError):
                arrived = self._backend.received(step.count, step.payload)
                await asyncio.wait_for(arrived, _SPANS_TIMEOUT_S)
        elif step.action == scenario.SIGNAL_FORWARDER:
            os.kill(self._numbers("forwarder-pids")[-1], step.signal)
        else:
            raise ValueError(f"unknown step {step.action!r}")

    async def _invoke(self, step: Step) -> None:
        url = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        for _ in range(step.count):
            async with self._client.post(url, data=step.payload.encode()) as response:
                body = _text(await response.read())
            delivered, running = self._backend.span_count(), len(self._forwarders())
            self._answers.append(Answer(response.status, body, delivered, running))

    def _forwarders(self) -> list[int]:
        """Process ids of the running forwarders that have this environment's variables."""
        return forwarders(f"TEST_SCRATCH={self._scratch}")

    async def _forwarders_left(self) -> int:
        loop = asyncio.get_running_loop()
        patience_end_s = loop.time() + _FORWARDER_PATIENCE_S
        while self._forwarders() and loop.time() < patience_end_s:
            await asyncio.sleep(_FORWARDER_POLL_S)
        return len(self._forwarders())

    async def stop(self) -> Outcome:
        """SIGTERM to the emulator, which shuts its environment down, and what became of it all."""
        await self._client.close()
        self._process.send_signal(signal.SIGTERM)
        try:
            status = await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT_S)
        except asyncio.TimeoutError:
            self._process.kill()
            status = await self._process.wait()
        left = await self._forwarders_left()
        if self._collector is not None:
            await self._collector.stop()
        return Outcome(
            answers=tuple(self._answers),
            exports=self._backend.exports(),
            stdout=self._output("stdout"),
            stderr=self._output("stderr"),
            runtime_exits=tuple(self._numbers("runtime-exits")),
            forwarder_exits=tuple(self._numbers("forwarder-exits")),
            emulator_exit=status,
            emulator_log=self._output("log"),
            forwarders_left=left,
        )

    def _output(self, name: str) -> str:
        path = self._scratch / name
        return _text(path.read_bytes()) if path.exists() else ""

    def _numbers(self, name: str) -> list[int]:
        return [int(line) for line in self._output(name).split()]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@contextlib.asynccontextmanager
async def started(plan: Scenario, wanted: Environment) -> AsyncIterator[Emulator]:
    """The emulator of one environment, its backend, and its collector where it has one."""
    async with contextlib.AsyncExitStack() as stack:
        directory = tempfile.TemporaryDirectory(prefix="serverless-instrument-")
        scratch = Path(stack.enter_context(directory))
        backend = await stack.enter_async_context(serve(wanted.backend))
        collector = None
        if wanted.backend == scenario.COLLECTOR:
            collector = Collector(plan.collector, backend.url, scratch)
            await collector.start()
        emulator = Emulator(wanted, plan, scratch, backend, collector)
        await emulator.start()
        yield emulator


async def together(plan: Scenario, wanted: tuple[Environment, ...]) -> list[Outcome]:
    """Run environments side by side, one step at a time, each in turn."""
    async with contextlib.AsyncExitStack() as stack:
        emulators = [
            await stack.enter_async_context(started(plan, environment)) for environment in wanted
        ]
        for steps in itertools.zip_longest(*(environment.steps for environment in wanted)):
            for emulator, step in zip(emulators, steps, strict=True):
                if step is not None:
                    await emulator.perform(step)
        return [await emulator.stop() for emulator in emulators]


async def run(plan: Scenario) -> list[Outcome]:
    """The outcomes of `plan`, in the order of its environments."""
    # The mount point of each environment's own; what the forwarder would make.
    Path(wire.socket_path({})).parent.mkdir(mode=0o700, exist_ok=True)
    if plan.interleaved:
        return await together(plan, plan.environments)
    slots = asyncio.Semaphore(plan.parallel)

    async def alone(wanted: Environment) -> list[Outcome]:
        async with slots:
            return await together(plan, (wanted,))

    outcomes = await asyncio.gather(*(alone(wanted) for wanted in plan.environments))
    return [outcome for (outcome,) in outcomes]


def main() -> None:
    """Read the scenario, run it, print the outcomes."""
    plan = Scenario.from_json(sys.stdin.read())
    loopback_up()
    outcomes = asyncio.run(run(plan))
    json.dump([asdict(outcome) for outcome in outcomes], sys.stdout)


if __name__ == "__main__":
    main()
