"""OpenTelemetry's API in a function: where it is imported first, and what is current there."""

from __future__ import annotations

import pytest

from tests.wrapper.program import Outcome, Sent, children, run

TWICE: tuple[object, ...] = ({}, {})


def only_child(outcome: Outcome, parent: Sent, name: str = "child") -> None:
    assert children(outcome, parent) == [name]


NOTHING = """
    import sys
    def handler(event, context):
        return [name for name in sys.modules if name.startswith(("opentelemetry", "wrapt"))]
"""


def test_a_function_that_imports_nothing_has_nothing_of_opentelemetry() -> None:
    outcome = run(NOTHING, TWICE)
    assert outcome.results == [[], []]
    assert len(outcome.invocations) == 2


def test_a_user_span_is_a_child_of_the_invocation() -> None:
    outcome = run(
        """
        import sys
        from opentelemetry import trace
        tracer = trace.get_tracer("shop.orders", "1.2")
        def handler(event, context):
            trace.get_current_span().set_attribute("user.id", 42)
            with tracer.start_as_current_span("child") as span:
                span.set_attribute("n", 1)
                assert trace.get_current_span() is span
                with tracer.start_as_current_span("grandchild"):
                    pass
            return "opentelemetry.sdk" in sys.modules
        """
    )
    assert outcome.result is False
    only_child(outcome, outcome.invocation)
    assert outcome.invocation.attributes["user.id"] == 42
    child = outcome.named("child")
    only_child(outcome, child, "grandchild")
    assert (child.scope, child.attributes) == ("shop.orders", {"n": 1})
    assert child.resource == outcome.invocation.resource
    assert child.resource["faas.name"] == "shop"
    # Each leaves when it ends.
    assert [sent.span.name for sent in outcome.spans] == ["grandchild", "child"]


FIRST_IMPORTED = {
    "in the handler": """
        def handler(event, context):
            from opentelemetry import trace
            trace.get_current_span().set_attribute("late", True)
            with trace.get_tracer("t").start_as_current_span("child"):
                pass
    """,
    "in a nested function": """
        def work():
            def inner():
                from opentelemetry import trace
                return trace.get_tracer("t")
            with inner().start_as_current_span("child"):
                pass
            from opentelemetry import trace
            trace.get_current_span().set_attribute("late", True)
        def handler(event, context):
            work()
    """,
    "in a thread": """
        import threading
        def load():
            import opentelemetry.trace
        def handler(event, context):
            thread = threading.Thread(target=load)
            thread.start()
            thread.join()
            from opentelemetry import trace
            trace.get_current_span().set_attribute("late", True)
            with trace.get_tracer("t").start_as_current_span("child"):
                pass
    """,
    "in a thread with the handler's context": """
        import contextvars
        import threading
        def work():
            from opentelemetry import trace
            with trace.get_tracer("t").start_as_current_span("child"):
                pass
        def handler(event, context):
            thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
            thread.start()
            thread.join()
            from opentelemetry import trace
            trace.get_current_span().set_attribute("late", True)
    """,
    "in asyncio.run": """
        import asyncio
        async def work():
            from opentelemetry import trace
            with trace.get_tracer("t").start_as_current_span("child"):
                await asyncio.sleep(0)
        def handler(event, context):
            asyncio.run(work())
            from opentelemetry import trace
            trace.get_current_span().set_attribute("late", True)
    """,
    "in a task while another waits": """
        import asyncio
        async def first(ready):
            await ready.wait()
            from opentelemetry import trace
            with trace.get_tracer("t").start_as_current_span("child"):
                pass
        async def second(ready):
            from opentelemetry import trace
            trace.get_current_span().set_attribute("late", True)
            ready.set()
        async def work():
            ready = asyncio.Event()
            await asyncio.gather(first(ready), second(ready))
        def handler(event, context):
            asyncio.run(work())
    """,
    "by way of baggage": """
        def handler(event, context):
            from opentelemetry import baggage, context as context_api
            token = context_api.attach(baggage.set_baggage("a", "b"))
            from opentelemetry import trace
            trace.get_current_span().set_attribute("late", True)
            with trace.get_tracer("t").start_as_current_span("child"):
                assert baggage.get_baggage("a") == "b"
    """,
}


