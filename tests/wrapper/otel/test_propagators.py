"""``OTEL_PROPAGATORS`` for OpenTelemetry code in the function, and for the invocation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wrapper.program import run

TRACE, SPAN = "a" * 32, "b" * 16
HEADERS = {
    "traceparent": f"00-{TRACE}-{SPAN}-01",
    "tracestate": "k=v",
    "baggage": "tenant=gold",
    "x-amzn-trace-id": f"Root=1-{'c' * 8}-{'d' * 24};Parent={'e' * 16};Sampled=1",
    "b3": f"{'1' * 32}-{'2' * 16}-1",
    "x-b3-traceid": "3" * 32,
    "x-b3-spanid": "4" * 16,
    "x-b3-sampled": "1",
}
EVENT = {
    "version": "2.0",
    "rawPath": "/",
    "headers": HEADERS,
    "requestContext": {"http": {"method": "GET", "path": "/"}, "domainName": "x"},
}
INJECT = """
    from opentelemetry import propagate, trace
    def handler(event, context):
        carrier = {}
        propagate.inject(carrier)
        span = trace.get_current_span().get_span_context()
        names = {format(span.trace_id, "032x"): "T", format(span.span_id, "016x"): "S"}
        for key, value in carrier.items():
            for text, name in names.items():
                value = value.replace(text, name)
            carrier[key] = value
        return carrier
"""
B3 = "1" * 32
XRAY = "c" * 8 + "d" * 24
MULTI = {"x-b3-traceid": "T", "x-b3-spanid": "S", "x-b3-sampled": "1"}


def xray(trace_id: str) -> dict[str, str]:
    return {"X-Amzn-Trace-Id": f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent=S;Sampled=1"}


@pytest.mark.parametrize(
    ("names", "trace_id", "written"),
    [
        ("tracecontext", TRACE, {"traceparent": "00-T-S-01", "tracestate": "k=v"}),
        ("baggage", None, {"baggage": "tenant=gold"}),
        (
            "tracecontext,baggage",
            TRACE,
            {"traceparent": "00-T-S-01", "tracestate": "k=v", "baggage": "tenant=gold"},
        ),
        ("xray", XRAY, xray(XRAY)),
        ("xray-lambda", XRAY, xray(XRAY)),
        ("b3", B3, {"b3": "T-S-1"}),
        ("b3multi", B3, MULTI),
        # A later propagator that finds a span overrides an earlier one.
        ("b3,xray", XRAY, {"b3": "T-S-1", **xray(XRAY)}),
        ("xray,b3", B3, {"b3": "T-S-1", **xray(B3)}),
        (" TraceContext , , B3 ", B3, {"traceparent": "00-T-S-01", "b3": "T-S-1"}),
        ("none", None, {}),
        ("tracecontext,none", None, {}),
    ],
)
def test_what_each_value_reads_and_writes(
    names: str, trace_id: str | None, written: dict[str, str]
) -> None:
    outcome = run(INJECT, [EVENT], OTEL_PROPAGATORS=names)
    assert outcome.result == written
    span = outcome.invocation.span
    assert (span.trace_id.hex() == trace_id) if trace_id else (span.parent_span_id == b"")


def test_without_the_setting() -> None:
    outcome = run(INJECT, [EVENT])
    assert outcome.result == {
        "traceparent": "00-T-S-01",
        "tracestate": "k=v",
        "baggage": "tenant=gold",
    }
    assert outcome.invocation.span.trace_id.hex() == TRACE


def test_one_that_no_package_provides_is_said_in_one_line_and_costs_no_other() -> None:
    outcome = run(
        INJECT,
        [EVENT],
        OTEL_PROPAGATORS="jaeger,tracecontext",
        log=None,
    )
    assert outcome.result == {"traceparent": "00-T-S-01", "tracestate": "k=v"}
    assert outcome.invocation.span.trace_id.hex() == TRACE
    (line,) = outcome.log
    assert line.startswith('serverless-instrument: OTEL_PROPAGATORS names "jaeger", ')
    assert "install the package, or take the name out" in line


def test_it_is_said_although_the_function_imports_nothing() -> None:
    outcome = run(
        "def handler(event, context): return 1\n",
        [EVENT, EVENT],
        OTEL_PROPAGATORS="jaeger,tracecontext",
        log=None,
    )
    assert outcome.results == [1, 1]
    assert len(outcome.log) == 1
    assert [sent.span.trace_id.hex() for sent in outcome.invocations] == [TRACE, TRACE]


PACKAGE = {
    "bought.py": """
        from opentelemetry import trace
        from opentelemetry.propagators.textmap import TextMapPropagator, default_getter
        class Bought(TextMapPropagator):
            fields = {"x-bought"}
            def extract(self, carrier, context=None, getter=default_getter):
                found = getter.get(carrier, "x-bought")
                if not found:
                    return context
                span = trace.SpanContext(int(found[0], 16), 7, True, trace.TraceFlags(1))
                return trace.set_span_in_context(trace.NonRecordingSpan(span), context)
            def inject(self, carrier, context=None, setter=None):
                carrier["x-bought"] = "sent"
        class Raising(Bought):
            def extract(self, *_, **__):
                raise RuntimeError("no")
        """,
    "bought-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: bought\nVersion: 1\n",
    "bought-1.dist-info/entry_points.txt": (
        "[opentelemetry_propagator]\nbought = bought:Bought\nraising = bought:Raising\n"
    ),
}


def test_one_of_an_installed_package_reads_and_writes() -> None:
    event = {**EVENT, "headers": {"x-bought": "f" * 32, "x-amzn-trace-id": HEADERS["b3"]}}
    outcome = run(INJECT, [event, {}], files=PACKAGE, OTEL_PROPAGATORS="bought,tracecontext")
    first, second = outcome.invocations
    assert (first.span.trace_id.hex(), first.span.parent_span_id.hex()) == (
        "f" * 32,
        "0" * 15 + "7",
    )
    assert second.span.parent_span_id == b""
    carriers: Any = outcome.results
    assert [carrier["x-bought"] for carrier in carriers] == ["sent", "sent"]


def test_ours_beside_it_keep_x_rays_decision_out() -> None:
    off = {"x-amzn-trace-id": HEADERS["x-amzn-trace-id"].replace("Sampled=1", "Sampled=0")}
    outcome = run(
        INJECT, [{**EVENT, "headers": off}], files=PACKAGE, OTEL_PROPAGATORS="xray,bought"
    )
    assert outcome.invocation.span.trace_id.hex() == XRAY


def test_one_that_raises_costs_no_invocation() -> None:
    outcome = run(
        "def handler(event, context): return 1\n",
        [EVENT],
        files=PACKAGE,
        OTEL_PROPAGATORS="raising,tracecontext",
    )
    assert outcome.result == 1
    assert outcome.invocation.span.trace_id.hex() == TRACE


EXTRACT = """
    import os
    from opentelemetry import propagate, trace
    class Getter:
        def get(self, carrier, key):
            return [value for name, value in carrier if name.lower() == key.lower()] or None
        def keys(self, carrier):
            return [name for name, _ in carrier]
    def show(context):
        span = trace.get_current_span(context).get_span_context()
        return [format(span.trace_id, "032x"), format(span.span_id, "016x"),
                int(span.trace_flags) & 1, span.is_remote]
    def handler(event, context):
        if event.get("environment"):
            os.environ["_X_AMZN_TRACE_ID"] = event["environment"]
        from opentelemetry.context import Context
        plain = propagate.extract(event["carrier"], Context())
        listed = propagate.extract(list(event["carrier"].items()), Context(), Getter())
        assert show(plain) == show(listed), (show(plain), show(listed))
        return show(plain)
