"""What a function may call, with OpenTelemetry loaded and without."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest

import serverless_instrument
from serverless_instrument import (
    capture_error,
    capture_warning,
    create_span,
    current_span,
    instrument,
    record_exception,
    set_attribute,
)
from tests.wrapper import decoded
from tests.wrapper.program import Outcome, children, run

ALONE, API, SDK = "", "import opentelemetry.trace", "import opentelemetry.sdk.trace"
each = pytest.mark.parametrize("line", [ALONE, API, SDK])


def events(outcome: Outcome) -> list[tuple[str, dict[str, object]]]:
    """Events of the invocation, without stack traces."""
    found = []
    for event in outcome.invocation.span.events:
        attributes = decoded.attributes(event.attributes)
        text = attributes.pop("exception.stacktrace", None)
        assert text is None or "Error" in str(text)
        found.append((event.name, attributes))
    return found


@each
def test_on_the_invocation(line: str) -> None:
    outcome = run(
        (
            line,
            """
            import sys
            from serverless_instrument import *
            def handler(event, context):
                set_attribute("user.id", 7)
                set_attribute("list", ["a", "b"])
                current_span().update_name("renamed")
                current_span().add_event("mine", {"a": 1})
                capture_warning("careful", {"b": 2})
                capture_error("a text", {"c": 3})
                capture_error()  # nothing is being handled
                try:
                    raise KeyError("k")
                except KeyError as error:
                    capture_error()
                    record_exception(error, {"d": 4})
                return current_span().is_recording()
            """,
        )
    )
    assert outcome.result is True
    span = outcome.invocation.span
    assert (span.name, span.status.code) == ("renamed", 0)
    assert outcome.invocation.attributes.items() >= {"user.id": 7, "list": ["a", "b"]}.items()
    error = {
        "exception.type": "KeyError",
        "exception.message": "'k'",
        "exception.escaped": "False",
    }
    assert events(outcome) == [
        ("mine", {"a": 1}),
        ("warning", {"message": "careful", "b": 2}),
        ("error", {"message": "a text", "c": 3}),
        ("exception", error),
        ("exception", {**error, "d": 4}),
    ]


CREATE = """
    import asyncio
    from serverless_instrument import create_span, current_span, set_attribute
    @create_span("decorated", {"kind": "function"})
    def decorated(value):
        '''Its text.'''
        set_attribute("value", value)
        return value * 2
    @create_span("waiting")
    async def waiting(value):
        await asyncio.sleep(0)
        set_attribute("value", value)
        return value * 2
    async def several():
        return await asyncio.gather(*[waiting(n) for n in range(3)])
    def handler(event, context):
        with create_span("outer", {"a": 1}) as outer:
            outer.set_attribute("b", 2)
            with create_span("inner"):
                set_attribute("c", 3)
            set_attribute("d", 4)
            results = [decorated(1), decorated(2), *asyncio.run(several())]
        set_attribute("on", "the invocation")
        try:
            with create_span("failing"):
                raise ValueError("no")
        except ValueError:
            pass
        return [results, decorated.__name__, decorated.__doc__]
