"""What the driver in the namespace is asked to do and what it tells: plain data, sent as JSON."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a Step does.
INVOKE = "invoke"  # POST `payload` to the emulator, `count` times
SIGNAL_FORWARDER = "signal forwarder"  # send it `signal`
CUT_CONNECTIONS = "cut connections"  # the backend closes its idle connections, unannounced
AWAIT_SPANS = "await spans"  # until the backend has had `count`, of name `payload`; or long enough

# How the backend treats the forwarder.
RECORDING = "recording"  # accepts and keeps everything
UNAVAILABLE = "unavailable"  # answers 503
HANGING = "hanging"  # reads and never answers
REFUSING = "refusing"  # nobody listens on the port
ABSENT = "absent"  # no endpoint is set
COLLECTOR = "collector"  # a real collector, which exports to a recording backend


@dataclass(frozen=True)
class Step:
    """One thing done to a running environment."""

    action: str
    payload: str = ""
    signal: int = 0
    count: int = 1


@dataclass(frozen=True)
class Environment:
    """One emulator from its start to its SIGTERM.

    Attributes:
        handler: the function's ``_HANDLER``.
        task_root: the function's directory.
        opt: directory shown read-only as /opt.
        environ: variables on top of the driver's own few.
        backend: one of the treatments above.
        prepare: shell commands to run first, in the same mount namespace.
        command: an image's entry point and command, in place of the managed runtime's bootstrap.
    """

    handler: str
    task_root: str
    opt: str
    steps: tuple[Step, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    backend: str = RECORDING
    prepare: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """Environments, `parallel` at a time; `interleaved`, all at once and step by step in turn."""

    emulator: str
    bootstrap: str
    environments: tuple[Environment, ...]
    parallel: int = 1
    interleaved: bool = False
    collector: str = ""

    def to_json(self) -> str:
        """The document that `from_json` reads."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Scenario:
        """The scenario of `to_json`."""
        document: dict[str, Any] = json.loads(text)
        environments = tuple(
            Environment(
                **{
                    **entry,
                    "steps": tuple(Step(**step) for step in entry["steps"]),
                    "command": tuple(entry["command"]),
                }
            )
            for entry in document.pop("environments")
        )
        return Scenario(environments=environments, **document)


@dataclass(frozen=True)
class Answer:
    """The emulator's answer to one invocation; undecodable bytes are surrogates.

    Attributes:
        delivered_spans: how many the backend had when the answer came.
        forwarders: how many of ours were running then.
    """

    status: int
    body: str
    delivered_spans: int = field(default=0, compare=False)
    forwarders: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Export:
    """One request that reached the backend; `body` is decompressed, in base64."""

    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def content(self) -> bytes:
        """The decompressed body."""
        return base64.b64decode(self.body)


@dataclass(frozen=True)
class Outcome:
    """What became of one environment.

    Attributes:
        answers: one for each INVOKE step.
        exports: requests that reached the backend, in order.
        stdout: the runtime process's standard output; likewise `stderr`.
        runtime_exits: exit statuses of runtime processes that ended of their own accord.
        forwarder_exits: exit statuses of forwarder processes, 128 + number for a signal.
        emulator_exit: the emulator's own, after SIGTERM.
        emulator_log: its log, with the extension's output and the platform's timings in it.
        forwarders_left: how many of ours were running two seconds after the emulator's end.
    """

    answers: tuple[Answer, ...]
    exports: tuple[Export, ...]
    stdout: str
    stderr: str
    runtime_exits: tuple[int, ...]
    forwarder_exits: tuple[int, ...]
    emulator_exit: int
    emulator_log: str
    forwarders_left: int = 0

    @staticmethod
    def from_document(document: dict[str, Any]) -> Outcome:
        """The outcome whose fields `document` has."""
        return Outcome(
            **{
                **document,
                "answers": tuple(Answer(**answer) for answer in document["answers"]),
                "exports": tuple(Export(**export) for export in document["exports"]),
                "runtime_exits": tuple(document["runtime_exits"]),
                "forwarder_exits": tuple(document["forwarder_exits"]),
            }
        )
