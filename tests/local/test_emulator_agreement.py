"""Our Extensions API and that of AWS's emulator, asked the same by the same extension."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from serverless_instrument.local.sandbox import LocalLambda
from tests.integration.availability import missing
from tests.integration.conftest import EMULATOR, program
from tests.integration.emulator import ROOT, namespace_command, namespace_problem
from tests.local.raw_layer import FUNCTIONS, make_raw_layer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.raw_layer import RawLayer

pytestmark = pytest.mark.integration

EXTENSION = "/2020-01-01/extension"
IDENTIFIER = "Lambda-Extension-Identifier"
ERROR_TYPE = "Lambda-Extension-Function-Error-Type"
OURS = {IDENTIFIER: "$ID"}
UNKNOWN = {IDENTIFIER: "00000000-0000-4000-8000-000000000000"}
RAW = {"Lambda-Extension-Name": "raw"}
ANOTHER = {"Lambda-Extension-Name": "another"}

SCRIPT = {
    "before_register": [
        ["POST", f"{EXTENSION}/register", {}, '{"events":["INVOKE"]}'],
        ["POST", f"{EXTENSION}/register", RAW, '{"events":["BOGUS"]}'],
        ["POST", f"{EXTENSION}/register", ANOTHER, '{"events":["SHUTDOWN"]}'],
        ["GET", f"{EXTENSION}/event/next", {}, None],
        ["GET", f"{EXTENSION}/event/next", {IDENTIFIER: "x"}, None],
        ["GET", f"{EXTENSION}/event/next", UNKNOWN, None],
    ],
    "script": [
        ["POST", f"{EXTENSION}/register", RAW, '{"events":["INVOKE"]}'],
        ["POST", f"{EXTENSION}/init/error", OURS, "{}"],
        ["POST", f"{EXTENSION}/exit/error", OURS, "{}"],
        ["POST", f"{EXTENSION}/init/error", {ERROR_TYPE: "A.B"}, "{}"],
        ["POST", f"{EXTENSION}/exit/error", {**UNKNOWN, ERROR_TYPE: "A.B"}, "{}"],
        ["PUT", "/2020-08-15/logs", OURS, "{}"],
    ],
    "on_invoke": [
        ["POST", f"{EXTENSION}/register", RAW, '{"events":["INVOKE"]}'],
        ["POST", f"{EXTENSION}/register", ANOTHER, '{"events":["INVOKE"]}'],
        ["POST", f"{EXTENSION}/init/error", {**OURS, ERROR_TYPE: "A.B"}, "{}"],
    ],
}


RUNTIME = "/2018-06-01/runtime"
# From inside an invocation.
RUNTIME_CALLS = [
    ["POST", f"{RUNTIME}/invocation/other/response", {}, "1"],
    ["POST", f"{RUNTIME}/invocation/other/error", {}, "{}"],
    ["GET", f"{RUNTIME}/invocation/next", {}, None],
    ["POST", f"{RUNTIME}/init/error", {}, "{}"],
    ["POST", f"{EXTENSION}/register", ANOTHER, '{"events":["INVOKE"]}'],
]


def under_emulator(raw_layer: RawLayer, handler: str, event: str) -> str:
    problem = namespace_problem()
    if problem:
        missing(f"the emulator needs a private mount namespace: {problem}")
    config = raw_layer.config(handler, SCRIPT)
    once = [sys.executable, "-m", "tests.local.emulator_once"]
    command = [*namespace_command(), *once, program(EMULATOR)]
    environment = {**os.environ, **config.env, "PYTHONPATH": f"{ROOT}:{FUNCTIONS}"}
    finished = subprocess.run(
        [*command, str(raw_layer.directory), handler, event],
        cwd=FUNCTIONS,
        env=environment,
        capture_output=True,
        timeout=100,
        check=True,
    )
    return finished.stdout.decode()


def here(raw_layer: RawLayer, handler: str, event: str) -> str:
    async def scenario() -> str:
        async with LocalLambda(raw_layer.config(handler, SCRIPT)) as sandbox:
            return (await sandbox.invoke(event.encode())).response.decode()

    return asyncio.run(scenario())


def answers(raw_layer: RawLayer) -> list[Any]:
    """(request, status, document) of the script, without what differs from run to run."""
    (registered,) = raw_layer.entries("register")
    identifier = registered["answer"][1][IDENTIFIER]
    seen = []
    for entry in raw_layer.entries("answer"):
        status, _, document = entry["answer"]
        for name, text in document.items():
            document[name] = text.replace(identifier, "$ID")
        seen.append((entry["request"], status, document))
    return seen


def test_every_answer_to_an_extension_is_the_emulators(tmp_path: Path) -> None:
    theirs, ours = make_raw_layer(tmp_path / "theirs"), make_raw_layer(tmp_path / "ours")
    assert under_emulator(theirs, "app.echo", "[1]") == here(ours, "app.echo", "[1]") == "[1]"
    for mine, emulators in zip(answers(ours), answers(theirs), strict=True):
        assert mine == emulators
    for what in ("register", "event"):
        assert len(theirs.entries(what)) == len(ours.entries(what))
    _, their_headers, their_document = theirs.entries("register")[0]["answer"]
    _, our_headers, our_document = ours.entries("register")[0]["answer"]
    assert IDENTIFIER in their_headers.keys() & our_headers.keys()
    assert their_document.keys() == our_document.keys()
    for one, other in zip(theirs.events(), ours.events(), strict=True):
        # The emulator has no trace header to pass on, on account of not being given one.
        assert one.keys() == other.keys() - {"tracing"}
        assert one["eventType"] == other["eventType"]
    assert theirs.events()[-1]["shutdownReason"] == "SandboxTerminated"


def test_every_answer_to_a_runtime_is_the_emulators(tmp_path: Path) -> None:
    event = json.dumps(RUNTIME_CALLS)
    theirs = json.loads(under_emulator(make_raw_layer(tmp_path / "theirs"), "app.call_api", event))
    ours = json.loads(here(make_raw_layer(tmp_path / "ours"), "app.call_api", event))
    for mine, emulators in zip(ours, theirs, strict=True):
        assert mine[0] == emulators[0]
        assert json.loads(mine[2]) == json.loads(emulators[2])
        assert mine[1]["Content-Type"] == emulators[1]["Content-Type"]
