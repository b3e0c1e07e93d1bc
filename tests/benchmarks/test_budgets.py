"""What each start costs may not grow unseen: instructions by callgrind, and the modules loaded.

The figures are in budgets.json. ``scripts/bench budgets --record`` writes them; a reviewer reads
the change.
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
from budgets import counts, starts, verdict
from budgets.__main__ import FILE, build
from layer_build import bytecode, interpreters
from start_cost import instructions
from start_cost.processes import Sandbox

from tests.integration.availability import missing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RECORDED: dict[str, Any] = json.loads(FILE.read_text())
APPLIES = verdict.recorded_as(RECORDED, build())
# Where nothing is recorded for this version they skip under their names.
NAMES = sorted(RECORDED[APPLIES]["instructions"]) if APPLIES else list(counts.NAMES)


def need_record() -> None:
    if not APPLIES:
        pytest.skip(f"no budgets for {build()}; scripts/bench budgets --record makes them")


@pytest.fixture(scope="module")
def measured(opt: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, counts.Counted]:
    """Everything that has a budget, counted in one go: two processors do it in half the time."""
    if not instructions.available():
        missing("valgrind is not installed, which counts instructions: apt install valgrind")
    return counts.measure(opt, tmp_path_factory.mktemp("counted"), NAMES)


@pytest.fixture(scope="module")
def stick(measured: dict[str, counts.Counted]) -> verdict.Yardstick:
    """The yardstick for this interpreter."""
    need_record()
    found = verdict.yardstick(RECORDED, build(), measured[counts.INIT_HELLO].bare)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def loaded(opt: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each start of the layer loads over the bare process."""
    scratch = tmp_path_factory.mktemp("modules")
    return starts.added_modules(Sandbox(scratch, opt), scratch)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_costs_is_within_its_budget(
    name: str, measured: dict[str, counts.Counted], stick: verdict.Yardstick
) -> None:
    assert not verdict.count_problems(stick, {name: measured[name].added})


@pytest.mark.parametrize(
    "start", ["init_hello", "init_boto", "forwarder_register", "forwarder_next"]
)
def test_a_start_loads_the_modules_that_are_recorded(
    start: str, loaded: dict[str, list[str]]
) -> None:
    need_record()
    recorded = RECORDED[APPLIES]["modules"][start]
    assert not verdict.module_problems(recorded, loaded[start], start)


@pytest.mark.parametrize(
    ("file", "name", "module"),
    [
        ("wrapper/bootstrap.py", counts.INIT_HELLO, "shlex"),
        ("forwarder/extensions_api.py", counts.REGISTERING, "_collections_abc"),
    ],
)
def test_an_import_on_a_start_path_is_noticed(
    opt: Path,
    tmp_path: Path,
    file: str,
    name: str,
    module: str,
    loaded: dict[str, list[str]],
    measured: dict[str, counts.Counted],
) -> None:
    """On a copy of the layer, with any Python: a module that nothing else there has loaded.

    What the layer takes without it stands for what would be recorded.
    """
    copy = tmp_path / "opt"
    shutil.copytree(opt, copy)
    add_import(copy / "python", f"serverless_instrument/{file}", module)
    (tmp_path / "starts").mkdir()
    (tmp_path / "counts").mkdir()
    found = starts.added_modules(Sandbox(tmp_path / "starts", copy), tmp_path)[name]
    (problem,) = verdict.module_problems(loaded[name], found, name)
    assert problem == f"{name} loads more than recorded: {module}"
    counted = counts.measure(copy, tmp_path / "counts", [name])[name]
    entry = {"instructions": {name: measured[name].added}}
    stick = verdict.Yardstick(entry, 1.0, verdict.TOLERANCE, "counted just now")
    (problem,) = verdict.count_problems(stick, {name: counted.added})
    assert problem.startswith(f"{name}: ")
    assert "make it cheaper, or raise the budget for all to see" in problem


def add_import(python: Path, file: str, module: str) -> None:
    """Put an import at the top of a module of the layer, and compile it as the build does."""
    path = python / file
    source = path.read_text()
    marker = "from __future__ import annotations\n"
    assert marker in source
    path.chmod(0o644)
    path.write_text(source.replace(marker, f"{marker}\nimport {module}\n", 1))
    shutil.rmtree(python / "serverless_instrument" / "bundles")
    bytecode.compile_tree(python, {interpreters.running(): sys.executable})
