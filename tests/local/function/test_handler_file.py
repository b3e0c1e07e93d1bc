"""Which handler settings are refused before anything starts."""

from __future__ import annotations

import sysconfig
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.local.function.handler_file import HandlerError, check_handler
from tests.local.raw_layer import FUNCTIONS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "handler",
    [
        "app.echo",
        "app.no_such_function",
        "pkg.mod.handler",
        "pkg/mod.handler",
        "dir/mod.handler",
        "dir.mod.handler",
        "pkg.handler",
        "raises_at_import.handler",
    ],
)
def test_accepted_without_being_imported(handler: str) -> None:
    check_handler(handler, FUNCTIONS, [])


@pytest.mark.parametrize("handler", ["app", "", ".", "app.", ".handler"])
def test_no_function_name(handler: str) -> None:
    with pytest.raises(HandlerError, match="no function name; give MODULE"):
        check_handler(handler, FUNCTIONS, [])


@pytest.mark.parametrize(
    ("handler", "file"),
    [
        ("nope.handler", "nope.py"),
        ("pkg.nope.handler", "pkg/nope.py"),
        ("nope/mod.handler", "nope/mod.py"),
        ("app.mod.handler", "app/mod.py"),
        ("pkg//mod.handler", "mod.py"),
        ("../local/app.echo", "app.py"),
    ],
)
def test_no_such_module(handler: str, file: str) -> None:
    with pytest.raises(HandlerError, match="no module at") as error:
        check_handler(handler, FUNCTIONS, [])
    assert file in str(error.value)
    assert handler in str(error.value)


def test_module_elsewhere_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "shared.py").touch()
    check_handler("shared.handler", FUNCTIONS, [str(tmp_path)])
    check_handler("json.tool.main", FUNCTIONS, [sysconfig.get_path("stdlib")])
