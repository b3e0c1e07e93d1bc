"""OTEL_EXPORTER_OTLP_*, as https://opentelemetry.io/docs/specs/otel/protocol/exporter/ has them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.destinations.settings import (
    SIGNALS,
    Settings,
    receiver_port,
    statsd_port,
)

if TYPE_CHECKING:
    from serverless_instrument.forwarder.destinations.destination import Destination

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
BASE = {ENDPOINT: "http://host:4318"}
NAMES = [
    "ENDPOINT",
    "HEADERS",
    "TIMEOUT",
    "COMPRESSION",
    "PROTOCOL",
    "CERTIFICATE",
    "CLIENT_CERTIFICATE",
    "CLIENT_KEY",
]


def destination(signal: str = "traces", **variables: str) -> Destination:
    """The signal's destination; everything in `variables` must be usable."""
    settings = Settings({**BASE, **variables})
    assert settings.warnings == []
    return settings.destinations[signal][0]


def warning(**variables: str) -> str:
    """The one warning."""
    (only,) = Settings({**BASE, **variables}).warnings
    assert only.isprintable()
    return only


def value_of(name: str, found: Destination) -> object:
    return {
        "ENDPOINT": (found.host, found.port, found.path),
        "HEADERS": found.headers,
        "TIMEOUT": found.timeout_ms,
        "COMPRESSION": found.compress,
        "PROTOCOL": found.json,
        "CERTIFICATE": found.certificate,
        "CLIENT_CERTIFICATE": found.client_certificate,
        "CLIENT_KEY": found.client_key,
    }[name]


GENERAL = {
    "ENDPOINT": "http://general:1/base",
    "HEADERS": "a=general,b=general",
    "TIMEOUT": "111",
    "COMPRESSION": "gzip",
    "PROTOCOL": "http/protobuf",
    "CERTIFICATE": "/general.pem",
    "CLIENT_CERTIFICATE": "/general-client.pem",
    "CLIENT_KEY": "/general.key",
}
OWN = {
    "ENDPOINT": "http://own:2/exactly/this",
    "HEADERS": "a=own",
    "TIMEOUT": "222",
    "COMPRESSION": "none",
    "PROTOCOL": "http/json",
    "CERTIFICATE": "/own.pem",
    "CLIENT_CERTIFICATE": "/own-client.pem",
    "CLIENT_KEY": "/own.key",
}
GENERAL_MEANING = {
    "HEADERS": {"a": "general", "b": "general"},
    "TIMEOUT": 111,
    "COMPRESSION": True,
    "PROTOCOL": False,
    "CERTIFICATE": "/general.pem",
    "CLIENT_CERTIFICATE": "/general-client.pem",
    "CLIENT_KEY": "/general.key",
}
OWN_MEANING = {
    "ENDPOINT": ("own", 2, "/exactly/this"),
    # They replace the general ones.
    "HEADERS": {"a": "own"},
    "TIMEOUT": 222,
    "COMPRESSION": False,
    "PROTOCOL": True,
    "CERTIFICATE": "/own.pem",
    "CLIENT_CERTIFICATE": "/own-client.pem",
    "CLIENT_KEY": "/own.key",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signals_own_variable_takes_precedence_for_that_signal_only(
    signal: str, name: str
) -> None:
    general = {f"OTEL_EXPORTER_OTLP_{key}": value for key, value in GENERAL.items()}
    own = {f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}": OWN[name]}
    settings = Settings({**general, **own})
    assert settings.warnings == []
    for other in SIGNALS:
        found = value_of(name, settings.destinations[other][0])
        if other == signal:
            assert found == OWN_MEANING[name]
        elif name == "ENDPOINT":
            assert found == ("general", 1, f"/base/v1/{other}")
        else:
            assert found == GENERAL_MEANING[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_own_variable_is_an_unset_one(name: str) -> None:
    general = {f"OTEL_EXPORTER_OTLP_{key}": value for key, value in GENERAL.items()}
    empty = {f"OTEL_EXPORTER_OTLP_TRACES_{name}": " "}
    (with_empty,), (without,) = (
        Settings(e).destinations["traces"] for e in (general | empty, general)
    )
    assert value_of(name, with_empty) == value_of(name, without)


def test_defaults() -> None:
    found = destination()
    assert (found.secure, found.host, found.port) == (False, "host", 4318)
    assert (found.headers, found.timeout_ms, found.compress) == ({}, 10_000, True)
    assert (found.json, found.certificate, found.client_certificate) == (False, "", "")


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("http://host", "/v1/traces"),
        ("http://host/", "/v1/traces"),
        ("http://host//", "/v1/traces"),
        ("http://host/base", "/base/v1/traces"),
        ("http://host/base/", "/base/v1/traces"),
        ("http://host/base?k=v/", "/base/v1/traces?k=v/"),
        ("http://host?k=v", "/v1/traces?k=v"),
    ],
)
def test_the_general_endpoint_is_a_base(endpoint: str, path: str) -> None:
    assert destination(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint).path == path


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("http://host", "/"),
        ("http://host/", "/"),
        ("http://host/base", "/base"),
        ("http://host/base/", "/base/"),
        ("http://host?k=v", "/?k=v"),
        ("http://host/base/?k=v", "/base/?k=v"),
    ],
)
def test_a_signals_own_endpoint_is_used_as_it_is(endpoint: str, path: str) -> None:
    assert destination(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint).path == path


