"""Another product's exec wrapper beside ours: before it, after it, in its own style."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.emulator import FUNCTIONS, WRAPPER, Emulators, invoke, spans
from tests.integration.scenario import Environment, Outcome

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

# In the style of OpenTelemetry's own layer: takes the runtime's command apart and puts a program
# of its own before the script, with PYTHONPATH set for it and taken away again.
# https://github.com/open-telemetry/opentelemetry-lambda/blob/main/python/src/otel/otel_sdk/otel-instrument
PUTS_A_PROGRAM_BEFORE = """#!/bin/sh
args=""
for argument in "$@"; do
    args="$args $argument"
done
export OTHER_SAW_HANDLER="$_HANDLER"
export OTHER_ARGUMENTS="$#"
interpreter="$1"
shift
exec "$interpreter" {program} "$interpreter" "$@"
"""
PROGRAM = """
import os, sys
os.environ["OTHER_PROGRAM"] = "ran"
os.execv(sys.argv[1], sys.argv[1:])
"""
# In the style of Datadog's: points the handler at its own and remembers the function's.
# https://github.com/DataDog/datadog-lambda-extension/blob/main/scripts/datadog_wrapper
REDIRECTS_THE_HANDLER = """#!/bin/bash
args=("$@")
export OTHER_HANDLER="$_HANDLER"
export _HANDLER="other_handler.handler"
exec "${args[@]}"
"""
# In the style of New Relic's and of Lambda's own documentation: adds options to the command.
# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper
ADDS_OPTIONS = """#!/bin/bash
args=("$@")
extra_args=("-X" "importtime")
args=("${args[@]:0:$#-1}" "${extra_args[@]}" "${args[@]: -1}")
export COLOUR="dark red; $(true)"
exec "${args[@]}"
"""
IN_PYTHON = """#!{python}
import os, sys
os.environ["COLOUR"] = "dark red"
os.execv(sys.argv[1], sys.argv[1:])
"""


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def run(emulators: Emulators, task: Path, wrapper: str, **environ: str) -> tuple[Any, Outcome]:
    """What the function saw in its second invocation, and the outcome."""
    (outcome,) = emulators.run(
        Environment(
            "app.look",
            str(task),
            str(emulators.layer.full),
            (invoke({"q": "tea"}), invoke({"q": "pot"})),
            {"AWS_LAMBDA_EXEC_WRAPPER": wrapper, **environ},
        )
    )
    assert len(spans(outcome.exports)) == 2, outcome.stderr
    assert outcome.forwarder_exits == (0,)
    assert "serverless-instrument:" not in outcome.stderr + outcome.emulator_log
    return json.loads(outcome.answers[1].body), outcome


@pytest.fixture
def probe() -> Path:
    return FUNCTIONS / "probe"


def test_program_before_the_script(emulators: Emulators, probe: Path, tmp_path: Path) -> None:
    program = script(tmp_path / "program.py", PROGRAM)
    other = script(tmp_path / "otel-handler", PUTS_A_PROGRAM_BEFORE.format(program=program))
    seen, _ = run(emulators, probe, WRAPPER, SERVERLESS_INSTRUMENT_NEXT_WRAPPER=other)
    assert seen["environ"]["OTHER_PROGRAM"] == "ran"
    assert seen["environ"]["OTHER_ARGUMENTS"] == "2"  # the interpreter and its script
    # The next wrapper is after ours, so that ours has redirected the handler by then.
    assert seen["environ"]["OTHER_SAW_HANDLER"] == "serverless_instrument.wrapper.bootstrap.handler"
    assert seen["environ"]["_HANDLER"] == "app.look"


def test_options_added(emulators: Emulators, probe: Path, tmp_path: Path) -> None:
    other = script(tmp_path / "other wrapper", ADDS_OPTIONS)
    seen, outcome = run(emulators, probe, WRAPPER, SERVERLESS_INSTRUMENT_NEXT_WRAPPER=other)
    assert seen["environ"]["COLOUR"] == "dark red; "
    assert "import time:" in outcome.stderr  # the option did its work
    before, ours = (
        run(emulators, probe, script(tmp_path / "first", f"#!/bin/sh\n{line}\n"))[0]
        for line in (f'export COLOUR=red\nexec {WRAPPER} "$@"', f'exec {WRAPPER} "$@"')
    )
    assert before["environ"].pop("COLOUR") == "red"
    assert before["path"] == ours["path"] == seen["path"]


def test_written_in_python(emulators: Emulators, probe: Path, tmp_path: Path) -> None:
    other = script(tmp_path / "other", IN_PYTHON.format(python="/usr/bin/env python3"))
    seen, _ = run(emulators, probe, WRAPPER, SERVERLESS_INSTRUMENT_NEXT_WRAPPER=other)
    assert seen["environ"]["COLOUR"] == "dark red"
    assert seen["environ"]["_HANDLER"] == "app.look"


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "ours second"])
def test_handler_of_the_others(emulators: Emulators, tmp_path: Path, ours_first: bool) -> None:
    """Both redirect the handler: each finds what the one before has left."""
    task = tmp_path / "task"
    task.mkdir()
    (task / "app.py").write_text((FUNCTIONS / "probe" / "app.py").read_text())
    (task / "other_handler.py").write_text(
        "import importlib, os\n"
        "name, _, function = os.environ['OTHER_HANDLER'].rpartition('.')\n"
        "module = importlib.import_module(name)\n"
        "def handler(event, context):\n"
        "    os.environ['OTHER_RAN'] = 'yes'\n"
        "    return getattr(module, function)(event, context)\n"
    )
    other = script(tmp_path / "datadog_wrapper", REDIRECTS_THE_HANDLER)
    if ours_first:
        chain = {"wrapper": WRAPPER, "SERVERLESS_INSTRUMENT_NEXT_WRAPPER": other}
    else:
        both = script(tmp_path / "both", f'#!/bin/sh\nexec {other} {WRAPPER} "$@"\n')
        chain = {"wrapper": both}
    seen, outcome = run(emulators, task, **chain)
    assert seen["environ"]["OTHER_RAN"] == "yes"
    assert seen["event"] == {"q": "pot"}
    assert [span.name for _, _, span in spans(outcome.exports)] == ["test_function"] * 2
