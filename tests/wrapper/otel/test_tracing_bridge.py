"""The OpenTelemetry SDK in a function: imported anywhere, or set up by the function itself."""

from __future__ import annotations

import pytest

from tests.wrapper.program import children, run

USE = """
    def handler(event, context):
        IMPORT
        from opentelemetry import trace
        trace.get_current_span().set_attribute("seen", True)
        with trace.get_tracer("t", "1").start_as_current_span("child") as child:
            child.set_attribute("n", 1)
            return type(child).__module__
"""
LINES = (
    "import opentelemetry.sdk.trace",
    "from opentelemetry.sdk.trace.export import SimpleSpanProcessor",
    "from opentelemetry.sdk.resources import Resource; import opentelemetry.sdk.trace",
    "from opentelemetry import trace; import opentelemetry.sdk.trace",
)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("at", ["module", "handler"])
def test_wherever_the_sdk_is_imported_it_makes_the_spans(line: str, at: str) -> None:
    source = USE.replace("IMPORT", line if at == "handler" else "pass")
    outcome = run(source if at == "handler" else f"    {line}\n{source}", [{}, {}])
    assert outcome.results == ["opentelemetry.sdk.trace"] * 2
    for invocation in outcome.invocations:
        assert children(outcome, invocation) == ["child"]
        assert invocation.attributes["seen"] is True
        assert invocation.attributes["faas.trigger"] == "other"
    for sent in outcome.spans:
        assert sent.resource == outcome.invocations[0].resource
        assert (sent.scope, sent.attributes) == ("t", {"n": 1})


def test_tracers_made_before_the_sdk_came_use_it_then() -> None:
    outcome = run(
        """
        from opentelemetry import trace
        tracer = trace.get_tracer("early", "1", schema_url="https://schema")
        def handler(event, context):
            with tracer.start_as_current_span("before") as before:
                import opentelemetry.sdk.trace
                with tracer.start_as_current_span("after") as after:
                    return [type(span).__module__ for span in (before, after)]
        """
    )
    assert outcome.result == [
        "serverless_instrument.wrapper.otel.live_span",
        "opentelemetry.sdk.trace",
    ]
    assert children(outcome, outcome.invocation) == ["before"]
    assert children(outcome, outcome.named("before")) == ["after"]
    assert [sent.scope for sent in outcome.spans] == ["early", "early"]


OWN = """
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    exporter = InMemorySpanExporter()
    def set_up():
        provider = TracerProvider(resource=Resource.create(RESOURCE))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        assert trace.get_tracer_provider() is provider
    def exported():
        names = [span.name for span in exporter.get_finished_spans()]
        exporter.clear()
        return names
    early = trace.get_tracer("early")
"""
OWN_RESOURCE = '{"service.name": "their-own", "team": "red"}'
AT_IMPORT = """
    set_up()
    def handler(event, context):
        seen = exported()
        trace.get_current_span().set_attribute("seen", True)
        with early.start_as_current_span("one"):
            with trace.get_tracer("late").start_as_current_span("two"):
                pass
        return seen
"""
IN_THE_HANDLER = """
    def handler(event, context):
        if event["number"] == 1:
            set_up()
        seen = exported()
        trace.get_current_span().set_attribute("seen", True)
        with early.start_as_current_span("one"):
            with trace.get_tracer("late").start_as_current_span("two"):
                pass
        return seen
"""
EVENTS = [{"number": 1}, {"number": 2}, {"number": 3}]


@pytest.mark.parametrize("use", [AT_IMPORT, IN_THE_HANDLER])
def test_a_provider_of_the_functions_own_gets_every_span_and_so_do_we(use: str) -> None:
    outcome = run(OWN.replace("RESOURCE", OWN_RESOURCE) + use, EVENTS)
    # The invocation's span ends after the handler; the next invocation sees it.
    assert outcome.results == [[], ["two", "one", "shop"], ["two", "one", "shop"]]
    for invocation in outcome.invocations:
        assert children(outcome, invocation) == ["one"]
        assert invocation.attributes["seen"] is True
    assert len(outcome.spans) == 6
    for sent in [*outcome.invocations, *outcome.spans]:
        assert sent.resource["service.name"] == "their-own"
        assert sent.resource["team"] == "red"
        assert sent.resource["faas.name"] == "shop"


