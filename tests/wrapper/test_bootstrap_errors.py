"""A function's failures with us and without: the same exception, the same error document."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

import pytest

from serverless_instrument import wire
from tests.wrapper import decoded
from tests.wrapper.invocations import end_span
from tests.wrapper.runtime import Function, invoke

if TYPE_CHECKING:
    from tests.wrapper.peer import Peer

CODE = """
import dataclasses

def inner():
    raise LookupError("deep")

def raises(event, context):
    raise ValueError("boom")

def deep(event, context):
    try:
        inner()
    except LookupError as error:
        raise RuntimeError("outer") from error

def attribute(event, context):
    return context.no_such_thing

def two(event):
    return event

class Callable:
    def __call__(self, event, context):
        raise KeyError("callable")

instance = Callable()
number = 5
builtin = divmod
"""


@pytest.mark.usefixtures("peer")
class TestDocuments:
    @pytest.mark.parametrize(
        "name", ["raises", "deep", "attribute", "two", "instance", "number", "builtin"]
    )
    @pytest.mark.parametrize("module", ["function", "sub/function", "bootstrap", "sub/bootstrap"])
    def test_of_an_invocation(self, function: Function, name: str, module: str) -> None:
        function.write(CODE, module)
        bare = invoke(function.load_bare(f"{module}.{name}"))
        document = invoke(function.load(f"{module}.{name}"))
        assert document == bare
        assert document["errorType"] in str(bare)

    @pytest.mark.parametrize("name", ["number", "raises", "two"])
    def test_of_several_invocations(self, function: Function, name: str) -> None:
        function.write(CODE)
        bare = invoke(function.load_bare(f"function.{name}"))
        handler = function.load(f"function.{name}")
        assert [invoke(handler) for _ in range(3)] == [bare] * 3

    @pytest.mark.parametrize(
        "code",
        [
            "raise ValueError('at import')",
            "import no_such_module",
            "def handler(:",
            "import os\nos.no_such_attribute",
            "class Own(AttributeError):\n    pass\nraise Own('own')",
            "class Own(AttributeError):\n    def __str__(self): return 'mine'\nraise Own",
            "import enum\nclass C(enum.Enum):\n    A = 1\ndef build(): C.B\nbuild()",
            "x = 1",
            "1 / 0",
        ],
    )
    def test_of_a_module_that_does_not_load(self, function: Function, code: str) -> None:
        function.write(code)
        bare = function.run(instrumented=False)
        assert function.run(instrumented=True) == bare
        assert bare["errorType"]

    @pytest.mark.parametrize("name", ["nowhere.handler", "handler", "sys.exit", "a/b.c", ".", "x."])
    def test_of_a_handler_that_is_not_there(self, function: Function, name: str) -> None:
        bare = function.run(name, instrumented=False)
        assert function.run(name, instrumented=True) == bare


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("base")],
    ids=lambda error: type(error).__name__,
)
def test_the_exception_is_the_users_own(
    function: Function, peer: Peer, error: BaseException
) -> None:
    function.write("def handler(event, context):\n    raise event")
    handler = function.load()
    with pytest.raises(type(error)) as caught:
        handler(error, None)
    assert caught.value is error
    assert (error.__context__, error.__cause__) == (None, None)
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    own = ["handler"] if sys.version_info < (3, 11) else []  # see bootstrap._leave_no_frame
    assert frames == ["test_the_exception_is_the_users_own", *own, "handler"]
    *_, end = peer.accept().read(3)
    (event,) = end_span(wire.frame(*end)).events
    stacktrace = str(decoded.attributes(event.attributes)["exception.stacktrace"])
    # The user's frames alone, as the interpreter prints them.
    assert stacktrace.startswith("Traceback (most recent call last):\n  File ")
    assert "bootstrap.py" not in stacktrace
    assert "function.py" in stacktrace
    assert type(error).__name__ in stacktrace.splitlines()[-1]


def test_an_exception_that_cannot_be_formatted_still_ends_the_span(
    function: Function, peer: Peer
) -> None:
    function.write(
        "class Odd(Exception):\n"
        "    @property\n"
        "    def __suppress_context__(self): raise RuntimeError\n"
        "    def __str__(self): raise RuntimeError\n"
        "def handler(event, context):\n    raise Odd"
    )
    handler = function.load()
    with pytest.raises(sys.modules["function"].Odd):
        handler(None, None)
    *_, end = peer.accept().read(3)
    (event,) = end_span(wire.frame(*end)).events
    assert decoded.attributes(event.attributes) == {
        "exception.type": "function.Odd",
        "exception.message": "",
        "exception.stacktrace": "",
    }
