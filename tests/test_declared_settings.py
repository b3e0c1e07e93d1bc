"""docs/settings.md, the declarations that it is made from, and what the package reads."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import settings_table

import serverless_instrument
from serverless_instrument import declared_settings
from serverless_instrument.declared_settings import BOTH, EXPORT, FORWARDER, INTERNAL, RUNTIME
from serverless_instrument.forwarder import unknown_settings
from serverless_instrument.forwarder.delivery.flush_settings import FlushSettings
from serverless_instrument.forwarder.destinations.settings import Settings
from serverless_instrument.forwarder.telemetry_api.log_settings import LogSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(serverless_instrument.__file__).parent
ROOT = PACKAGE.parent
VARIABLE = re.compile(r"(OTEL|SERVERLESS_INSTRUMENT)_[A-Z0-9_]*[A-Z0-9]")
IN_A_SHELL = re.compile(r"\$\{?(SERVERLESS_INSTRUMENT_[A-Z_]+)")
# What the names of an endpoint's variables begin with; no variable itself.
STANDARD = "OTEL_EXPORTER_OTLP"
# Of the methods that put an endpoint's name together.
PUT_TOGETHER = frozenset(("_variable", "_value", "_choice", "signal_variable"))
REMEDY = (
    "declare it in serverless_instrument/declared_settings.py, run scripts/settings-table, and "
    "read it in one function, with environment.py"
)


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """(path in the package, its syntax) of the modules in these folders; "" for the root's own."""
    for folder in folders:
        found = (PACKAGE / folder).rglob("*.py") if folder else PACKAGE.glob("*.py")
        for path in found:
            if path.name != "declared_settings.py":
                yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text())


def text_of(node: ast.AST) -> str:
    """A constant's text, "" for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def variables(module: ast.Module) -> set[str]:
    """Names that a module reads, or hands to what reads them; not those that it only writes."""
    not_read: set[int] = set()
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Dict):
            not_read.update(id(key) for key in node.keys)
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In):
            not_read.add(id(node.left))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            rests = node.args if node.func.attr in PUT_TOGETHER else []
            names.update(f"{STANDARD}_{rest}" for rest in map(text_of, rests) if rest.isupper())
        if id(node) not in not_read and VARIABLE.fullmatch(text_of(node)):
            names.add(text_of(node))
    return names - {STANDARD}


def readers(*folders: str) -> dict[str, list[str]]:
    """Modules by the name that they read."""
    found: dict[str, list[str]] = defaultdict(list)
    for path, module in modules(*folders):
        for name in variables(module):
            found[name].append(path)
    return found


def shell_variables() -> set[str]:
    scripts = PACKAGE / "wrapper" / "exec", ROOT / "layer" / "extensions" / "serverless-instrument"
    return {name for script in scripts for name in IN_A_SHELL.findall(script.read_text())}


def test_the_page_is_what_the_declarations_give() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == settings_table.render(), (
        "run scripts/settings-table"
    )


def test_what_is_read_is_declared_and_the_other_way_round() -> None:
    declared = {setting.name for setting in declared_settings.declared()}
    read = {*readers("", "forwarder", "wrapper"), *shell_variables()}
    of_local = {name for name in readers("local") if name.startswith("SERVERLESS_INSTRUMENT_")}
    assert sorted(read - declared) == [], REMEDY
    assert sorted(of_local - declared) == [], REMEDY
    assert sorted(declared - read - of_local) == [], "nothing reads it: remove the declaration"


def test_a_variable_is_read_in_one_place() -> None:
    twice = {
        name: paths
        for name, paths in readers("", "forwarder", "wrapper").items()
        # The runtime asks where traces go, too, by the same function.
        if len(paths) > 1 and name != f"{STANDARD}_ENDPOINT"
        # Until both processes have their resource from one module.
        if name not in ("OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME")
    }
    assert twice == {}


def test_who_reads_it_is_declared() -> None:
    root, forwarder, runtime = readers(""), readers("forwarder"), readers("wrapper")
    for setting in declared_settings.declared():
        by = {
            FORWARDER: setting.name in forwarder or setting.name in root,
            RUNTIME: setting.name in runtime or setting.name in root,
        }
        if setting.read_by in (FORWARDER, RUNTIME, BOTH):
            assert [who for who, reads in by.items() if reads] == (
                [FORWARDER, RUNTIME] if setting.read_by == BOTH else [setting.read_by]
            ), setting.name


def test_a_name_is_declared_once() -> None:
    names = [setting.name for setting in declared_settings.declared()]
    assert len(names) == len(set(names))


class Noting(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override] # of strings
        self.asked.add(name)
        return super().get(name, default)


def test_names_that_are_put_together_are_known() -> None:
    environ = Noting(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://host",
        SERVERLESS_INSTRUMENT_DESTINATIONS="second",
        SERVERLESS_INSTRUMENT_DESTINATION_SECOND_ENDPOINT="http://other",
    )
    Settings(environ)
    FlushSettings(environ)
    LogSettings(environ, has_destination=True)
    ours = {name for name in environ.asked if VARIABLE.fullmatch(name)}
    assert "SERVERLESS_INSTRUMENT_DESTINATION_SECOND_LOGS_CLIENT_KEY" in ours
    assert ours <= declared_settings.known_names(["SERVERLESS_INSTRUMENT_DESTINATION_SECOND_"])
    assert len(ours) > 4 * 3 * len(EXPORT) / 2


# Of names that mean nothing.


def test_known_names_are_not_spoken_of() -> None:
    environ = {
        **dict.fromkeys(declared_settings.known_names(), "value"),
        "SERVERLESS_INSTRUMENT_DESTINATIONS": "a-b",
        "SERVERLESS_INSTRUMENT_DESTINATION_A_B_TRACES_ENDPOINT": "http://host",
        "SERVERLESS_INSTRUMENT_DESTINATION_A_B_HEADERS_SECRET_ARN": "arn",
        "OTEL_SOMETHING_OF_ANOTHER_LANGUAGE": "true",
        "SERVERLESS": "x",
    }
    assert len(INTERNAL) < len(environ)
    assert unknown_settings.warnings(environ) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("DEVMODE", "did you mean SERVERLESS_INSTRUMENT_DEV_MODE?"),
        ("LOG_LEVEL", "did you mean SERVERLESS_INSTRUMENT_LOGS_LEVEL?"),
        ("flush", "did you mean SERVERLESS_INSTRUMENT_FLUSH?"),
        ("CAPTURE_PAYLOADS", "did you mean SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD?"),
        ("QQQ", "docs/settings.md lists all"),
        ("DESTINATION_A_ENDPOIN", "did you mean SERVERLESS_INSTRUMENT_DESTINATION_A_ENDPOINT?"),
        ("DESTINATION_B_ENDPOINT", "add its destination to SERVERLESS_INSTRUMENT_DESTINATIONS"),
    ],
)
def test_an_unknown_name_is_said_with_the_nearest(name: str, said: str) -> None:
    environ = {
        f"SERVERLESS_INSTRUMENT_{name}": "s3cret",
        "SERVERLESS_INSTRUMENT_DESTINATIONS": "a",
    }
    assert unknown_settings.warnings(environ) == [
        f"SERVERLESS_INSTRUMENT_{name} is not a known setting: {said}"
    ]