@pytest.mark.parametrize("source", FIRST_IMPORTED.values(), ids=FIRST_IMPORTED)
def test_wherever_it_is_imported_first_the_running_invocation_is_current(source: str) -> None:
    outcome = run(source, TWICE)
    assert outcome.results == [None, None]
    for invocation in outcome.invocations:
        only_child(outcome, invocation)
        assert invocation.attributes["late"] is True


def test_the_start_frame_and_the_promoted_span_are_one() -> None:
    outcome = run(FIRST_IMPORTED["in the handler"], [{}], OTEL_TRACES_SAMPLER="always_on")
    assert outcome.started == [outcome.invocation.span.span_id]


def test_a_span_from_a_thread_started_with_the_context() -> None:
    outcome = run(
        """
        import contextvars
        import threading
        from opentelemetry import context as context_api, trace
        tracer = trace.get_tracer("t")
        def copied():
            tracer.start_span("copied").end()
        def given(context):
            with tracer.start_as_current_span("given", context=context):
                pass
        def without():
            tracer.start_span("without").end()
        def handler(event, context):
            threads = [
                threading.Thread(target=contextvars.copy_context().run, args=(copied,)),
                threading.Thread(target=given, args=(context_api.get_current(),)),
                threading.Thread(target=without),
            ]
            for thread in threads:
                thread.start()
                thread.join()
        """,
        TWICE,
    )
    for invocation in outcome.invocations:
        assert children(outcome, invocation) == ["copied", "given"]
    # A thread without a context begins a trace of its own, as the API says.
    alone = [sent.span for sent in outcome.spans if sent.span.name == "without"]
    assert [span.parent_span_id for span in alone] == [b"", b""]


def test_spans_after_the_invocation_ended() -> None:
    outcome = run(
        """
        import threading
        from opentelemetry import trace
        tracer = trace.get_tracer("t")
        state = {}
        def later(span, go):
            go.wait()
            span.set_attribute("still", "set")
            span.end()
        def handler(event, context):
            if event["number"] == 1:
                span = tracer.start_span("across")
                state["go"] = threading.Event()
                state["thread"] = threading.Thread(target=later, args=(span, state["go"]))
                state["thread"].start()
                state["root"] = trace.get_current_span()
                return None
            root = state["root"]
            root.set_attribute("too", "late")
            root.end()
            state["go"].set()
            state["thread"].join()
            return root.is_recording()
        """,
        [{"number": 1}, {"number": 2}],
    )
    first, _ = outcome.invocations
    assert outcome.results == [None, False]
    across = outcome.named("across")
    assert across.span.parent_span_id == first.span.span_id
    assert across.attributes == {"still": "set"}
    assert "too" not in first.attributes


def test_one_invocation_leaves_no_context_to_the_next() -> None:
    outcome = run(
        """
        from opentelemetry import baggage, context as context_api, trace
        tracer = trace.get_tracer("t")
        def handler(event, context):
            seen = dict(baggage.get_all())
            # Neither is undone: the function's defect, which must stay in its invocation.
            context_api.attach(baggage.set_baggage("left", "over"))
            context_api.attach(trace.set_span_in_context(tracer.start_span("never ended")))
            return seen
        """,
        [{}, {}, {}],
    )
    assert outcome.results == [{}, {}, {}]
    assert len({sent.span.trace_id for sent in outcome.invocations}) == 3
    assert [sent.span.parent_span_id for sent in outcome.invocations] == [b"", b"", b""]