def test_their_resource_without_a_service_name_keeps_the_functions() -> None:
    outcome = run(OWN.replace("RESOURCE", '{"team": "red"}') + AT_IMPORT, EVENTS[:1])
    for sent in (outcome.invocation, *outcome.spans):
        assert (sent.resource["service.name"], sent.resource["team"]) == ("shop", "red")


def test_a_span_begun_before_theirs_was_set_stays_with_our_resource() -> None:
    outcome = run(
        OWN.replace("RESOURCE", OWN_RESOURCE)
        + """
    def handler(event, context):
        with early.start_as_current_span("before"):
            old = trace.get_tracer_provider()
            set_up()
            for tracer in (early, old.get_tracer("old"), trace.get_tracer("new")):
                tracer.start_span("after").end()
        """
    )
    services = [(sent.span.name, sent.resource["service.name"]) for sent in outcome.spans]
    assert services == [("after", "their-own")] * 3 + [("before", "shop")]
    assert [sent.scope for sent in outcome.spans] == ["early", "old", "new", "early"]
    assert outcome.invocation.resource["service.name"] == "their-own"
    assert children(outcome, outcome.invocation) == ["before"]


def test_setting_a_provider_twice_is_refused_as_ever() -> None:
    outcome = run(
        OWN.replace("RESOURCE", OWN_RESOURCE)
        + AT_IMPORT
        + """
    trace.set_tracer_provider(TracerProvider())
        """,
        EVENTS[:2],
        log=["Overriding of current TracerProvider is not allowed"],
    )
    assert outcome.results == [[], ["two", "one", "shop"]]


def test_processors_added_to_the_provider_that_is_there() -> None:
    outcome = run(
        """
        from opentelemetry import trace
        class Noting:
            seen = []
            def on_start(self, span, parent_context=None):
                self.seen.append(("start", span.name))
                span.set_attribute("noted", True)
            def on_end(self, span):
                self.seen.append(("end", span.name))
            def shutdown(self): pass
            def force_flush(self, timeout_millis=0): return True
            def _on_ending(self, span): pass
        noting = Noting()
        trace.get_tracer_provider().add_span_processor(noting)
        def handler(event, context):
            with trace.get_tracer("t").start_as_current_span("child"):
                pass
            seen, noting.seen = noting.seen, []
            return seen
        """,
        [{}, {}],
    )
    inner = [["start", "child"], ["end", "child"]]
    assert outcome.results == [
        [["start", "shop"], *inner],
        [["end", "shop"], ["start", "shop"], *inner],
    ]
    for sent in [*outcome.invocations, *outcome.spans]:
        assert sent.attributes["noted"] is True


def test_a_processor_that_raises_costs_no_invocation() -> None:
    outcome = run(
        """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import SpanProcessor
        class Raising(SpanProcessor):
            on = "EVENT"
            def on_start(self, span, parent_context=None):
                if span.name == "shop": raise RuntimeError("start")
            def on_end(self, span):
                if span.name == "shop": raise RuntimeError("end")
        trace.get_tracer_provider().add_span_processor(Raising())
        def handler(event, context):
            with trace.get_tracer("t").start_as_current_span("child"):
                return "fine"
        """,
        [{}, {}],
    )
    assert outcome.results == ["fine", "fine"]
    assert len(outcome.invocations) == 2
    for invocation in outcome.invocations:
        assert children(outcome, invocation) == ["child"]


def test_a_provider_that_is_not_the_sdks() -> None:
    outcome = run(
        """
        from opentelemetry import trace
        class Theirs(trace.TracerProvider):
            def get_tracer(self, name, *rest, **options):
                return trace.NoOpTracer()
        trace.set_tracer_provider(Theirs())
        def handler(event, context):
            trace.get_current_span().set_attribute("seen", True)
            with trace.get_tracer("t").start_as_current_span("theirs"):
                return type(trace.get_tracer_provider()).__name__
        """,
        [{}, {}],
    )
    assert outcome.results == ["Theirs", "Theirs"]
    assert outcome.spans == []
    assert [sent.attributes["seen"] for sent in outcome.invocations] == [True, True]


