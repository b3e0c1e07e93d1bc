"""A lean import: what it leaves out, and that it all works afterwards."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from serverless_instrument.wrapper.import_hooks.lean_imports import import_lean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

# A module that is expensive to import, and one that imports names of it.
DEAR = """
    calls = []
    class Class:
        attribute = "of the class"
        def __init__(self, *values):
            self.values = values
    def function(*arguments, **options):
        calls.append((arguments, options))
        return "result"
    def nothing():
        return None
"""
USER = """
    import lean_dear
    from lean_dear import Class, function, nothing
    at_import = function("at", import_time=True)
    made = Class(1, 2)
    def later(*arguments, **options):
        return function(*arguments, **options)
    def conflict():
        return nothing()
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from textwrap import dedent

    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "lean_dear.py").write_text(dedent(DEAR))
    (tmp_path / "lean_user.py").write_text(dedent(USER))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def imported(name: str = "lean_user", *stand_ins: str) -> Any:
    seen: list[ModuleType] = []
    import_lean(name, stand_ins, seen.append)
    (module,) = seen
    return module


@pytest.mark.usefixtures("modules")
class TestLean:
    def test_what_it_leaves_out_is_imported_when_something_is_done_with_it(self) -> None:
        module = imported("lean_user", "lean_dear")
        assert "lean_dear" not in sys.modules
        assert module.Class.attribute == "of the class"
        assert "lean_dear" in sys.modules

    def test_calls_during_the_import_are_put_off(self) -> None:
        module = imported("lean_user", "lean_dear")
        assert module.made.values == (1, 2)
        assert module.at_import.upper() == "RESULT"
        assert sys.modules["lean_dear"].calls == [(("at",), {"import_time": True})]

    def test_calls_afterwards_are_calls(self) -> None:
        module = imported("lean_user", "lean_dear")
        assert module.later(1, a=2) == "result"
        assert sys.modules["lean_dear"].calls == [((1,), {"a": 2})]
        assert module.conflict() is None

    def test_the_real_module_is_the_one_that_others_import(self) -> None:
        imported("lean_user", "lean_dear")
        import lean_dear  # type: ignore[import-not-found] # in the directory above

        assert lean_dear.function() == "result"
        assert type(lean_dear).__name__ == "module"

    def test_a_module_that_is_there_already_is_used_as_it_is(self) -> None:
        import lean_dear  # noqa: F401 - the point

        module = imported("lean_user", "lean_dear")
        assert module.at_import == "result"

    def test_without_stand_ins_it_is_an_import(self) -> None:
        assert imported().at_import == "result"


def test_where_it_does_not_work_the_import_is_an_ordinary_one(modules: Path) -> None:
    (modules / "lean_odd.py").write_text("from lean_dear import Class\nclass Sub(Class): pass\n")
    module = imported("lean_odd", "lean_dear")
    assert module.Sub(1).values == (1,)
    assert sys.modules["lean_dear"].Class is module.Class


def test_errors_of_the_import_are_its_own(modules: Path) -> None:
    (modules / "lean_broken.py").write_text("raise LookupError('its own')\n")
    with pytest.raises(LookupError, match="its own"):
        imported("lean_broken", "lean_dear")
    assert "lean_dear" not in sys.modules
    # Calls are no longer put off.
    module = imported("lean_user", "lean_dear")
    assert module.later() == "result"


def test_errors_of_what_is_done_with_it_are_its_own(modules: Path) -> None:
    def use(module: ModuleType) -> None:
        raise LookupError(module.__name__)

    assert (modules / "lean_user.py").exists()
    with pytest.raises(LookupError, match="lean_user"):
        import_lean("lean_user", ["lean_dear"], use)