LATE_BAGGAGE = """
    def handler(event, context):
        from opentelemetry import baggage
        from opentelemetry import trace
        return dict(baggage.get_all())
"""
BAGGAGE = LATE_BAGGAGE + "\nfrom opentelemetry import trace\n".replace("\n", "\n    ")
WITH_BAGGAGE = {
    "version": "2.0",
    "rawPath": "/",
    "headers": {
        "baggage": "tenant=a%20b,tier=gold",
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    },
    "requestContext": {"http": {"method": "GET", "path": "/"}, "domainName": "x"},
}


@pytest.mark.parametrize("source", [LATE_BAGGAGE, BAGGAGE])
def test_baggage_of_the_request_is_there_in_the_handler(source: str) -> None:
    outcome = run(source, [WITH_BAGGAGE, {}])
    assert outcome.results == [{"tenant": "a b", "tier": "gold"}, {}]
    assert outcome.invocations[0].span.trace_id.hex() == "a" * 32


def test_baggage_stays_out_where_the_propagators_say_so() -> None:
    outcome = run(BAGGAGE, [WITH_BAGGAGE], OTEL_PROPAGATORS="tracecontext")
    assert outcome.result == {}
    assert outcome.invocation.span.trace_id.hex() == "a" * 32


def test_a_fork_in_the_handler() -> None:
    outcome = run(
        """
        import os
        from opentelemetry import trace
        tracer = trace.get_tracer("t")
        def handler(event, context):
            child = os.fork()
            if not child:
                with tracer.start_as_current_span("in the child"):
                    pass
                os._exit(0)
            with tracer.start_as_current_span("in the parent"):
                assert os.waitpid(child, 0)[1] == 0
        """
    )
    assert sorted(children(outcome, outcome.invocation)) == ["in the child", "in the parent"]
    first, second = (outcome.named(f"in the {side}").span for side in ("child", "parent"))
    assert first.span_id != second.span_id


def test_a_child_process_that_returns_from_the_handler_ends_no_invocation() -> None:
    outcome = run(
        """
        import os
        from opentelemetry import trace
        def handler(event, context):
            child = os.fork()
            if child:
                os.waitpid(child, 0)
                return None
            try:
                with trace.get_tracer("t").start_as_current_span("in the child"):
                    raise SystemExit(0)
            finally:
                os._exit(0)
        """
    )
    only_child(outcome, outcome.invocation, "in the child")


def test_exceptions_inside_a_span_are_the_functions_own() -> None:
    outcome = run(
        """
        from opentelemetry import trace
        tracer = trace.get_tracer("t")
        def handler(event, context):
            try:
                with tracer.start_as_current_span("handled"):
                    raise KeyError("k")
            except KeyError:
                pass
            with tracer.start_as_current_span("raised"):
                raise ValueError("no")
        """
    )
    assert outcome.result == {"raised": "ValueError: no"}
    handled, raised = outcome.named("handled").span, outcome.named("raised").span
    assert handled.status.message == "KeyError: 'k'"
    assert raised.status.message == "ValueError: no"
    assert [event.name for event in raised.events] == ["exception"]
    root = outcome.invocation
    assert root.attributes["error.type"] == "ValueError"
    assert [event.name for event in root.span.events] == ["exception"]


def test_the_decorator_of_the_tracer_on_functions_and_coroutines() -> None:
    outcome = run(
        """
        import asyncio
        from opentelemetry import trace
        tracer = trace.get_tracer("t")
        @tracer.start_as_current_span("plain")
        def plain(value):
            return value, trace.get_current_span().name
        @tracer.start_as_current_span("waiting")
        async def waiting(value):
            await asyncio.sleep(0)
            return value, trace.get_current_span().name
        def handler(event, context):
            return [plain(1), plain(2), asyncio.run(waiting(3))]
        """
    )
    assert outcome.result == [[1, "plain"], [2, "plain"], [3, "waiting"]]
    assert children(outcome, outcome.invocation) == ["plain", "plain", "waiting"]


def test_switched_off_as_a_whole() -> None:
    outcome = run(
        """
        from opentelemetry import trace
        def handler(event, context):
            span = trace.get_current_span()
            with trace.get_tracer("t").start_as_current_span("child") as child:
                return [span.is_recording(), child.is_recording()]
        """,
        OTEL_SDK_DISABLED="true",
    )
    assert outcome.result == [False, False]
    assert (outcome.invocations, outcome.spans) == ([], [])


