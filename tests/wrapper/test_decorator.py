"""The decorator inside Lambda: beside the exec wrapper, and without it."""

from __future__ import annotations

import pytest

from tests.wrapper.program import children, run

HANDLERS = {
    "plain": """
        from serverless_instrument import instrument
        @instrument
        def handler(event, context):
            return {"event": event}
    """,
    "with options": """
        import serverless_instrument
        @serverless_instrument.instrument(attributes={"team": "blue"})
        def handler(event, context):
            return {"event": event}
    """,
    "twice": """
        from serverless_instrument import instrument
        @instrument
        @instrument(attributes={"team": "blue"})
        def handler(event, context):
            return {"event": event}
    """,
    "inside another": """
        import functools
        from serverless_instrument import instrument
        def other(function):
            @functools.wraps(function)
            def wrapping(event, context):
                return function(event, context)
            return wrapping
        @other
        @instrument(attributes={"team": "blue"})
        def handler(event, context):
            return {"event": event}
    """,
    "inside another, unmarked": """
        from serverless_instrument import instrument
        @instrument(attributes={"team": "blue"})
        def inner(event, context):
            return {"event": event}
        def handler(event, context):
            return inner(event, context)
    """,
    "an object": """
        from serverless_instrument import instrument
        class Handler:
            def __call__(self, event, context):
                return {"event": event}
        handler = instrument(Handler())
    """,
    "a bound method": """
        from serverless_instrument import instrument
        class Service:
            def handle(self, event, context):
                return {"event": event}
        handler = instrument(Service().handle)
    """,
}
BESIDE_THE_WRAPPER = pytest.mark.parametrize("wrapped", [True, False], ids=["wrapper", "alone"])


@pytest.mark.parametrize("kind", HANDLERS)
@BESIDE_THE_WRAPPER
def test_one_span_an_invocation(kind: str, wrapped: bool) -> None:
    outcome = run(HANDLERS[kind], [{"n": 1}, {"n": 2}], wrapper=wrapped)
    assert outcome.results == [{"event": {"n": 1}}, {"event": {"n": 2}}]
    assert len(outcome.invocations) == len(outcome.started) == 2
    assert outcome.spans == []
    cold, warm = (sent.attributes for sent in outcome.invocations)
    assert (cold["faas.coldstart"], warm["faas.coldstart"]) == (True, False)
    if "team" in HANDLERS[kind]:
        assert cold["team"] == warm["team"] == "blue"


@BESIDE_THE_WRAPPER
def test_attributes_are_on_the_sdks_span_too(wrapped: bool) -> None:
    source = "import opentelemetry.sdk.trace"
    for kind in ("with options", "inside another, unmarked"):
        outcome = run((source, HANDLERS[kind]), wrapper=wrapped)
        assert outcome.invocation.attributes["team"] == "blue"


@BESIDE_THE_WRAPPER
def test_an_exception_is_the_handlers_own(wrapped: bool) -> None:
    outcome = run(
        """
        from serverless_instrument import instrument
        @instrument
        def handler(event, context):
            raise LookupError("no")
        """,
        wrapper=wrapped,
    )
    assert outcome.result == {"raised": "LookupError: no"}
    assert outcome.invocation.attributes["error.type"] == "LookupError"


@BESIDE_THE_WRAPPER
def test_what_is_decorated_looks_like_the_handler(wrapped: bool) -> None:
    outcome = run(
        """
        import inspect
        from serverless_instrument import instrument
        @instrument
        def handler(event, context):
            '''Its text.'''
            return [handler.__name__, handler.__doc__, handler.__module__,
                    list(inspect.signature(handler).parameters)]
        """,
        wrapper=wrapped,
    )
    assert outcome.result == ["handler", "Its text.", "app", ["event", "context"]]


@BESIDE_THE_WRAPPER
def test_switched_off_it_is_the_handler_itself(wrapped: bool) -> None:
    outcome = run(
        """
        from serverless_instrument import instrument
        def plain(event, context):
            return handler is plain
        handler = instrument(plain)
        """,
        wrapper=wrapped,
        OTEL_SDK_DISABLED="true",
    )
    assert outcome.result is True
    assert (outcome.invocations, outcome.spans) == ([], [])


def test_user_spans_inside_a_decorated_handler() -> None:
    outcome = run(
        """
        from opentelemetry import trace
        from serverless_instrument import instrument
        @instrument
        def handler(event, context):
            with trace.get_tracer("t").start_as_current_span("child"):
                pass
        """,
        wrapper=False,
    )
    assert children(outcome, outcome.invocation) == ["child"]