"""


@each
def test_spans_of_its_own(line: str) -> None:
    outcome = run((line, CREATE))
    assert outcome.result == [[2, 4, 0, 2, 4], "decorated", "Its text."]
    assert children(outcome, outcome.invocation) == ["outer", "failing"]
    outer = outcome.named("outer")
    assert outer.attributes == {"a": 1, "b": 2, "d": 4}
    assert sorted(children(outcome, outer)) == sorted(
        ["inner", "decorated", "decorated", "waiting", "waiting", "waiting"]
    )
    assert outcome.named("inner").attributes == {"c": 3}
    values = [s.attributes["value"] for s in outcome.spans if s.span.name == "waiting"]
    assert sorted(values) == [0, 1, 2]  # type: ignore[type-var] # numbers
    failing = outcome.named("failing").span
    assert (failing.status.code, failing.status.message) == (2, "ValueError: no")
    (event,) = failing.events
    assert decoded.attributes(event.attributes)["exception.type"] == "ValueError"
    assert outcome.invocation.attributes["on"] == "the invocation"
    for sent in outcome.spans:
        assert sent.scope == "serverless_instrument"
        assert sent.span.kind == 1
        assert sent.span.flags & 0x101 == 0x101
        assert sent.span.end_time_unix_nano >= sent.span.start_time_unix_nano


def test_without_opentelemetry_nothing_of_it_is_loaded() -> None:
    source = CREATE.replace(
        "return [results",
        "import sys\n        return [[n for n in sys.modules if 'telemetry' in n]",
    )
    outcome = run(source)
    assert outcome.result == [[], "decorated", "Its text."]


def test_the_same_span_with_and_without() -> None:
    def shown(line: str) -> list[object]:
        outcome = run((line, CREATE))
        return [
            # Older SDKs do not tell that a trace id is random.
            (s.span.name, s.span.kind, s.span.flags & ~2, s.attributes, s.span.status.message)
            for s in outcome.spans
            if s.span.name != "waiting"
        ]

    assert shown(ALONE) == shown(API) == shown(SDK)


def test_opentelemetry_first_imported_inside_a_span_of_ours() -> None:
    outcome = run(
        """
        from serverless_instrument import create_span, set_attribute
        def handler(event, context):
            with create_span("outer"):
                from opentelemetry import trace
                with trace.get_tracer("t").start_as_current_span("theirs"):
                    with create_span("inner"):
                        pass
                set_attribute("on", "outer")
            set_attribute("on", "the invocation")
            with create_span("after"):
                pass
        """,
        [{}, {}],
    )
    for invocation in outcome.invocations:
        assert children(outcome, invocation) == ["outer", "after"]
        assert invocation.attributes["on"] == "the invocation"
    for outer in [sent for sent in outcome.spans if sent.span.name == "outer"]:
        assert children(outcome, outer) == ["theirs"]
        assert outer.attributes == {"on": "outer"}


@each
def test_in_threads_with_and_without_the_context(line: str) -> None:
    outcome = run(
        (
            line,
            """
            import contextvars, threading
            from serverless_instrument import create_span, set_attribute
            def work(name):
                with create_span(name):
                    set_attribute("name", name)
            def handler(event, context):
                with create_span("outer"):
                    copied = threading.Thread(
                        target=contextvars.copy_context().run, args=(work, "copied"))
                    alone = threading.Thread(target=work, args=("alone",))
                    for thread in (copied, alone):
                        thread.start()
                        thread.join()
            """,
        )
    )
    assert children(outcome, outcome.named("outer")) == ["copied"]
    for name in ("copied", "alone"):
        assert outcome.named(name).attributes == {"name": name}


@each
def test_between_invocations_and_in_unsampled_ones_nothing_happens(line: str) -> None:
    outcome = run(
        (
            line,
            """
            from serverless_instrument import *
            def use():
                set_attribute("a", 1)
                capture_warning("w")
                with create_span("s") as span:
                    span.set_attribute("b", 2)
                    return span.is_recording()
            use()
            def handler(event, context):
                return use()
            """,
        ),
        OTEL_TRACES_SAMPLER="always_off",
    )
    assert outcome.result is False
    assert (outcome.invocations, outcome.spans) == ([], [])


def test_a_span_that_outlives_its_invocation() -> None:
    outcome = run(
        """
        from serverless_instrument import create_span, current_span
        scope = create_span("across")
        kept = []
        def handler(event, context):
            if event["number"] == 1:
                kept.append(scope.__enter__())
                kept.append(current_span())
                return None
            kept[1].set_attribute("late", 1)
            scope.__exit__(None, None, None)
            return kept[0].is_recording()
        """,
        [{"number": 1}, {"number": 2}],
    )
    assert outcome.results == [None, False]
    assert children(outcome, outcome.invocations[0]) == ["across"]


def test_one_scope_entered_again_and_again() -> None:
    outcome = run(
        """
        import threading
        from serverless_instrument import create_span
        scope = create_span("again")
        def handler(event, context):
            with scope, scope:
                pass
            with scope:
                pass
        """
    )
    assert [sent.span.name for sent in outcome.spans] == ["again"] * 3
    assert len(children(outcome, outcome.invocation)) == 2


class TestOutsideLambda:
    """As in a function's own tests."""

    @pytest.fixture(autouse=True)
    def _no_lambda(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)

    def test_the_decorator_returns_the_handler_with_one_debug_line(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "serverless_instrument")

        def handler(event: object, context: object) -> tuple[object, object]:
            return event, context

        assert instrument(handler) is handler
        assert instrument(attributes={"a": 1})(handler) is handler
        assert [record.getMessage() for record in caplog.records] == [
            "not in Lambda: handler is not instrumented"
        ] * 2
        assert {record.levelno for record in caplog.records} == {logging.DEBUG}

    def test_a_handler_of_any_kind(self) -> None:
        class Callable:
            def __call__(self, event: object, _context: object) -> object:
                return event

        made = Callable()
        assert instrument(made) is made

    def test_nothing_else_does_anything(self) -> None:
        @create_span("decorated")
        def decorated() -> int:
            return 42

        set_attribute("a", 1)
        capture_error("text")
        capture_error(ValueError("no"))
        capture_error()
        capture_warning("w")
        record_exception(ValueError("no"))
        with create_span("s") as span:
            span.set_attribute("b", 2)
            assert current_span() is not None
        assert decorated() == 42

    def test_exceptions_go_through(self) -> None:
        with pytest.raises(ValueError, match="no"), create_span("s"):
            raise ValueError("no")


def test_importing_the_package_imports_nothing_else() -> None:
    source = """if True:
        import sys
        before = set(sys.modules)
        import serverless_instrument
        print(sorted(set(sys.modules) - before))
    """
    completed = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert completed.stdout == "['serverless_instrument']\n"


def test_names() -> None:
    assert set(dir(serverless_instrument)) == set(serverless_instrument.__all__)
    for name in serverless_instrument.__all__:
        assert getattr(serverless_instrument, name) is not None
    missing: Any = serverless_instrument
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        missing.missing  # noqa: B018 - the question is the test
