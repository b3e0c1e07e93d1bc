"""Which tests the default run leaves out, and how they are spread over the workers.

``scripts/test`` runs what is marked neither ``full`` nor ``timing``; ``scripts/test --all`` runs
everything, what is marked ``timing`` alone on the machine. Run without a marker expression, pytest
leaves nothing out: ``scripts/test -k wire -x``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.servers.aws_server import aws_server

if TYPE_CHECKING:
    from collections.abc import Iterator

_TESTS = Path(__file__).parent

# A time limit per example measures the machine's other load, not the code.
settings.register_profile("full", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)
settings.load_profile("full")

# Folders and files by the marks that all end-to-end tests in them get.
_MARKS: dict[str, tuple[str, ...]] = {
    "benchmarks/": ("full", "timing"),
    "integration/test_python_versions.py": ("full",),
    "integration/test_metrics_store.py": ("full",),
}
# Tests that use what is dear to make and made once for a session share a worker.
_SHARED_FIXTURES = ("aws_endpoint", "installed_task")
_MODULE_FIXTURE = 'scope="module"'


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by the rules above; end-to-end tests first, as they are the long ones."""
    seen: Counter[str] = Counter()
    by_module: dict[Path, list[pytest.Item]] = defaultdict(list)
    for item in items:
        by_module[item.path].append(item)
        _mark_by_place(item)
        variants = item.get_closest_marker("variants")
        if variants is not None:
            test = item.nodeid.partition("[")[0]
            seen[test] += 1
            if seen[test] > variants.args[0]:
                item.add_marker("full")
    for path, of_module in by_module.items():
        _group(path, of_module)
    items.sort(key=lambda item: item.get_closest_marker("integration") is None)


def _mark_by_place(item: pytest.Item) -> None:
    if item.get_closest_marker("integration") is None:
        return
    place = str(item.path.relative_to(_TESTS))
    for prefix, names in _MARKS.items():
        if place.startswith(prefix):
            for name in names:
                item.add_marker(name)


def _group(path: Path, items: list[pytest.Item]) -> None:
    """Keep together, on one worker, tests that share a fixture of their module or session."""
    if path.suffix != ".py":
        return
    used = {name for item in items for name in getattr(item, "fixturenames", ())}
    shared = [name for name in _SHARED_FIXTURES if name in used]
    of_module = _MODULE_FIXTURE in path.read_text()
    if not shared and not of_module:
        return
    name = shared[0] if shared else str(path.relative_to(_TESTS))
    for item in items:
        if of_module or name in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """AWS endpoints on loopback, a value for AWS_ENDPOINT_URL."""
    with aws_server(tmp_path_factory.mktemp("aws") / "moto.txt") as url:
        yield url
