"""Where the real parts are; scripts/test fetches them and says so in the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration import emulator, installed
from tests.integration.availability import missing
from tests.integration.interpreters import with_packages, with_runtime_client

EMULATOR = "SERVERLESS_INSTRUMENT_TEST_RIE"
COLLECTOR = "SERVERLESS_INSTRUMENT_TEST_ROTEL"
STORE = "SERVERLESS_INSTRUMENT_TEST_STORE"
LAYER = "SERVERLESS_INSTRUMENT_TEST_LAYER"
# What a function with clients brings along; the managed runtime has boto3 by itself.
CLIENTS = ("aiohttp", "awslambdaric>=3", "boto3", "httpx", "requests", "urllib3")


def program(variable: str) -> str:
    """The path of the program that `variable` names."""
    path = os.environ.get(variable, "")
    if not path:
        missing(f"{variable} is not set; run the tests with scripts/test, which fetches it")
    elif not os.access(path, os.X_OK):
        missing(f'{variable}="{path}" is not an executable file')
    return path


@pytest.fixture(scope="session")
def layer_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built layer."""
    given = os.environ.get(LAYER, "")
    if given:
        return Path(given)
    built = tmp_path_factory.mktemp("built") / "layer.zip"
    command = [str(emulator.ROOT / "scripts" / "build-layer"), "--output", str(built)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return built


@pytest.fixture(scope="session")
def layer(layer_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> emulator.Layer:
    """The built layer unpacked."""
    return emulator.unpack(layer_zip, tmp_path_factory.mktemp("opt"))


@pytest.fixture(scope="session")
def emulators(layer: emulator.Layer) -> emulator.Emulators:
    """AWS's emulator with the built layer."""
    problem = emulator.namespace_problem()
    if problem:
        missing(f"the emulator needs a private mount namespace: {problem}")
    return emulator.Emulators(program(EMULATOR), layer)


@pytest.fixture(scope="session")
def emulators_with_collector(emulators: emulator.Emulators) -> emulator.Emulators:
    """The same with a real collector."""
    return emulator.Emulators(emulators.binary, emulators.layer, program(COLLECTOR))


@pytest.fixture(scope="session")
def store() -> str:
    """The path of VictoriaMetrics.

    In CI, too, a machine without it skips: it is no wheel, so scripts/test cannot promise it.
    """
    path = os.environ.get(STORE, "")
    if not path:
        pytest.skip(f"no metrics store: {STORE} is not set; scripts/test says why as it starts")
    return program(STORE)


@pytest.fixture(scope="session")
def installed_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A function's directory into which the package is pip-installed."""
    return installed.install(tmp_path_factory.mktemp("installed") / "task")


@pytest.fixture(scope="session")
def clean_python() -> str:
    """A Python that has awslambdaric, as the managed runtime's, and nothing of OpenTelemetry."""
    return with_runtime_client(f"{sys.version_info[0]}.{sys.version_info[1]}")


@pytest.fixture(scope="session")
def clients_python() -> str:
    """A Python that has awslambdaric and the clients that the tests use, no OpenTelemetry."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return with_packages(version, "clients", *CLIENTS)
