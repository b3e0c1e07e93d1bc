"""https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.wrapper.records.encoder import Limits
from serverless_instrument.wrapper.settings import Settings


def read(**environ: str) -> Settings:
    settings = Settings(environ)
    assert settings.warnings == []
    return settings


def warned(**environ: str) -> tuple[Settings, str]:
    settings = Settings(environ)
    (warning,) = settings.warnings
    return settings, warning


def limits(settings: Settings) -> dict[str, int | None]:
    return {name: getattr(settings.limits, name) for name in Limits.__slots__}


DEFAULT_LIMITS = {
    "attribute_count": 128,
    "attribute_value_length": None,
    "event_attribute_count": 128,
    "event_count": 128,
    "link_attribute_count": 128,
    "link_count": 128,
}


def test_defaults() -> None:
    settings = read()
    assert not settings.disabled
    assert settings.traces_exported
    assert settings.propagators == ("xray", "tracecontext", "baggage")
    assert settings.ignore_xray_decision
    assert (settings.sampler, settings.sampler_ratio) == ("parentbased_always_on", 1.0)
    assert (settings.exception_as_event, settings.exception_as_log) == (True, False)
    assert "QUERY" in settings.known_methods
    assert limits(settings) == DEFAULT_LIMITS


NAMES = [
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
    "OTEL_PROPAGATORS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE",
    "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
]


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_value_is_an_unset_one(empty: str) -> None:
    settings, default = read(**dict.fromkeys(NAMES, empty)), read()
    # OpenTelemetry's API cannot load a propagator of no name, so that it has to be known.
    assert settings.propagators_given is bool(empty)
    for name in set(Settings.__slots__) - {"limits", "log_limits", "propagators_given"}:
        assert getattr(settings, name) == getattr(default, name)
    assert limits(settings) == DEFAULT_LIMITS


@pytest.mark.parametrize(
    ("value", "disabled"), [("true", True), ("TRUE", True), (" True ", True), ("false", False)]
)
def test_disabled(value: str, disabled: bool) -> None:
    assert read(OTEL_SDK_DISABLED=value).disabled is disabled


def test_traces_can_be_switched_off_alone() -> None:
    settings = read(OTEL_TRACES_EXPORTER="None")
    assert not settings.traces_exported
    assert not settings.disabled


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("tracecontext", ("tracecontext",)),
        (" TraceContext , baggage ,", ("tracecontext", "baggage")),
        ("xray,tracecontext,xray", ("xray", "tracecontext")),
        ("none", ()),
        ("tracecontext,none", ()),
    ],
)
def test_propagators(value: str, expected: tuple[str, ...]) -> None:
    assert read(OTEL_PROPAGATORS=value).propagators == expected


def test_what_only_a_package_knows_needs_the_sdk() -> None:
    known = read(
        OTEL_PROPAGATORS="b3,b3multi,baggage,tracecontext,xray,xray-lambda",
        OTEL_TRACES_SAMPLER="always_off",
    )
    assert not known.needs_sdk
    assert known.propagators == (
        "b3",
        "b3multi",
        "baggage",
        "tracecontext",
        "xray",
        "xray-lambda",
    )
    foreign = read(OTEL_PROPAGATORS="Jaeger,tracecontext")
    assert foreign.needs_sdk
    assert foreign.propagators == ("jaeger", "tracecontext")
    sampler = read(OTEL_TRACES_SAMPLER="XRay", OTEL_TRACES_SAMPLER_ARG="endpoint=x")
    assert sampler.needs_sdk
    assert (sampler.sampler, sampler.sampler_ratio) == ("XRay", 1.0)


@pytest.mark.parametrize(
    ("environ", "ignored"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://xray.eu-west-1.amazonaws.com"}, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://xray.a.amazonaws.com/v1/traces"}, False),
        (
            {
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "https://xray.eu-west-1.amazonaws.com",
            },
            True,
        ),
        ({"OTEL_PROPAGATORS": "xray-lambda"}, False),
        ({"OTEL_PROPAGATORS": "xray"}, True),
    ],
)
def test_xrays_decision_counts_where_xray_is_the_destination(
    environ: dict[str, str], ignored: bool
) -> None:
    assert read(**environ).ignore_xray_decision is ignored


@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        ("always_off", "", ("always_off", 1.0)),
        ("ALWAYS_ON", "0.5", ("always_on", 1.0)),
        ("traceidratio", "0.25", ("traceidratio", 0.25)),
        ("parentbased_traceidratio", " 0 ", ("parentbased_traceidratio", 0.0)),
        ("parentbased_traceidratio", "1e-3", ("parentbased_traceidratio", 0.001)),
        ("traceidratio", "", ("traceidratio", 1.0)),
        ("traceidratio", "1", ("traceidratio", 1.0)),
        ("", "0.5", ("parentbased_always_on", 1.0)),
    ],
)
def test_samplers(name: str, argument: str, expected: tuple[str, float]) -> None:
    settings = read(OTEL_TRACES_SAMPLER=name, OTEL_TRACES_SAMPLER_ARG=argument)
    assert (settings.sampler, settings.sampler_ratio) == expected


@pytest.mark.parametrize("ratio", ["-0.1", "1.1", "nan", "inf", "half", "0,5"])
def test_a_ratio_out_of_range_is_1_with_a_warning(ratio: str) -> None:
    settings, warning = warned(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG=ratio)
    assert (settings.sampler, settings.sampler_ratio) == ("traceidratio", 1.0)
    assert warning == (f'OTEL_TRACES_SAMPLER_ARG="{ratio}" is not a number from 0 to 1, using 1')


@pytest.mark.parametrize(
    ("environ", "changed"),
    [
        (
            {"OTEL_ATTRIBUTE_COUNT_LIMIT": "5"},
            {"attribute_count": 5, "event_attribute_count": 5, "link_attribute_count": 5},
        ),
        (
            {"OTEL_ATTRIBUTE_COUNT_LIMIT": "5", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0"},
            {"attribute_count": 0, "event_attribute_count": 5, "link_attribute_count": 5},
        ),
        ({"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "1"}, {"event_attribute_count": 1}),
        ({"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "2"}, {"link_attribute_count": 2}),
        ({"OTEL_SPAN_EVENT_COUNT_LIMIT": "3"}, {"event_count": 3}),
        ({"OTEL_SPAN_LINK_COUNT_LIMIT": "4"}, {"link_count": 4}),
        ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "100"}, {"attribute_value_length": 100}),
        (
            {
                "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "100",
                "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "50",
            },
            {"attribute_value_length": 50},
        ),
    ],
)
def test_limits(environ: dict[str, str], changed: dict[str, int]) -> None:
    assert limits(read(**environ)) == {**DEFAULT_LIMITS, **changed}


@pytest.mark.parametrize("value", ["-1", "1.5", "many", "0x10", "²", "1" * 16, "1_000"])
def test_a_limit_that_is_no_number_is_the_general_one_with_a_warning(value: str) -> None:
    settings, warning = warned(
        OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=value, OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="9"
    )
    assert limits(settings) == {**DEFAULT_LIMITS, "attribute_value_length": 9}
    assert warning == (
        f'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="{value}" is not a whole number from 0 up, using 9'
    )


@pytest.mark.parametrize(
    ("value", "as_event", "as_log"),
    [
        ("logs", False, True),
        ("logs/dup", True, True),
        ("logs,logs/dup", True, True),
        (" other , logs ", False, True),
        ("other", True, False),
        ("LOGS", True, False),
    ],
)
def test_where_exceptions_go(value: str, as_event: bool, as_log: bool) -> None:
    settings = read(OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN=value)
    assert (settings.exception_as_event, settings.exception_as_log) == (as_event, as_log)


def test_what_the_forwarder_reads_as_well_is_said_by_the_forwarder() -> None:
    settings = read(
        OTEL_SDK_DISABLED="1",
        OTEL_TRACES_EXPORTER="zipkin",
        OTEL_LOGS_EXPORTER="console",
        OTEL_METRICS_EXPORTER="prometheus",
        SERVERLESS_INSTRUMENT_DEV_MODE="maybe",
        SERVERLESS_INSTRUMENT_LOGS="maybe",
        SERVERLESS_INSTRUMENT_LOGS_LEVEL="loud",
        SERVERLESS_INSTRUMENT_LOGS_INCLUDE="(",
        SERVERLESS_INSTRUMENT_LOGS_EXCLUDE="(",
        SERVERLESS_INSTRUMENT_MASK="(",
    )
    assert not settings.disabled
    assert settings.traces_exported
    assert settings.logs_exported
    assert settings.metrics_exported
    assert not settings.dev_mode


def test_a_bad_general_limit_is_said_once_although_logs_have_it_too() -> None:
    settings, warning = warned(OTEL_ATTRIBUTE_COUNT_LIMIT="many")
    assert warning.startswith('OTEL_ATTRIBUTE_COUNT_LIMIT="many" ')
    assert (settings.limits.attribute_count, settings.log_limits.attribute_count) == (128, 128)


def test_known_methods_replace_the_defaults() -> None:
    settings = read(OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS=" GET,PURGE ,,get")
    assert settings.known_methods == {"GET", "PURGE", "get"}


@given(st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_no_environment_raises_and_every_warning_names_a_variable(environ: dict[str, str]) -> None:
    for warning in Settings(environ).warnings:
        assert warning.startswith("OTEL_")
        assert re.split("[=:]", warning)[0] in environ
