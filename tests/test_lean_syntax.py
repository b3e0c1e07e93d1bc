"""Lean bytecode does what the source does, without what is there for readers and type checkers."""

from __future__ import annotations

import ast
import re
import textwrap
from typing import Any

import pytest
from layer_build.lean_syntax import lean


def run(source: str, *, names_only: bool = False) -> dict[str, Any]:
    """The module's names after it was made lean and executed."""
    tree = lean(ast.parse(textwrap.dedent(source)), names_only=names_only)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(tree, "example.py", "exec", dont_inherit=True), names)
    return names


def test_docstrings_and_annotations_of_functions_go() -> None:
    names = run('''
        """Of the module."""
        from functools import wraps
        def f(
            a: undefined, /, b: undefined = 1, *c: undefined, d: undefined = 2, **e: undefined
        ) -> undefined:
            """Of the function."""
            x: undefined = a + b + d
            return x
        class C:
            """Nothing else."""
        async def g(a: undefined): "Nothing else."
    ''')
    assert names["f"](1) == 4
    assert names["f"].__annotations__ == {}
    assert [names[name].__doc__ for name in ("f", "C", "g")] == [None] * 3
    assert "__doc__" not in names or names["__doc__"] is None


def test_what_is_read_at_run_time_stays() -> None:
    names = run("""
        from dataclasses import dataclass
        from functools import singledispatch
        from typing import NamedTuple
        @dataclass
        class D:
            a: int
            b: str = "x"
        class T(NamedTuple):
            a: int
        @singledispatch
        def f(a): return "other"
        @f.register
        def _(a: int) -> str: return "int"
    """)
    assert names["D"](1) == names["D"](1, "x")
    assert names["T"](a=1).a == 1
    assert (names["f"](1), names["f"]("")) == ("int", "other")


def test_what_is_for_type_checkers_alone_goes() -> None:
    names = run("""
        import typing
        from typing import TYPE_CHECKING, overload
        if TYPE_CHECKING:
            from nowhere import Thing
        else:
            Thing = 1
        if typing.TYPE_CHECKING:
            import nowhere
        class C:
            @overload
            def f(self, a: int) -> int: ...
            @typing.overload
            def f(self, a: str) -> str: ...
            def f(self, a): return a
        class Empty:
            @overload
            def f(self): ...
        known: dict[str, undefined] = {}
        unknown: undefined
    """)
    assert names["Thing"] == 1
    assert names["C"]().f(2) == 2
    assert names["known"] == {}
    assert "unknown" not in names


def test_a_private_pattern_is_compiled_when_it_is_used() -> None:
    names = run("""
        import re
        _ONE = re.compile(r"[a-z]+", re.I)
        def f(text): return [_ONE.findall(text) for _ in range(2)], _ONE.flags & re.I
        class C:
            def g(self, text): return _ONE.sub("x", text)
    """)
    assert callable(names["_ONE"])
    assert names["f"]("aB1c") == ([["aB", "c"]] * 2, 2)
    assert names["C"]().g("a1") == "x1"


@pytest.mark.parametrize(
    "source",
    [
        "_P = re.compile('a')\ndef f(): return re.match(_P, 'a')",
        "_P = re.compile('a')\n_Q = _P.match\ndef f(): return _P.match('a')",
        "_P = re.compile('a')\ndef f(p=_P): return _P.match('a')",
        "_P = re.compile('a')\n_P = re.compile('a')\ndef f(): return _P.match('a')",
        "_P = Q = re.compile('a')\ndef f(): return _P.match('a')",
        "P = re.compile('a')\n_P = P\ndef f(): return P.match('a')",
        "_P = re.compile('a')\ndef f():\n  global _P\n  _P = None\n  return True",
    ],
)
def test_a_pattern_that_is_used_otherwise_stays_one(source: str) -> None:
    names = run(f"import re\n{source}")
    assert isinstance(names["_P"], re.Pattern)
    assert names["f"]()


TABLE = """
    # A licence.
    from enum import Enum
    from typing import Final
    from warnings import warn
    CLOUD: Final = "cloud"
    '''A cloud.'''
    PREFIX = CLOUD + ".x"
    class Values(Enum):
        '''Some.'''
        A = "a"
        '''One.'''
    class More(Values.__class__): pass
"""


def test_enumerations_of_a_table_of_names_come_when_they_are_asked_for() -> None:
    names = run(TABLE, names_only=True)
    assert (names["CLOUD"], names["PREFIX"]) == ("cloud", "cloud.x")
    assert not {"Enum", "Final", "Values", "More"} & set(names)
    values = names["__getattr__"]("Values")
    assert values("a") is values.A
    assert (values.__name__, values.__qualname__, values.__module__) == (
        "Values",
        "Values",
        "example",
    )
    assert names["Values"] is values, "later uses find it without asking"
    assert names["More"].__mro__


def test_a_table_of_names_says_what_it_does_not_have() -> None:
    names = run(TABLE, names_only=True)
    with pytest.raises(AttributeError, match=r"^module 'example' has no attribute 'Other'$"):
        names["__getattr__"]("Other")
    assert names["__all__"] == ["CLOUD", "Enum", "Final", "More", "PREFIX", "Values", "warn"]


def test_a_table_without_classes_is_left_alone() -> None:
    assert "__getattr__" not in run("from typing import Final\nA: Final = 1", names_only=True)
