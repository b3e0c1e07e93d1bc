"""The wheel that `pip install serverless-instrument` gets."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import serverless_instrument

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [built] = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site_packages(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as pip installs it."""
    directory = tmp_path_factory.mktemp("site-packages")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    command += ["--no-deps", "--no-index", "--target", str(directory), str(wheel)]
    subprocess.run(command, check=True)
    return directory


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_it_serves_every_python_and_platform(wheel: Path) -> None:
    version = serverless_instrument.__version__
    assert wheel.name == f"serverless_instrument-{version}-py3-none-any.whl"


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    assert {name.partition("/")[0] for name in names(wheel)} == {
        "serverless_instrument",
        f"serverless_instrument-{serverless_instrument.__version__}.dist-info",
    }
    assert not [name for name in names(wheel) if "__pycache__" in name or "tests" in name]


def test_it_is_typed_and_licensed(wheel: Path) -> None:
    assert "serverless_instrument/py.typed" in names(wheel)
    assert [name for name in names(wheel) if name.endswith(".dist-info/licenses/LICENSE")]


@pytest.mark.parametrize("program", ["wrapper/exec", "local/runtime/bootstrap"])
def test_programs_can_be_run_after_installation(site_packages: Path, program: str) -> None:
    assert os.access(site_packages / "serverless_instrument" / program, os.X_OK)


def test_the_exec_wrapper_finds_the_installed_package(site_packages: Path) -> None:
    wrapper = site_packages / "serverless_instrument/wrapper/exec"
    result = subprocess.run(
        [wrapper, "/bin/sh", "-c", 'echo "$_HANDLER $SERVERLESS_INSTRUMENT_HANDLER"'],
        env={"_HANDLER": "app.handler"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "serverless_instrument.wrapper.bootstrap.handler app.handler\n"
    assert result.stderr == ""


def test_it_installs_the_command(site_packages: Path) -> None:
    [metadata] = site_packages.glob("serverless_instrument-*.dist-info")
    assert (
        "serverless-instrument = serverless_instrument.cli:main"
        in (metadata / "entry_points.txt").read_text()
    )


def test_importing_the_package_imports_nothing_else(site_packages: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(site_packages)!r}); before = set(sys.modules);"
        "import serverless_instrument; print(sorted(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout in {
        "['serverless_instrument']\n",
        "['__future__', 'serverless_instrument']\n",
    }
