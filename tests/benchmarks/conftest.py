"""The built layer, which is what is measured."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from benchmark.sandbox.processes import unpack

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer unpacked, as Lambda has it at /opt."""
    built = os.environ.get("SERVERLESS_INSTRUMENT_TEST_LAYER", "")
    if not built:
        built = str(tmp_path_factory.mktemp("built") / "layer.zip")
        command = [str(ROOT / "scripts" / "build-layer"), "--output", built]
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
        assert completed.returncode == 0, completed.stderr
    directory = tmp_path_factory.mktemp("layer") / "opt"
    unpack(Path(built), directory)
    return directory
