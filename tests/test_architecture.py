"""Who may import whom, and what each process has loaded when it asks for its first event.

The rules are by folder; a new module needs no row. docs/architecture.md says why the processes
start as they do. What the starts load is recorded in tests/benchmarks/budgets.json.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from benchmark.starts import start_modules
from pure_modules import pure_modules

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "serverless_instrument"
NAME = PACKAGE.name


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The first rule: a module imports its neighbours and what stands before it here, within its own
# side, types included. The longest prefix counts.
ORDER = (
    "",  # what both processes share
    *("forwarder/http1", "forwarder/codec/", "forwarder/destinations/"),
    *("forwarder/patterns/", "forwarder/metrics/"),
    *("forwarder/exporter/", "forwarder/delivery/", "forwarder/extensions_api"),
    *("forwarder/telemetry_api/", "forwarder/faas_metrics/", "forwarder/outcomes/"),
    *("forwarder/inputs/", "forwarder/event_loop/", "forwarder/"),
    *("wrapper/records/", "wrapper/settings", "wrapper/events/", "wrapper/triggers/"),
    *("wrapper/invocation/", "wrapper/logs/", "wrapper/import_hooks/", "wrapper/otel/"),
    *("wrapper/metrics/", "wrapper/hooks/", "wrapper/", "api", "__init__"),
    *("local/function/", "local/environment/", "local/apis/", "local/view/", "local/", "cli"),
)
SIDES = ("forwarder", "wrapper", "local")

# Each costs a cold start more than all of ours together. Annotations do with `if TYPE_CHECKING:`.
DEAR = words(
    "typing dataclasses http urllib ssl asyncio inspect pathlib uuid argparse importlib.metadata "
    "email opentelemetry wrapt"
)
# What may not stand at the top of a module; the starts themselves are measured below.
ON_DEMAND: frozenset[str] = frozenset()  # loaded once the function has imported OpenTelemetry
NOT_AT_TOP = {
    "": DEAR | {"logging"},
    "wrapper/": DEAR,  # the runtime client has loaded logging already
    **dict.fromkeys(("wrapper/import_hooks/", "wrapper/otel/", "wrapper/hooks/"), ON_DEMAND),
    **dict.fromkeys(("wrapper/logs/", "wrapper/metrics/", "api"), ON_DEMAND),
    **dict.fromkeys(("local/", "cli"), ON_DEMAND),
}
# What acts; a pure module takes time, randomness and the environment as arguments.
ACTS = words(
    "os posix sys time _socket socket select selectors ssl subprocess signal _thread threading "
    "asyncio aiohttp tempfile random secrets uuid http urllib.request shutil pathlib io contextlib"
)


class Imports(ast.NodeVisitor):
    """Names that a module imports: at its top, inside functions, and for types."""

    def __init__(self, file: str) -> None:
        self.top: set[str] = set()
        self.inside: set[str] = set()
        self.types: set[str] = set()
        self._into = self.top
        self.tree = ast.parse((PACKAGE / file).read_text())
        self.visit(self.tree)

    def visit_Import(self, node: ast.Import) -> None:
        self._into.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "imports are absolute: a file's neighbours are read off its text"
        module = node.module or ""
        names = {f"{module}.{alias.name}" for alias in node.names}
        self._into.update(name if path_of(name) else module for name in names)

    def visit_If(self, node: ast.If) -> None:
        for_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        self._within(self.types if for_types else self._into, node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._within(self.inside, node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._within(self.inside, node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._within(self.inside, node)

    def _within(self, into: set[str], node: ast.AST) -> None:
        before, self._into = self._into, into
        self.generic_visit(node)
        self._into = before

    def ours(self) -> set[str]:
        """Files of ours, relative to the package, types included."""
        names = self.top | self.inside | self.types
        return {path for name in names if (path := path_of(name))}


def path_of(name: str) -> str:
    """The file of the module `name` of ours, relative to the package; "" if it is none."""
    if name != NAME and not name.startswith(NAME + "."):
        return ""
    below = name[len(NAME) + 1 :].replace(".", "/")
    for candidate in (f"{below}.py", f"{below}/__init__.py".lstrip("/")):
        if (PACKAGE / candidate).is_file():
            return candidate
    return ""


def all_files() -> list[str]:
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


imports = cache(Imports)


def longest(file: str, prefixes: Iterable[str]) -> str:
    return max((prefix for prefix in prefixes if file.startswith(prefix)), key=len)


def place(file: str) -> int:
    return ORDER.index(longest(file, ORDER))


def within(name: str, parents: Iterable[str]) -> bool:
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def side(file: str) -> str:
    first = file.partition("/")[0]
    return first if first in SIDES else ""


def test_every_rule_has_modules() -> None:
    assert {longest(file, ORDER) for file in all_files()} == set(ORDER)
    assert {longest(file, NOT_AT_TOP) for file in all_files()} == set(NOT_AT_TOP)


@pytest.mark.parametrize("file", all_files())
def test_nothing_is_imported_against_the_order(file: str) -> None:
    for imported in sorted(imports(file).ours()):
        assert place(imported) <= place(file), imported
        assert side(imported) in ("", side(file)) or side(file) == "", imported


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {file: imports(file).ours() - {file} for file in all_files()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("file", all_files())
def test_nothing_dear_is_imported_at_the_top(file: str) -> None:
    dear = NOT_AT_TOP[longest(file, NOT_AT_TOP)]
    assert not [name for name in imports(file).top if within(name, dear)]


@pytest.mark.parametrize("file", [file for file in all_files() if side(file) == "forwarder"])
def test_the_forwarder_needs_the_standard_library_only(file: str) -> None:
    found = imports(file)
    tops = {name.partition(".")[0] for name in found.top | found.inside}
    # Imported by its file's name, as the package may be what is broken.
    own = {NAME, "bare_next"} if file == "forwarder/__main__.py" else {NAME}
    assert tops <= {*sys.stdlib_module_names, *own}


@pytest.mark.parametrize("file", pure_modules())
def test_pure_modules_import_nothing_that_acts(file: str) -> None:
    """Modules whose docstring says "Pure."; coverage is held to them (scripts/test)."""
    found = imports(file.partition("/")[2])
    assert not [name for name in found.top | found.inside if within(name, ACTS)]


def test_folders_can_be_looked_through() -> None:
    for folder in {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE / "wrapper/triggers"}:
        assert len(list(folder.glob("*.py"))) <= 15, folder


# Modules of the standard library that a start may load besides what a bare one does.
OTHERS_LIMIT = {"init_hello": 5, "forwarder_register": 10, "forwarder_next": 15}


@pytest.mark.integration
@pytest.mark.parametrize("start", sorted(OTHERS_LIMIT))
def test_a_start_loads_what_is_recorded_and_little_besides(start: str) -> None:
    """The tree as the layer lays it out, without the packages it bundles: nothing may need them."""
    found = start_modules.measured(start)
    assert start_modules.loaded(start) == start_modules.recorded(start), "scripts/bench budgets"
    assert not [name for name in found.seen if within(name, DEAR)]
    others = {name for name in found.seen if not within(name, [NAME])}
    assert len(others) <= OTHERS_LIMIT[start], others
