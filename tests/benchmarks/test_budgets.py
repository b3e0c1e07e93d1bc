"""What each start costs may not grow unseen: instructions by callgrind, and the modules loaded.

The figures are in budgets.json. ``scripts/bench budgets --record`` writes them; a reviewer reads
the change.
"""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
from benchmark.starts import budget_file, counts, instructions, start_modules, verdict
from layer_build import bytecode, interpreters

from tests.integration.availability import missing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RECORDED = budget_file.read()
BUILDS: dict[str, Any] = RECORDED["builds"]
BUILD = budget_file.build()
APPLIES = verdict.recorded_as(BUILDS, BUILD)
# Where nothing is recorded for this version they skip under their names.
NAMES = sorted(BUILDS[APPLIES]["instructions"]) if APPLIES else list(counts.NAMES)


def need_record() -> None:
    if not APPLIES:
        pytest.skip(f"no budgets for {BUILD}; scripts/bench budgets --record makes them")


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
    found = verdict.yardstick(BUILDS, BUILD, measured[counts.INIT_HELLO].bare)
    assert found is not None
    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_it_costs_is_within_its_budget(
    name: str, measured: dict[str, counts.Counted], stick: verdict.Yardstick
) -> None:
    assert not verdict.count_problems(stick, {name: measured[name].added})


@pytest.mark.parametrize("start", start_modules.STARTS)
def test_a_start_loads_our_modules_that_are_recorded(start: str, opt: Path) -> None:
    recorded, loaded = start_modules.recorded(start), start_modules.loaded(start, opt)
    assert not verdict.module_problems(recorded, loaded, start)
    assert start_modules.seen(start, opt) <= recorded


@pytest.mark.parametrize("start", start_modules.STARTS)
def test_a_start_loads_the_others_that_are_recorded(start: str, opt: Path) -> None:
    need_record()
    found = start_modules.measured(start, opt)
    assert not verdict.start_problems(RECORDED, BUILDS[APPLIES], start, found)


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
    measured: dict[str, counts.Counted],
) -> None:
    """On a copy of the layer, with any Python: a module that nothing else there has loaded.

    What the layer takes without it stands for what would be recorded.
    """
    copy = tmp_path / "opt"
    shutil.copytree(opt, copy)
    add_import(copy / "python", f"serverless_instrument/{file}", module)
    (tmp_path / "counts").mkdir()
    before, after = (start_modules.measured(name, of).settled for of in (opt, copy))
    (problem,) = verdict.module_problems(before, after, name)
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
