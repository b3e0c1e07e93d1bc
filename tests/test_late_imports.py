"""Bytecode that imports late, and has the conventions inlined, does what the source does."""

from __future__ import annotations

import ast
import sys
import textwrap
from types import ModuleType
from typing import Any

import pytest
from layer_build.inlined_conventions import inline_conventions
from layer_build.late_imports import late_modules, put_off_imports

LATE = frozenset(("late_dear", "typing_extensions"))


@pytest.fixture
def dear(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module; what is imported from it before it is in ``sys.modules`` fails."""
    module: Any = ModuleType("late_dear")
    module.a, module.b = 1, 2
    monkeypatch.delitem(sys.modules, "late_dear", raising=False)
    assert isinstance(module, ModuleType)
    return module


def run(source: str) -> dict[str, Any]:
    tree = ast.parse(textwrap.dedent(source))
    put_off_imports(tree, LATE)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(tree, "example.py", "exec", dont_inherit=True), names)
    return names


def test_a_function_imports_what_it_uses(dear: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run("""
        from late_dear import a, b as c
        def f(): return [a for _ in range(2)]
        class C:
            def a(self): return c
            async def g(self):
                def inner(): return a
                return inner()
    """)
    monkeypatch.setitem(sys.modules, "late_dear", dear)
    assert names["f"]() == [1, 1]
    assert names["C"]().a() == 2
    with pytest.raises(StopIteration, match="1"):
        names["C"]().g().send(None)


def test_an_import_is_made_in_the_branch_that_needs_it(
    dear: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = run("""
        from late_dear import a, b
        def f(wanted):
            if wanted:
                x = a
                if a > 1:
                    return b
                return a + x
            elif wanted is None:
                return b
            return 0
    """)
    assert names["f"](False) == 0
    with pytest.raises(ModuleNotFoundError):
        names["f"](None)
    monkeypatch.setitem(sys.modules, "late_dear", dear)
    assert (names["f"](True), names["f"](None)) == (2, 2)


def test_others_get_the_names_from_the_module(
    dear: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = run("from late_dear import a, b as c")
    with pytest.raises(AttributeError, match=r"^module 'example' has no attribute 'b'$"):
        names["__getattr__"]("b")
    monkeypatch.setitem(sys.modules, "late_dear", dear)
    assert (names["__getattr__"]("c"), names["c"]) == (2, 2)


@pytest.mark.parametrize(
    "source",
    [
        "from late_dear import a\nx = a",
        "from late_dear import a\ndef f(p=a): return a",
        "from late_dear import a\n@a\ndef f(): pass",
        "from late_dear import a\nclass C(a): pass",
        "from late_dear import a\nclass C:\n    x: a",
        "from late_dear import a\ndef f():\n    global a\n    a = 3",
        "from late_dear import a\ndef f(a): return a",
        "from late_dear import a\ndef __getattr__(name): return 1",
    ],
)
def test_what_is_used_at_once_is_imported_at_once(source: str, dear: ModuleType) -> None:
    del dear
    with pytest.raises(ModuleNotFoundError):
        run(source)


def test_annotations_in_functions_import_nothing() -> None:
    names = run("""
        from late_dear import a
        class C:
            def f(self):
                self.x: a = 1
                y: a = 2
                return self.x + y
    """)
    assert names["C"]().f() == 3


def test_deprecation_comes_from_a_module_of_ours() -> None:
    names = run("from typing_extensions import assert_never, deprecated")
    assert names["deprecated"].__module__ in (
        "serverless_instrument.wrapper.import_hooks.deprecation",
        "warnings",
    )
    assert "assert_never" not in names
    with pytest.raises(AssertionError, match="unreachable"):
        names["__getattr__"]("assert_never")(1)


def test_which_modules_import_late() -> None:
    vendor = "/opt/python/serverless_instrument/vendor"
    assert "opentelemetry.metrics" in late_modules(
        f"{vendor}/opentelemetry/instrumentation/botocore/extensions/registry.py"
    )
    assert "opentelemetry.metrics" not in late_modules(
        f"{vendor}/opentelemetry/instrumentation/requests/__init__.py"
    )
    assert not late_modules("/opt/python/serverless_instrument/wrapper/bootstrap.py")


def test_conventions_are_inlined() -> None:
    tree = ast.parse(
        textwrap.dedent("""
            from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
            from opentelemetry.semconv._incubating.attributes import messaging_attributes
            from opentelemetry.semconv._incubating.metrics.http_metrics import (
                create_http_client_request_body_size as create,
            )
            from opentelemetry.semconv.schemas import Schemas
            used = [messaging_attributes.MESSAGING_SYSTEM, Schemas.V1_21_0.value.upper()]
        """)
    )
    inline_conventions(tree)
    assert "import" not in ast.unparse(tree)
    names: dict[str, Any] = {}
    exec(compile(tree, "example.py", "exec"), names)
    assert names["ERROR_TYPE"] == "error.type"
    assert names["used"] == ["messaging.system", "HTTPS://OPENTELEMETRY.IO/SCHEMAS/1.21.0"]

    class Meter:
        def create_histogram(self, **options: str) -> dict[str, str]:
            return options

    assert names["create"](Meter())["name"] == "http.client.request.body.size"


@pytest.mark.parametrize(
    "source",
    [
        "from opentelemetry.semconv.schemas import Schemas\nfor one in Schemas: pass",
        "from opentelemetry.semconv.schemas import Schemas\ndef f(Schemas): return Schemas.V1_21_0",
    ],
)
def test_what_is_used_as_a_whole_stays_imported(source: str) -> None:
    tree = ast.parse(source)
    inline_conventions(tree)
    assert ast.unparse(tree) == ast.unparse(ast.parse(source))
