"""One case run once: what its function answered, wrote and sent."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from serverless_instrument.local.otlp_receiver import OtlpReceiver
from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from serverless_instrument.local.view import otlp_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from case_runner.declared import Needs

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Outcome:
    """What came of all invocations of one trial.

    Attributes:
        answers: (status, response or error document) of each invocation.
        cpu_ms: CPU time of the runtime process in each invocation, in steps of a clock tick.
        lines: what the function wrote, as the platform cut it into lines.
        spans, records, metrics: what arrived, as `otlp_data` has it.
        bodies: every request's body, decompressed.
    """

    answers: list[tuple[str, str]] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


async def run(
    directory: Path,
    needs: Needs,
    python: str,
    layer: Path,
    servers: Mapping[str, str],
    *,
    instrumented: bool,
) -> Outcome:
    """Run the case in `directory`, bare or with `layer`, to the end of its environment."""
    outcome = Outcome()
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(OtlpReceiver())
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url} if instrumented else {}
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        config = LocalConfig(
            handler=needs.handler,
            directory=directory,
            env={**credentials, **servers, **endpoint, **needs.env},
            layer=layer,
            python=python,
            timeout_s=needs.timeout_s,
            memory_mb=needs.memory_mb,
            instrumented=instrumented,
            framed_logs=needs.framed,
            base_env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        )
        sandbox = await stack.enter_async_context(LocalLambda(config))
        for event in events(directory):
            await _invoke(sandbox, event, outcome)
            await asyncio.sleep(needs.gap_s)
        await sandbox.shutdown()
        outcome.lines = [text for source, text in sandbox.log_lines if source == "function"]
        outcome.spans = [otlp_data.span(*item) for item in receiver.spans()]
        outcome.records = [otlp_data.log_record(*item) for item in receiver.log_records()]
        outcome.metrics = [otlp_data.metric(*item) for item in receiver.metric_points()]
        outcome.bodies = [body for _, _, body in receiver.raw]
    return outcome


def events(directory: Path) -> Sequence[Any]:
    """The events of a case: ``events.json``, a list; one empty object if there is none.

    Raises:
        ValueError: the file is no JSON list.
    """
    file = directory / "events.json"
    if not file.exists():
        return [{}]
    try:
        found = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if not isinstance(found, list):
        raise ValueError(f"{file}: not a list of events")
    return found


async def _invoke(sandbox: LocalLambda, event: object, outcome: Outcome) -> None:
    before_ms = _cpu_ms(sandbox.runtime_pid)
    result = await sandbox.invoke(json.dumps(event).encode())
    after_ms = _cpu_ms(sandbox.runtime_pid)
    await sandbox.settled()
    outcome.cpu_ms.append(after_ms - before_ms if before_ms and after_ms else after_ms)
    outcome.answers.append((result.status, result.response.decode("utf-8", "replace")))


def _cpu_ms(pid: int | None) -> float:
    """CPU time of the process so far, in milliseconds; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: utime and stime
    return (int(fields[11]) + int(fields[12])) * 1000 / _TICKS
