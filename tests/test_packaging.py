"""The wheel that `pip install serverless-instrument` gets, and the sdist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import serverless_instrument

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.integration


# Quick, and of every kind: package, scripts, documents, and data files of the tests.
_SUBSET = "test_docs or test_lean_syntax or test_wire or test_plot or test_trace_view"


def build(target: str, source: Path, directory: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target]
    subprocess.run(
        [*command, "--directory", directory], cwd=source, check=True, capture_output=True
    )
    [built] = directory.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    directory = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))) as archive:
        archive.extractall(directory, filter="data")
    [top] = directory.iterdir()
    return top


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


def metadata(site_packages: Path) -> Message:
    [directory] = site_packages.glob("serverless_instrument-*.dist-info")
    return message_from_string((directory / "METADATA").read_text(encoding="utf-8"))


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
    [directory] = site_packages.glob("serverless_instrument-*.dist-info")
    assert (
        "serverless-instrument = serverless_instrument.cli:main"
        in (directory / "entry_points.txt").read_text()
    )


def test_it_says_where_the_project_lives(site_packages: Path) -> None:
    links = dict(link.split(", ") for link in metadata(site_packages).get_all("Project-URL", []))
    assert links.keys() == {"Homepage", "Documentation", "Source", "Changelog", "Issues"}
    assert all(url.startswith("https://github.com/") for url in links.values())


def test_continuous_integration_runs_every_python_that_is_promised(site_packages: Path) -> None:
    prefix = "Programming Language :: Python :: 3."
    classifiers = metadata(site_packages).get_all("Classifier", [])
    promised = [c.rpartition(" ")[2] for c in classifiers if c.startswith(prefix)]
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert f"python: {json.dumps(promised)}\n" in workflow
    assert "- run: .ci/run\n" in workflow


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


def test_the_sdist_makes_the_same_wheel(wheel: Path, unpacked: Path, tmp_path: Path) -> None:
    assert names(build("wheel", unpacked, tmp_path)) == names(wheel)


def test_the_sdist_has_every_test(unpacked: Path) -> None:
    def modules(root: Path) -> list[Path]:
        return sorted(path.relative_to(root) for path in (root / "tests").rglob("*.py"))

    assert modules(unpacked) == modules(ROOT)


def test_tests_pass_from_the_sdist(unpacked: Path) -> None:
    """All of them are collected, so that each finds what it imports, and some are run."""
    # `python -m` puts the unpacked package before the installed one.
    program = "import serverless_instrument; print(serverless_instrument.__file__)"
    imported = subprocess.run(
        [sys.executable, "-c", program], cwd=unpacked, capture_output=True, text=True, check=True
    )
    assert Path(imported.stdout.strip()).is_relative_to(unpacked)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [*command, "-k", _SUBSET],
        cwd=unpacked,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    for module in _SUBSET.split(" or "):
        assert list(unpacked.glob(f"tests/**/{module}.py")), module
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", result.stdout)}
    assert counts["passed"] > 30
    assert counts["deselected"] > 5000
