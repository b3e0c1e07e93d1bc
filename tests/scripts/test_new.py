"""The recipes, followed to the letter in a copy of the tree, end green."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recipes import source_list

ROOT = Path(__file__).parents[2]
SOURCE = 'NAMES = (\n    "b",\n    "d",\n)\nSHORT = ("x", "y")\n'


def test_an_entry_goes_to_its_place_in_the_alphabet() -> None:
    for name, expected in (("a", "abd"), ("c", "bcd"), ("e", "bde")):
        after = source_list.with_entry(SOURCE, "NAMES", f'"{name}"', ordered=True)
        lines = "".join(f'    "{each}",\n' for each in expected)
        assert after == f'NAMES = (\n{lines})\nSHORT = ("x", "y")\n'


def test_a_row_goes_to_the_end() -> None:
    after = source_list.with_entry(SOURCE, "NAMES", '"a"', ordered=False)
    assert after.startswith('NAMES = (\n    "b",\n    "d",\n    "a",\n)\n')


@pytest.mark.parametrize(
    ("name", "entry", "why"),
    [
        ("NAMES", '"b"', 'has "b" already'),
        ("SHORT", '"z"', "no tuple SHORT"),
        ("OTHERS", '"z"', "no tuple OTHERS"),
    ],
)
def test_an_entry_that_cannot_be_added_is_refused(name: str, entry: str, why: str) -> None:
    with pytest.raises(source_list.RecipeError, match=why):
        source_list.with_entry(SOURCE, name, entry, ordered=True)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the recipes write to, and of the tests of it."""
    copy = tmp_path_factory.mktemp("recipe") / "tree"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("serverless_instrument", "scripts", "tests", "layer", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A module of the interpreter's, in the copy and with what stands there."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=tree,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{tree}:{tree / 'scripts'}"},
        capture_output=True,
        text=True,
        check=False,
    )


def new(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(tree, "recipes", "--root", str(tree), *arguments)


def test_a_new_trigger_is_complete_and_green(tree: Path) -> None:
    done = new(tree, "trigger", "fax_machine")
    assert done.returncode == 0, done.stderr
    module = "serverless_instrument/wrapper/triggers/fax_machine.py"
    registry = "serverless_instrument/wrapper/events/registry.py"
    assert module in done.stdout
    for command in (("check",), ("format", "--check")):
        judged = run(tree, "ruff", *command, module, registry)
        assert judged.returncode == 0, judged.stdout
    tests = ["tests/wrapper/triggers/test_events.py", "tests/wrapper/events/test_registry.py"]
    tested = run(tree, "pytest", "--no-header", "-p", "no:cacheprovider", "-v", *tests)
    assert tested.returncode == 0, tested.stdout[-3000:]
    for test in ("test_exactly_one_trigger_claims_each_event", "test_the_spans_of_each_event"):
        assert f"{test}[fax_machine] PASSED" in tested.stdout


@pytest.mark.parametrize(
    ("arguments", "reader"),
    [
        (["GREETING"], '"SERVERLESS_INSTRUMENT_GREETING", False, self.warnings'),
        (
            [
                "GUESTS",
                "--kind",
                "count",
                "--default",
                "7",
                "--read-by",
                "forwarder",
                "--section",
                "Delivery",
            ],
            '"SERVERLESS_INSTRUMENT_GUESTS", 7, self.warnings',
        ),
    ],
)
def test_a_new_setting_is_complete_and_green(tree: Path, arguments: list[str], reader: str) -> None:
    done = new(tree, "setting", *arguments)
    assert done.returncode == 0, done.stderr
    side = "forwarder/destinations" if "forwarder" in arguments else "wrapper"
    file = f"serverless_instrument/{side}/settings.py"
    assert reader in (tree / file).read_text()
    for command in (("check",), ("format", "--check")):
        judged = run(tree, "ruff", *command, file, "scripts/declared_settings.py")
        assert judged.returncode == 0, judged.stdout
    tested = run(tree, "pytest", "-p", "no:cacheprovider", "tests/test_declared_settings.py")
    assert tested.returncode == 0, tested.stdout[-3000:]
    assert f"| `SERVERLESS_INSTRUMENT_{arguments[0]}` |" in (tree / "docs/settings.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["FLUSH"], "SERVERLESS_INSTRUMENT_FLUSH is declared already"),
        (["lower"], "'lower' is no name for a setting"),
        (["WELCOME", "--default", "maybe"], "--default maybe: of a boolean, true or false"),
        (["WELCOME", "--kind", "count", "--default", "-"], "of a count, a whole number"),
        (["WELCOME", "--kind", "list", "--default", "a"], "a list has none"),
        (["WELCOME", "--section", "Endpoint"], "--section Endpoint: not one of Delivery, "),
    ],
)
def test_what_cannot_be_a_setting_writes_nothing(
    tree: Path, arguments: list[str], why: str
) -> None:
    declared = tree / "scripts/declared_settings.py"
    before = declared.read_text()
    done = new(tree, "setting", *arguments)
    assert done.returncode == 2
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert declared.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["connect"], 'NAMES has "connect" already; choose another name'),
        (["telegraph", "--key", "Details"], "--key Details: another source's"),
        (["Fax-Machine"], "'Fax-Machine' is no name for a trigger"),
        (["telegraph", "--key", 'a"b'], "letters, digits"),
    ],
)
def test_what_cannot_be_a_trigger_writes_nothing(
    tree: Path, arguments: list[str], why: str
) -> None:
    registry = tree / "serverless_instrument/wrapper/events/registry.py"
    before = registry.read_text()
    done = new(tree, "trigger", *arguments)
    assert done.returncode == 2
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert registry.read_text() == before
    assert not (registry.parents[1] / "triggers" / "telegraph.py").exists()
