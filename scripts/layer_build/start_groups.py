"""Which modules of ours every start loads, in the order in which they can be executed.

The recorded modules of the starts (tests/benchmarks/budgets.json) decide; one that is missing there
is imported as any other, which is slower and no more.
"""

from __future__ import annotations

import ast
import json
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED = Path(__file__).resolve().parents[2] / "tests" / "benchmarks" / "budgets.json"
_PACKAGE = "serverless_instrument"
_MAIN = f"{_PACKAGE}.forwarder.main"


def start_groups(python: Path) -> dict[str, dict[str, list[str]]]:
    """{bundle: {group: modules}} for the package below `python`."""
    recorded = json.loads(RECORDED.read_text())["modules"]
    imports = {name: set(_imported_at_top(python, name)) for name in _modules(python)}
    runtime = _ordered(set(recorded["init_hello"]), imports)
    forwarder = _ordered(set(recorded["forwarder_next"]), imports)
    needed_by_main = _reachable(_MAIN, imports)
    return {
        "wrapper": {"start": runtime},
        "forwarder": {
            "next": [name for name in forwarder if name in needed_by_main],
            "idle": [name for name in forwarder if name not in needed_by_main],
        },
    }


def _modules(python: Path) -> list[str]:
    found = []
    for path in sorted((python / _PACKAGE).rglob("*.py")):
        name = path.relative_to(python).as_posix().removesuffix(".py").removesuffix("/__init__")
        if "/vendor/" not in name:
            found.append(name.replace("/", "."))
    return found


def _imported_at_top(python: Path, name: str) -> Iterator[str]:
    """Modules of ours that must be loaded before `name` is executed, its packages included."""
    yield from _parents(name)
    stem = python / name.replace(".", "/")
    beside = stem.with_suffix(".py")  # bundles.py stands beside the bundles
    file = beside if beside.exists() else stem / "__init__.py"
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PACKAGE):
            module = str(node.module)
            for found in (module, *(f"{module}.{alias.name}" for alias in node.names)):
                path = python / found.replace(".", "/")
                if found != name and (path.is_dir() or path.with_suffix(".py").exists()):
                    yield from _parents(found)
                    yield found


def _parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])


def _ordered(wanted: set[str], imports: dict[str, set[str]]) -> list[str]:
    graph = {name: sorted(needed - {name}) for name, needed in sorted(imports.items())}
    return [name for name in TopologicalSorter(graph).static_order() if name in wanted]


def _reachable(name: str, imports: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += imports.get(module, ())
    return found
