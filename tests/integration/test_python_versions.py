"""The layer under the other Pythons that this machine has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.emulator import FUNCTIONS, ROOT, WRAPPER, Emulators, invoke, spans
from tests.integration.events import event
from tests.integration.scenario import Environment
from tests.integration.test_error_documents import comparable

pytestmark = pytest.mark.integration

OTHERS = [
    version
    for version in ("3.10", "3.11", "3.12", "3.13", "3.14")
    if version != f"{sys.version_info[0]}.{sys.version_info[1]}"
]
RUNTIME_CLIENT = "awslambdaric>=3"


def interpreter(version: str) -> str:
    """Path of a Python of `version`; "" where there is none that runs."""
    found = shutil.which(f"python{version}")
    candidates = [found] if found else []
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    if os.access(pyenv, os.R_OK):
        candidates += [str(path) for path in pyenv.glob(f"{version}.*/bin/python")]
    for candidate in candidates:
        probe = [candidate, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
        completed = subprocess.run(probe, capture_output=True, text=True, check=False)
        if completed.stdout.strip() == version:
            return candidate
    return ""


def with_runtime_client(version: str) -> str:
    """Path of a Python of `version` that has awslambdaric, in an environment kept in .cache."""
    base = interpreter(version)
    if not base:
        pytest.skip(f"there is no python{version} here")
    directory = ROOT / ".cache" / f"python-{version}-awslambdaric"
    python, ready = str(directory / "bin" / "python"), directory / "ready"
    if not ready.exists():
        make = [base, "-m", "venv", "--clear", str(directory)]
        install = [python, "-m", "pip", "install", "--quiet", RUNTIME_CLIENT]
        for command in (make, install):
            completed = subprocess.run(command, capture_output=True, text=True, check=False)
            if completed.returncode:
                pytest.skip(f"no awslambdaric for python{version}: {completed.stderr.strip()}")
        ready.touch()
    return python


@pytest.mark.parametrize("version", OTHERS)
def test_layer_works_under_another_python(emulators: Emulators, version: str) -> None:
    python = {"SERVERLESS_INSTRUMENT_LOCAL_PYTHON": with_runtime_client(version)}
    wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER}
    web, failing = str(FUNCTIONS / "web"), str(FUNCTIONS / "failing")
    request, nothing = (invoke(event("http_api_v2")),) * 2, (invoke({}),)
    full, empty = str(emulators.layer.full), str(emulators.layer.empty)
    served, raised, bare, uncallable, bare_uncallable = emulators.run(
        Environment("app.handler", web, full, request, {**python, **wrapper}),
        Environment("app.raises_with_cause", failing, full, nothing, {**python, **wrapper}),
        Environment("app.raises_with_cause", failing, empty, nothing, python),
        Environment("app.takes_nothing", failing, full, nothing, {**python, **wrapper}),
        Environment("app.takes_nothing", failing, empty, nothing, python),
    )
    names = [span.name for _, _, span in spans(served.exports)]
    assert names == ["GET /items/{id}", "GET /items/{id}"]
    seen = json.loads(json.loads(served.answers[0].body)["body"])
    assert seen["handler"] == "app.handler"
    assert seen["python"] == version
    assert (served.stderr, served.forwarder_exits) == ("", (0,))
    for ours, without in ((raised, bare), (uncallable, bare_uncallable)):
        assert comparable(ours.answers[0].body) == comparable(without.answers[0].body)
        assert comparable(ours.stdout) == comparable(without.stdout)
        assert len(spans(ours.exports)) == 1
