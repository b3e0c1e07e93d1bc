from __future__ import annotations

from importlib import import_module, metadata
from importlib.util import find_spec

import pytest

from serverless_instrument.wrapper.hooks.run import _PACKAGES
from serverless_instrument.wrapper.hooks.table import INSTRUMENTATIONS, OWN_FILES

PACKAGE = "opentelemetry.instrumentation"


def package(name: str) -> str:
    return f"{PACKAGE}.{_PACKAGES.get(name, name)}"


INSTALLED = [
    (name, class_name)
    for name, class_name in INSTRUMENTATIONS.values()
    if find_spec(package(name)) is not None and name != "aiobotocore"
]


@pytest.mark.parametrize(("name", "class_name"), INSTALLED)
def test_the_class_of_each_installed_instrumentation(name: str, class_name: str) -> None:
    assert hasattr(import_module(package(name)), class_name)


def test_names_are_those_of_the_entry_points() -> None:
    """The names are those of ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``, as in other tools."""
    named = {
        entry_point.value: entry_point.name
        for entry_point in metadata.entry_points(group="opentelemetry_instrumentor")
    }
    table = {
        f"{package(name)}:{class_name}": name for name, class_name in INSTRUMENTATIONS.values()
    }
    both = named.keys() & table.keys()
    assert len(both) >= 6  # those of the layer
    # aiohttp's package and its entry point have different names; both are in use.
    differing = {key: (table[key], named[key]) for key in both if table[key] != named[key]}
    assert set(differing.values()) <= {("aiohttp_client", "aiohttp-client")}


def test_each_name_once() -> None:
    names = [name for name, _ in INSTRUMENTATIONS.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", sorted(OWN_FILES))
def test_own_files_have_a_hook(name: str) -> None:
    assert name in {name for name, _ in INSTRUMENTATIONS.values()}
    assert callable(import_module(f"serverless_instrument.wrapper.hooks.{name}").hook)
