"""Which tests the default run leaves out, how tests are spread over workers, and what all may use.

``scripts/test`` runs what is marked neither ``full`` nor ``timing``; ``scripts/test --all`` runs
everything, and what is marked ``timing`` alone on the machine. Run without a marker expression,
pytest leaves nothing out: ``scripts/test -k wire -x``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests import workers
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by the rules above, before marker expressions are looked at; long tests first."""
    seen: Counter[str] = Counter()
    for item in items:
        _mark_by_place(item)
        variants = item.get_closest_marker("variants")
        if variants is not None:
            test = item.nodeid.partition("[")[0]
            seen[test] += 1
            if seen[test] > variants.args[0]:
                item.add_marker("full")
    items.sort(key=lambda item: workers.rank(item.nodeid))


def _mark_by_place(item: pytest.Item) -> None:
    if item.get_closest_marker("integration") is None:
        return
    place = str(item.path.relative_to(_TESTS))
    for prefix, names in _MARKS.items():
        if place.startswith(prefix):
            for name in names:
                item.add_marker(name)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> workers.Scheduling:
    """Spread tests over workers as `workers` says."""
    return workers.Scheduling(config, log)


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """AWS endpoints on loopback, a value for AWS_ENDPOINT_URL."""
    with aws_server(tmp_path_factory.mktemp("aws") / "moto.txt") as url:
        yield url
