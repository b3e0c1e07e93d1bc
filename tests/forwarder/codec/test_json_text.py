"""Reads what the json package reads."""

from __future__ import annotations

import builtins
import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.codec import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}]))
def test_reads_what_the_json_package_writes(value: object, style: dict[str, Any]) -> None:
    text = json.dumps(value, **style)
    assert json_text.loads(f"\r\n\t {text} \n") == value


@given(st.text() | st.text('{}[]",:0123456789.eE+-truefalsn \\u'))
def test_takes_and_refuses_what_the_json_package_does(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            json_text.loads(text)
    else:
        assert repr(json_text.loads(text)) == repr(expected)


@pytest.mark.parametrize(
    "text", ["", " ", "{", "[1", '{"a":}', "1 2", "{} x", '"\n"', "'a'", "[" * 100_000, "9" * 5000]
)
def test_anything_else_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_text.loads(text)


def test_it_is_a_value_error_where_the_json_package_is_not_loaded_too() -> None:
    root = Path(json_text.__file__).parents[3]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from serverless_instrument.forwarder.codec.json_text import loads\n"
        "assert 'json' not in sys.modules\n"
        "assert loads('[1, \"a\"]') == [1, 'a']\n"
        "for text in ('{', '[1', '\"', '{\"a\":}', '[1,]', '\"\\\\x\"', 'x', ''):\n"
        "    try: loads(text)\n"
        "    except ValueError: pass\n"
        "    else: sys.exit(text)\n"
        "print('json' in sys.modules)\n"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    completed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (completed.returncode, completed.stdout) == (0, "False\n"), completed.stderr


def test_numbers_that_are_none() -> None:
    found = json_text.loads("[NaN, Infinity, -Infinity, 1e999]")
    assert isinstance(found, list)
    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf, math.inf]


def test_without_the_c_scanner_the_json_package_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 # as __import__ names them
        locals: Mapping[str, object] | None = None,  # noqa: A002 # as above
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> object:
        if name == "_json":
            raise ImportError(name)
        return real(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", without)
    importlib.reload(json_text)
    assert json_text.loads is json.loads
    assert json_text.dumps({"ä": 1}, compact=True) == '{"\\u00e4":1}'
    monkeypatch.undo()
    importlib.reload(json_text)
    assert json_text.loads is not json.loads


@given(VALUES, st.booleans(), st.booleans())
def test_values_are_written_as_the_json_package_writes_them(
    value: object, compact: bool, ascii_only: bool
) -> None:
    separators = (",", ":") if compact else (", ", ": ")
    expected = json.dumps(value, separators=separators, ensure_ascii=ascii_only)
    assert json_text.dumps(value, compact=compact, ascii_only=ascii_only) == expected


def test_what_cannot_be_written() -> None:
    deep: list[object] = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested"):
        json_text.dumps(deep)
    with pytest.raises(TypeError, match="bytes"):
        json_text.dumps(b"")
    while deep:
        deep = deep.pop()  # type: ignore[assignment] # lists all the way; freed without recursion


def test_hooks_that_another_python_looks_for_are_none() -> None:
    options = json_text._Options()
    for name in ("object_hook", "object_pairs_hook", "array_hook", "of_some_later_python"):
        assert getattr(options, name, "missing") is None