def test_a_signal_without_an_endpoint_beside_one_that_has_one_is_silently_discarded() -> None:
    settings = Settings({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://host"})
    assert set(settings.destinations) == {"logs"}
    assert settings.warnings == []


@pytest.mark.parametrize("value", ["", "  "])
def test_no_endpoint_is_one_warning_with_the_remedy(value: str) -> None:
    (only,) = Settings({ENDPOINT: value}).warnings
    assert "no OTLP endpoint" in only
    assert "set OTEL_EXPORTER_OTLP_ENDPOINT" in only


def test_no_endpoint_is_said_beside_other_defects() -> None:
    settings = Settings({"OTEL_TRACES_EXPORTER": "console"})
    assert [w for w in settings.warnings if "no OTLP endpoint" in w]
    assert len(settings.warnings) == 2


def test_all_exporters_off_is_silence() -> None:
    off = {f"OTEL_{signal.upper()}_EXPORTER": "none" for signal in SIGNALS}
    for environ in (off, {**BASE, **off}):
        settings = Settings(environ)
        assert (settings.destinations, settings.warnings) == ({}, [])


@pytest.mark.parametrize("value", ["none", " NONE "])
def test_one_exporter_off(value: str) -> None:
    settings = Settings({**BASE, "OTEL_METRICS_EXPORTER": value})
    assert set(settings.destinations) == {"traces", "logs"}


@pytest.mark.parametrize("value", ["otlp", "otlp,console", ""])
def test_otlp_among_exporters(value: str) -> None:
    assert destination(OTEL_TRACES_EXPORTER=value).signal == "traces"


def test_another_exporter_is_one_warning_and_otlp() -> None:
    text = warning(OTEL_TRACES_EXPORTER="zipkin")
    assert text.startswith('OTEL_TRACES_EXPORTER="zipkin"')
    assert "set it to otlp or none" in text


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        ("api-key=abc", {"api-key": "abc"}),
        (" a = 1 ,, B=2 ,", {"a": "1", "b": "2"}),
        ("a=%41%20b%2Cc%3D", {"a": "A b,c="}),
        ("a=b=c==", {"a": "b=c=="}),
        ("a=", {"a": ""}),
        ("a=1;x", {"a": "1;x"}),
        ("a=1,A=2", {"a": "2"}),
        ("host=virtual", {"host": "virtual"}),
    ],
)
def test_headers(value: str, headers: dict[str, str]) -> None:
    assert destination(OTEL_EXPORTER_OTLP_HEADERS=value).headers == headers


@pytest.mark.parametrize(
    "value",
    [
        "S3CRET",
        "Authorization: Bearer S3CRET",
        "Authorization: Bearer S3CRET=x",
        "=S3CRET",
        "a b=S3CRET",
        "a=S3CRET%0d%0aX: y",
        "a=S3CRET%00",
        "a=S3CRET\u00e9",
        "a=S3CRET%C3%A9",
        "\u00e9=S3CRET",
        "content-length=S3CRET",
        "Transfer-Encoding=S3CRET",
        "a=1%FFS3CRET",
    ],
)
def test_an_unusable_header_is_one_warning_without_the_value_and_the_others_stay(
    value: str,
) -> None:
    settings = Settings({**BASE, "OTEL_EXPORTER_OTLP_HEADERS": f"first=1,{value},last=2"})
    (only,) = settings.warnings
    assert only.startswith("OTEL_EXPORTER_OTLP_HEADERS: ")
    assert "S3CRET" not in only
    assert only.isprintable()
    assert settings.destinations["traces"][0].headers == {"first": "1", "last": "2"}


def test_credentials_of_the_url_become_basic_authentication() -> None:
    found = destination(OTEL_EXPORTER_OTLP_ENDPOINT="https://us%40er:p:ss@host")
    assert found.headers == {
        "authorization": "Basic " + base64.b64encode(b"us@er:p:ss").decode(),
    }
    assert found.host == "host"


def test_an_authorization_header_beats_the_urls() -> None:
    found = destination(
        OTEL_EXPORTER_OTLP_ENDPOINT="https://u:p@host",
        OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20x",
    )
    assert found.headers == {"authorization": "Bearer x"}


