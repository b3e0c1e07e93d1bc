"""A function in the local Lambda, with the built layer and a backend: invocations in, spans out."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from tests.integration.emulator import Value, attributes, log_records, spans
from tests.integration.scenario import RECORDING
from tests.servers.relayed_backend import serve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_TIMEOUT_S = 280


@dataclass(frozen=True)
class Traced:
    """One finished span."""

    span: Span
    scope: str
    attributes: dict[str, Value]
    resource: dict[str, Value]

    @property
    def name(self) -> str:
        """The span's name."""
        return self.span.name

    def is_child_of(self, other: Traced) -> bool:
        """Whether `other` is its parent, in one trace."""
        ours, theirs = self.span, other.span
        return (ours.trace_id, ours.parent_span_id) == (theirs.trace_id, theirs.span_id)


@dataclass(frozen=True)
class Run:
    """What came of a function's invocations.

    Attributes:
        answers: the decoded responses or error documents, in order.
        spans: every span at the backend, in the order of their arrival.
        logs: every log record there.
        said: the function's output, the extension's lines with it.
        runtime_exit: the runtime process's exit code; None where it was still running.
    """

    answers: tuple[Any, ...]
    spans: tuple[Traced, ...]
    logs: tuple[LogRecord, ...]
    said: tuple[str, ...]
    runtime_exit: int | None

    @property
    def ours(self) -> list[str]:
        """The lines that we said ourselves."""
        return [line for line in self.said if line.startswith("serverless-instrument:")]

    def invocations(self) -> list[Traced]:
        """The spans of the invocations."""
        return [traced for traced in self.spans if "faas.trigger" in traced.attributes]

    def children(self) -> list[Traced]:
        """All other spans of invocations."""
        return [
            traced
            for traced in self.spans
            if "faas.trigger" not in traced.attributes and not traced.name.startswith("init")
        ]

    def init(self) -> list[Traced]:
        """The spans of init phases, each with its parts."""
        return [traced for traced in self.spans if traced.name.startswith("init")]


def run(
    handler: str,
    directory: Path,
    *events: object,
    layer: Path | None,
    python: str,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = 30,
    memory_mb: int = 0,
) -> Run:
    """Invoke `handler` once for each event, then shut the environment down.

    With `layer` None it is the bare function; `memory_mb` other than 0 is enforced.
    """
    config = LocalConfig(
        handler,
        directory,
        env=environ or {},
        layer=layer,
        python=python,
        instrumented=layer is not None,
        base_env={"PATH": "/usr/bin:/bin"},
        timeout_s=timeout_s,
    )
    if memory_mb:
        config.memory_mb, config.enforce_memory = memory_mb, True
    invocations = _run(config, events)
    return asyncio.run(asyncio.wait_for(invocations, _TIMEOUT_S))


async def _run(config: LocalConfig, events: tuple[object, ...]) -> Run:
    async with serve(RECORDING) as backend:
        config.env = {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.url, **config.env}
        async with LocalLambda(config) as function:
            answers = []
            for event in events:
                result = await function.invoke(json.dumps(event).encode())
                answers.append(json.loads(result.response or b"null"))
                await function.settled()
            runtime_exit = function.runtime_exit_code
            await function.shutdown()
            said = tuple(text for _, text in function.log_lines)
        found = tuple(
            Traced(span, scope.name, attributes(span.attributes), attributes(resource.attributes))
            for resource, scope, span in spans(backend.exports())
        )
        logs = log_records(backend.exports())
        return Run(tuple(answers), found, tuple(logs), said, runtime_exit)
