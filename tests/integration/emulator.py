"""AWS's Runtime Interface Emulator in a namespace of its own: a scenario in, its outcomes out.

The namespace (https://man7.org/linux/man-pages/man1/unshare.1.html) gives each run its own /opt,
which is where the emulator and the platform look for extensions, its own loopback ports and its own
processes, all of which end with it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.scenario import INVOKE, Environment, Export, Outcome, Scenario, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "tests" / "functions"
BOOTSTRAP = ROOT / "serverless_instrument" / "local" / "runtime" / "bootstrap"
WRAPPER = "/opt/serverless-instrument"

_TIMEOUT_S = 280

# Stands in for the launcher, under its name: runs it and writes down its process id and how it
# ended. A background command of sh ignores SIGINT, which nobody sends.
_LAUNCHER_SHIM = """#!/bin/sh
/opt/launcher/serverless-instrument &
echo "$!" >> "$TEST_SCRATCH/forwarder-pids"
wait "$!"
status=$?
echo "$status" >> "$TEST_SCRATCH/forwarder-exits"
exit "$status"
"""


def namespace_command() -> list[str]:
    """The command that enters the namespace; unprivileged users get a user namespace with it."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "-m", "-n", "-p", "-f", "--kill-child", "--mount-proc"]


def namespace_problem() -> str:
    """Why the namespace cannot be had here, or ""."""
    if not Path("/opt").is_dir():
        return "/opt does not exist, so nothing can be mounted there"
    try:
        subprocess.run(
            [*namespace_command(), "mount", "-t", "tmpfs", "tmpfs", "/opt"],
            check=True,
            capture_output=True,
            timeout=30,
        )
    except FileNotFoundError as error:
        return f"{error.filename} is not installed (util-linux)"
    except subprocess.SubprocessError as error:
        output = getattr(error, "stderr", None) or b""
        return f"unshare is not permitted: {output.decode(errors='replace').strip() or error}"
    return ""


@dataclass(frozen=True)
class Layer:
    """The built layer unpacked, in the three forms in which the tests mount it at /opt.

    Attributes:
        full: as built, but that the forwarder's exit status is written down.
        no_extension: without its extension.
        empty: nothing at all: the bare function.
    """

    full: Path
    no_extension: Path
    empty: Path


def unpack(archive: Path, directory: Path) -> Layer:
    """The layer of `archive` below `directory`."""
    layer = Layer(directory / "full", directory / "no-extension", directory / "empty")
    layer.empty.mkdir(parents=True)
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            path = Path(opened.extract(member, layer.full))
            if not member.is_dir():
                path.chmod(stat.S_IMODE(member.external_attr >> 16))
    shutil.copytree(layer.full, layer.no_extension)
    shutil.rmtree(layer.no_extension / "extensions")
    (layer.full / "extensions").rename(layer.full / "launcher")
    shim = layer.full / "extensions" / "serverless-instrument"
    shim.parent.mkdir()
    shim.write_text(_LAUNCHER_SHIM)
    shim.chmod(0o755)
    return layer


@dataclass(frozen=True)
class Emulators:
    """Runs scenarios; `binary` and `collector` are the emulator's and rotel's paths."""

    binary: str
    layer: Layer
    collector: str = ""

    def run(
        self,
        *environments: Environment,
        parallel: int = 1,
        interleaved: bool = False,
    ) -> list[Outcome]:
        """The outcomes of `environments`, in their order."""
        plan = Scenario(
            self.binary, str(BOOTSTRAP), environments, parallel, interleaved, self.collector
        )
        completed = subprocess.run(
            [*namespace_command(), sys.executable, "-m", "tests.integration.emulator_driver"],
            input=plan.to_json(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        assert completed.returncode == 0, f"the driver failed:\n{completed.stderr}"
        return [Outcome.from_document(document) for document in json.loads(completed.stdout)]


def invoke(event: object, *, times: int = 1) -> Step:
    """An invocation, or several, with `event` as its JSON payload."""
    return Step(INVOKE, json.dumps(event), count=times)


def durations_ms(outcome: Outcome) -> list[float]:
    """How long the runtime took over each invocation, as the platform measured it.

    From handing over the event to the runtime's asking for the next one: the extensions' time after
    that is not in it.
    """
    found = re.findall(r"INVOKE RTDONE\(.*?duration: ([\d.]+)ms\)", outcome.emulator_log)
    return [float(duration_ms) for duration_ms in found]


def spans(exports: Sequence[Export]) -> list[tuple[Resource, InstrumentationScope, Span]]:
    """Every span of `exports`, decoded by the official protobuf classes."""
    found = []
    for export in exports:
        if export.path != "/v1/traces":
            continue
        request = ExportTraceServiceRequest.FromString(export.content)
        found += [
            (group.resource, scoped.scope, span)
            for group in request.resource_spans
            for scoped in group.scope_spans
            for span in scoped.spans
        ]
    return found


def log_records(exports: Sequence[Export]) -> list[LogRecord]:
    """Every log record of `exports`, decoded as `spans` does."""
    return [
        record
        for export in exports
        if export.path == "/v1/logs"
        for group in ExportLogsServiceRequest.FromString(export.content).resource_logs
        for scoped in group.scope_logs
        for record in scoped.log_records
    ]


def billed_ms(outcome: Outcome) -> list[float]:
    """How long each invocation lasted until the extensions were done with it as well."""
    return [float(ms) for ms in re.findall(r"\tDuration: ([\d.]+) ms", outcome.emulator_log)]


Value = str | bool | int | float | list["Value"] | None


def attributes(pairs: Sequence[KeyValue]) -> dict[str, Value]:
    """Attributes with their values as Python's own types, which tell the wire's types apart."""
    names = [pair.key for pair in pairs]
    assert len(set(names)) == len(names), f"an attribute came twice: {names}"
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(message: AnyValue) -> Value:
    kind = message.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in message.array_value.values]
    assert kind in ("string_value", "bool_value", "int_value", "double_value"), kind
    value: Value = getattr(message, kind)
    return value