@pytest.mark.parametrize(
    ("value", "timeout_ms"),
    [
        ("1", 1),
        ("10000", 10_000),
        ("3600000", 3_600_000),
        ("3600001", 3_600_000),
        ("0", 3_600_000),
        ("9" * 5000, 3_600_000),
    ],
)
def test_timeout_is_in_milliseconds_and_0_is_no_limit(value: str, timeout_ms: int) -> None:
    assert destination(OTEL_EXPORTER_OTLP_TIMEOUT=value).timeout_ms == timeout_ms


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("TIMEOUT", "10s", "milliseconds"),
        ("TIMEOUT", "-1", "milliseconds"),
        ("TIMEOUT", "1.5", "milliseconds"),
        ("TIMEOUT", "\u0661", "milliseconds"),
        ("COMPRESSION", "zstd", "set it to gzip or none"),
        ("PROTOCOL", "http", "set it to http/protobuf or http/json"),
        ("PROTOCOL", "grpc", "4318"),
        ("PROTOCOL", "GRPC", "not supported"),
    ],
)
def test_an_unusable_value_is_one_warning_with_value_and_remedy(
    name: str, value: str, remedy: str
) -> None:
    text = warning(**{f"OTEL_EXPORTER_OTLP_{name}": value})
    assert text.startswith(f'OTEL_EXPORTER_OTLP_{name}="{value}" ')
    assert remedy in text
    found = Settings({**BASE, f"OTEL_EXPORTER_OTLP_{name}": value}).destinations["traces"][0]
    assert (found.timeout_ms, found.compress, found.json) == (10_000, True, False)


def test_a_value_is_shown_on_one_line_and_not_all_of_it() -> None:
    text = warning(OTEL_EXPORTER_OTLP_PROTOCOL="a\nb\x1b[31m" + "x" * 5000)
    assert 'PROTOCOL="a?b?[31m' in text
    assert len(text) < 400


def test_an_unusable_endpoint_is_one_warning_and_the_other_signals_stay() -> None:
    settings = Settings({**BASE, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "host:4318"})
    (only,) = settings.warnings
    assert only.startswith('OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="host:4318" ')
    assert "such as https://" in only
    assert set(settings.destinations) == {"traces", "metrics"}


def test_an_unusable_general_endpoint_is_one_warning_and_shows_no_secret() -> None:
    settings = Settings({ENDPOINT: "htp://user:S3CRET@host?key=S3CRET"})
    (only,) = settings.warnings
    assert "what would go there is discarded" in only
    assert settings.destinations == {}
    assert "S3CRET" not in only


def test_a_disabled_sdk_sends_nothing_and_says_nothing() -> None:
    settings = Settings({**BASE, "OTEL_SDK_DISABLED": "True"})
    assert (settings.destinations, settings.warnings) == ({}, [])


def test_one_unusable_general_value_is_said_once() -> None:
    assert len(Settings({**BASE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}).warnings) == 1


VARIABLES = [
    *(f"OTEL_EXPORTER_OTLP_{name}" for name in NAMES),
    *(f"OTEL_EXPORTER_OTLP_{s.upper()}_{name}" for s in SIGNALS for name in NAMES),
    *(f"OTEL_{s.upper()}_EXPORTER" for s in SIGNALS),
]
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["http://h", "https://u:p@h/p?q", "a=b", "a=%0d%0a", "0", "gzip", "grpc", "none"]
    ),
)


@given(st.dictionaries(st.sampled_from(VARIABLES), VALUES))
def test_any_environment_gives_settings_that_inject_nothing(environ: dict[str, str]) -> None:
    settings = Settings(environ)
    assert all(text.isprintable() for text in settings.warnings)
    for signal, (found,) in settings.destinations.items():
        assert found.signal == signal
        assert found.path.startswith("/")
        request = "".join([found.path, found.host, *found.headers, *found.headers.values()])
        assert not set(request) & set("\r\n\0")
        assert 0 < found.timeout_ms <= 3_600_000


HISTOGRAM = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"


def test_the_kind_of_histograms() -> None:
    assert not Settings(BASE).exponential_histograms
    assert not Settings({**BASE, HISTOGRAM: "explicit_bucket_histogram"}).exponential_histograms
    value = " BASE2_exponential_bucket_histogram"
    assert Settings({**BASE, HISTOGRAM: value}).exponential_histograms
    assert warning(**{HISTOGRAM: "exponential"}) == (
        f'{HISTOGRAM}="exponential" is not known, using explicit_bucket_histogram: set it to '
        "explicit_bucket_histogram or base2_exponential_bucket_histogram"
    )


@pytest.mark.parametrize(
    ("name", "port_of", "default"),
    [
        ("SERVERLESS_INSTRUMENT_RECEIVER", receiver_port, 4318),
        ("SERVERLESS_INSTRUMENT_STATSD", statsd_port, 8125),
    ],
)
def test_ports_on_loopback(name: str, port_of: Any, default: int) -> None:
    for value, port in {
        "": 0,
        "false": 0,
        "0": 0,
        " True ": default,
        "1": default,
        "8126": 8126,
    }.items():
        assert port_of({name: value}) == (port, "")
    for value in ("yes please", "80", "9001", "65536", "1" * 5000, "-8125", "81.25", "٨١٢٥"):
        port, problem = port_of({name: value})
        assert port == 0
        assert problem.startswith(f'{name}="')
        assert "nothing listens: set it to true, or to a port from 1024 to 65535" in problem
        assert len(problem) < 400
