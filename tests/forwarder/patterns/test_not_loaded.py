"""Without patterns nothing of them is loaded, whatever comes in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import serverless_instrument
from tests.forwarder import encoded

ROOT = Path(serverless_instrument.__file__).parents[1]
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
environ = {"SERVERLESS_INSTRUMENT_MASK": sys.argv[2]}
from serverless_instrument.forwarder import processing
from serverless_instrument.forwarder.delivery.batch import Batch
from serverless_instrument.forwarder.intake import Intake, Session
from serverless_instrument.forwarder.outcomes.outcomes import Outcomes
from serverless_instrument.forwarder.telemetry_api.log_intake import LogIntake
from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings
batch = Batch()
settings = LogSettings(environ, has_destination=True, takes_metrics=True)
logs = LogIntake(settings, {}, batch, print)
intake = Intake(batch, logs, Outcomes({}, batch, 0), None)
assert intake.read_frames(Session(), bytes.fromhex(sys.argv[3]))[1] == ""
assert batch.take_exports()
print(*sys.modules)
"""


@pytest.mark.parametrize(("mask", "loaded"), [("", False), ("secret", True)])
def test_re_and_the_walker_are_loaded_for_patterns_only(mask: str, loaded: bool) -> None:
    frames = [encoded.hello(), encoded.start("a"), encoded.logs(["x"]), encoded.end("a")]
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(ROOT), mask, b"".join(frames).hex()]
    modules = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert ("re" in modules) == loaded
    own = {name for name in modules if ".forwarder.patterns." in name}
    alone = {"serverless_instrument.forwarder.patterns.patterns"}
    assert (own > alone) == loaded
    assert loaded or own == alone