"""
INVALID = ["0" * 32, "0" * 16, 0, False]


@pytest.mark.parametrize(
    ("names", "carrier", "expected"),
    [
        ("xray", {"X-Amzn-Trace-Id": HEADERS["x-amzn-trace-id"]}, [XRAY, "e" * 16, 1, True]),
        ("xray", {"x-amzn-trace-id": "Root=1-x"}, INVALID),
        ("b3", {"b3": HEADERS["b3"]}, [B3, "2" * 16, 1, True]),
        ("b3", {"b3": f"{'1' * 16}-{'2' * 16}-0"}, ["0" * 16 + "1" * 16, "2" * 16, 0, True]),
        ("b3", {"b3": f"{'1' * 32}-{'2' * 16}-d"}, [B3, "2" * 16, 1, True]),
        ("b3", {"b3": "0"}, INVALID),
        (
            "b3multi",
            {"X-B3-TraceId": "3" * 32, "X-B3-SpanId": "4" * 16, "X-B3-Sampled": "0"},
            ["3" * 32, "4" * 16, 0, True],
        ),
        (
            "b3multi",
            {"X-B3-TraceId": "3" * 32, "X-B3-SpanId": "4" * 16, "X-B3-Flags": "1"},
            ["3" * 32, "4" * 16, 1, True],
        ),
        ("tracecontext", {"traceparent": HEADERS["traceparent"]}, [TRACE, SPAN, 1, True]),
    ],
)
def test_what_the_function_extracts_itself(
    names: str, carrier: dict[str, str], expected: list[object]
) -> None:
    outcome = run(EXTRACT, [{"carrier": carrier}], OTEL_PROPAGATORS=names)
    assert outcome.result == expected


def test_xray_lambda_prefers_the_environment_unless_a_span_is_found() -> None:
    # https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/
    environment = f"Root=1-{'5' * 8}-{'6' * 24};Parent={'7' * 16};Sampled=1"
    carrier = {"X-Amzn-Trace-Id": HEADERS["x-amzn-trace-id"]}
    event = {"carrier": carrier, "environment": environment}
    alone = run(EXTRACT, [event], OTEL_PROPAGATORS="xray-lambda")
    assert alone.result == ["5" * 8 + "6" * 24, "7" * 16, 1, True]
    found = {"carrier": {"traceparent": HEADERS["traceparent"]}, "environment": environment}
    after = run(EXTRACT, [found], OTEL_PROPAGATORS="tracecontext,xray-lambda")
    assert after.result == [TRACE, SPAN, 1, True]


def test_a_global_propagator_of_the_functions_own_stands() -> None:
    source = """
        from opentelemetry import propagate
        from opentelemetry.propagators.composite import CompositePropagator
        propagate.set_global_textmap(CompositePropagator([]))
        def handler(event, context):
            carrier = {}
            propagate.inject(carrier)
            return carrier
    """
    assert run(source, [EVENT]).result == {}
    assert run(source, [EVENT], OTEL_PROPAGATORS="b3").result == {}


def test_the_setting_is_there_again_after_the_import() -> None:
    source = """
        import os
        from opentelemetry import propagate
        def handler(event, context):
            return os.environ["OTEL_PROPAGATORS"], sorted(propagate.get_global_textmap().fields)
    """
    outcome = run(source, OTEL_PROPAGATORS="b3,tracecontext")
    names: Any = outcome.result
    assert names[0] == "b3,tracecontext"
    assert {"b3", "traceparent"} <= set(names[1])