def test_traces_switched_off() -> None:
    source = """
        from opentelemetry import trace
        IMPORT
        def handler(event, context):
            with trace.get_tracer("t").start_as_current_span("child") as child:
                return format(child.get_span_context().trace_id, "x") == "a" * 32
    """
    for line in ("", "import opentelemetry.sdk.trace"):
        outcome = run(source.replace("IMPORT", line), [WITH_BAGGAGE], OTEL_TRACES_EXPORTER="none")
        # The caller's trace goes on through the function.
        assert outcome.result is True
        assert (outcome.invocations, outcome.spans) == ([], [])


SAMPLED = """
    from opentelemetry import trace
    IMPORT
    tracer = trace.get_tracer("t")
    def handler(event, context):
        with tracer.start_as_current_span("child") as span:
            return [span.is_recording(), span.get_span_context().trace_flags & 1]
"""


def test_the_api_alone_never_brings_the_sdk() -> None:
    outcome = run(
        """
        import sys
        from opentelemetry import trace
        def handler(event, context):
            with trace.get_tracer("t").start_as_current_span("child"):
                return "opentelemetry.sdk.trace" in sys.modules
        """,
        [{}, request("00"), {}],
    )
    assert outcome.results == [False, False, False]


def request(flags: str) -> dict[str, object]:
    headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-{flags}"}
    return {**WITH_BAGGAGE, "headers": headers}


@pytest.mark.parametrize("line", ["", "import opentelemetry.sdk.trace"])
@pytest.mark.parametrize(
    ("sampler", "argument", "decisions"),
    [
        # without a parent, with a sampled one, with one that is not
        ("always_on", "", [1, 1, 1]),
        ("always_off", "", [0, 0, 0]),
        ("traceidratio", "1", [1, 1, 1]),
        ("traceidratio", "0", [0, 0, 0]),
        ("parentbased_always_on", "", [1, 1, 0]),
        ("parentbased_always_off", "", [0, 1, 0]),
        ("parentbased_traceidratio", "0", [0, 1, 0]),
        ("parentbased_traceidratio", "1", [1, 1, 0]),
    ],
)
def test_samplers(line: str, sampler: str, argument: str, decisions: list[int]) -> None:
    outcome = run(
        SAMPLED.replace("IMPORT", line),
        [{}, request("01"), request("00")],
        OTEL_TRACES_SAMPLER=sampler,
        OTEL_TRACES_SAMPLER_ARG=argument,
    )
    assert outcome.results == [[bool(decision), decision] for decision in decisions]
    assert len(outcome.invocations) == len(outcome.spans) == sum(decisions)


def test_resource_and_service_name() -> None:
    for line in ("", "import opentelemetry.sdk.trace"):
        outcome = run(
            SAMPLED.replace("IMPORT", line),
            OTEL_SERVICE_NAME="orders",
            OTEL_RESOURCE_ATTRIBUTES="team=blue,service.name=other",
        )
        for sent in (outcome.invocation, outcome.named("child")):
            assert sent.resource["service.name"] == "orders"
            assert sent.resource["team"] == "blue"
            assert sent.resource["faas.name"] == "shop"


def test_a_version_that_is_too_old_is_said_in_one_line() -> None:
    outcome = run(
        """
        from opentelemetry import trace
        def handler(event, context):
            return trace.answer
        """,
        files={
            "opentelemetry/trace/__init__.py": "answer = 42\n",
            "opentelemetry/version/__init__.py": '__version__ = "1.20.0"\n',
            "opentelemetry/__init__.py": "",
        },
        log=None,
    )
    assert outcome.result == 42
    assert len(outcome.invocations) == 1
    (line,) = outcome.log
    assert line.startswith("serverless-instrument: OpenTelemetry in the function is not used: ")
    assert "1.20.0 is older than 1.25" in line