def test_what_is_put_on_the_invocations_span_of_the_sdk() -> None:
    outcome = run(
        """
        import opentelemetry.sdk.trace
        from opentelemetry import trace
        def handler(event, context):
            span = trace.get_current_span()
            span.update_name("renamed")
            span.add_event("hello", {"a": 1})
            span.add_link(trace.SpanContext(1, 2, True), {"b": 2})
            span.set_status(trace.StatusCode.OK)
            if event["how"] == "ended":
                span.end()
            if event["how"] == "raised":
                raise ValueError("no")
            return {"statusCode": 200}
        """,
        [{"how": how} for how in ("returned", "ended", "raised")],
    )
    assert len(outcome.invocations) == 3
    for sent, sampled in zip(outcome.invocations, outcome.started, strict=True):
        span = sent.span
        assert (span.name, span.span_id) == ("renamed", sampled)
        assert (span.events[0].name, span.links[0].span_id[-1]) == ("hello", 2)
        # OK is final, by the specification.
        assert (span.status.code, span.status.message) == (1, "")
        assert span.end_time_unix_nano >= span.events[-1].time_unix_nano
        assert sent.attributes["faas.invocation_id"]
    raised = outcome.invocations[2]
    assert [event.name for event in raised.span.events] == ["hello", "exception"]
    assert raised.attributes["error.type"] == "ValueError"


def test_a_handler_that_raises_is_an_error_on_the_sdks_span() -> None:
    outcome = run(
        """
        import opentelemetry.sdk.trace
        def handler(event, context):
            raise KeyError("k")
        """
    )
    span = outcome.invocation.span
    assert outcome.result == {"raised": "KeyError: 'k'"}
    assert (span.status.code, span.status.message) == (2, "'k'")
    assert [event.name for event in span.events] == ["exception"]


def test_limits_of_the_environment_are_the_sdks() -> None:
    source = """
        from opentelemetry import trace
        IMPORT
        def handler(event, context):
            with trace.get_tracer("t").start_as_current_span("child") as span:
                for number in range(5):
                    span.set_attribute(f"a{number}", "x" * 9)
                    span.add_event(f"e{number}", {f"k{n}": "y" * 9 for n in range(4)})
                    span.add_link(trace.SpanContext(1, 2, True), {f"k{n}": n for n in range(3)})
    """
    for line in ("pass", "import opentelemetry.sdk.trace"):
        outcome = run(
            source.replace("IMPORT", line),
            log=None,  # the SDK warns of what it drops
            OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="2",
            OTEL_SPAN_EVENT_COUNT_LIMIT="3",
            OTEL_SPAN_LINK_COUNT_LIMIT="4",
            OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT="2",
            OTEL_LINK_ATTRIBUTE_COUNT_LIMIT="1",
            OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="5",
        )
        assert all(said.startswith("Attribute") or "truncating" in said for said in outcome.log)
        span = outcome.named("child").span
        assert (len(span.attributes), span.dropped_attributes_count) == (2, 3)
        assert (len(span.events), span.dropped_events_count) == (3, 2)
        assert (len(span.links), span.dropped_links_count) == (4, 1)
        assert {event.dropped_attributes_count for event in span.events} == {2}
        assert {link.dropped_attributes_count for link in span.links} == {2}
        assert outcome.named("child").attributes.popitem()[1] == "x" * 5
        assert {pair.value.string_value for pair in span.events[0].attributes} == {"y" * 5}


SAMPLER = """
    import sys
    from opentelemetry import trace
    def handler(event, context):
        with trace.get_tracer("t").start_as_current_span("child") as span:
            return [span.is_recording(), trace.get_tracer_provider().sampler.get_description()]
"""
SAID = "serverless-instrument: {} cannot be used: {}; using {}"
PACKAGE = {
    "bought/__init__.py": """
        from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
        class Only(Sampler):
            def __init__(self, name): self.name = name
            def should_sample(self, parent_context, trace_id, name, *rest, **options):
                keep = self.name in ("all", name)
                decision = Decision.RECORD_AND_SAMPLE if keep else Decision.DROP
                return SamplingResult(decision, {"sampled.by": self.name})
            def get_description(self): return f"Only({self.name})"
        def made(argument): return Only(argument)
        def broken(argument): raise ValueError(f"no rate {argument!r}")
        class Ids:
            def generate_trace_id(self): return 0xABC
            def generate_span_id(self): Ids.last += 1; return Ids.last
            def is_trace_id_random(self): return False
            last = 0
        """,
    "bought-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: bought\nVersion: 1\n",
    "bought-1.dist-info/entry_points.txt": "\n".join(
        [
            "[opentelemetry_traces_sampler]",
            "bought = bought:made",
            "broken = bought:broken",
            "[opentelemetry_id_generator]",
            "bought_ids = bought:Ids",
            "",
        ]
    ),
}


def test_a_sampler_of_an_installed_package_decides() -> None:
    outcome = run(
        SAMPLER,
        [{}, {}],
        files=PACKAGE,
        OTEL_TRACES_SAMPLER="bought",
        OTEL_TRACES_SAMPLER_ARG="all",
    )
    assert outcome.results == [[True, "Only(all)"]] * 2
    assert [sent.attributes["sampled.by"] for sent in outcome.invocations] == ["all", "all"]
    assert len(outcome.spans) == 2


def test_its_no_is_a_no_for_the_invocation() -> None:
    outcome = run(
        SAMPLER,
        files=PACKAGE,
        OTEL_TRACES_SAMPLER="bought",
        OTEL_TRACES_SAMPLER_ARG="child",
    )
    assert outcome.result == [True, "Only(child)"]
    assert (outcome.invocations, outcome.started) == ([], [])
    assert outcome.named("child").attributes == {"sampled.by": "child"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "no installed package provides it (opentelemetry_traces_sampler)"),
        ("broken", "ValueError: no rate '7'"),
    ],
)
def test_a_sampler_that_cannot_be_had_is_said_in_one_line(name: str, reason: str) -> None:
    outcome = run(
        SAMPLER,
        [{}, {}],
        files=PACKAGE,
        log=[SAID.format(f'OTEL_TRACES_SAMPLER="{name}"', reason, "parentbased_always_on")],
        OTEL_TRACES_SAMPLER=name,
        OTEL_TRACES_SAMPLER_ARG="7",
    )
    assert [result[0] for result in outcome.results] == [True, True]  # type: ignore[index] # a list
    assert (len(outcome.invocations), len(outcome.spans)) == (2, 2)


def test_the_id_generator_of_a_package() -> None:
    outcome = run(
        """
        import opentelemetry.sdk.trace
        from opentelemetry import context as context_api, trace
        def handler(event, context):
            tracer = trace.get_tracer("t")
            with tracer.start_as_current_span("child"):
                pass
            tracer.start_span("alone", context=context_api.Context()).end()
        """,
        files=PACKAGE,
        OTEL_PYTHON_ID_GENERATOR="bought_ids",
    )
    assert children(outcome, outcome.invocation) == ["child"]
    assert outcome.named("alone").span.trace_id[-2:] == b"\x0a\xbc"


def test_an_id_generator_that_is_not_there_is_said_in_one_line() -> None:
    outcome = run(
        USE.replace("IMPORT", LINES[0]),
        OTEL_PYTHON_ID_GENERATOR="missing",
        log=[
            SAID.format(
                'OTEL_PYTHON_ID_GENERATOR="missing"',
                "no installed package provides it (opentelemetry_id_generator)",
                '"random"',
            )
        ],
    )
    assert children(outcome, outcome.invocation) == ["child"]


def test_switched_off_as_a_whole_the_functions_own_sdk_is_its_own() -> None:
    outcome = run(
        OWN.replace("RESOURCE", OWN_RESOURCE) + AT_IMPORT,
        EVENTS[:2],
        log=None,  # some releases of the SDK warn
        OTEL_SDK_DISABLED="true",
    )
    # As the specification requires, its tracers do nothing.
    assert outcome.results == [[], []]
    assert (outcome.invocations, outcome.spans) == ([], [])


def test_traces_not_exported_are_still_the_functions_own() -> None:
    outcome = run(
        OWN.replace("RESOURCE", OWN_RESOURCE) + AT_IMPORT,
        EVENTS[:2],
        OTEL_TRACES_EXPORTER="none",
    )
    assert outcome.results == [[], ["two", "one", "shop"]]
    assert (outcome.invocations, outcome.spans) == ([], [])
