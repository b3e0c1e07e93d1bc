"""Which proxy is taken, and what NO_PROXY leaves out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.destinations import proxy
from serverless_instrument.forwarder.destinations.settings import Settings

P = "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": P}, "proxy.test"),
        ({"https_proxy": P}, "proxy.test"),
        ({"https_proxy": "lower:1", "HTTPS_PROXY": P}, "lower"),
        ({"https_proxy": " ", "HTTPS_PROXY": P}, "proxy.test"),
        ({"ALL_PROXY": P}, "proxy.test"),
        ({"HTTPS_PROXY": "first:1", "all_proxy": P}, "first"),
        ({"HTTP_PROXY": P}, ""),
        ({"HTTPS_PROXY": P, "NO_PROXY": "otlp.example.com"}, ""),
        ({"HTTPS_PROXY": P, "no_proxy": ".example.com"}, ""),
        ({"HTTPS_PROXY": P, "no_proxy": "other", "NO_PROXY": "*"}, "proxy.test"),
        ({"HTTPS_PROXY": "http://[fd00::1]:3128"}, "fd00::1"),
    ],
)
def test_the_variable_that_counts(environ: dict[str, str], host: str) -> None:
    found, problem = proxy.choose(environ, True, "otlp.example.com", 443)
    assert problem == ""
    assert (found.host if found else "") == host


def test_address_and_credentials() -> None:
    environ = {"http_proxy": "http://me:p%40ss@[fd00::1]"}
    found, _ = proxy.choose(environ, False, "example.com", 80)
    assert found is not None
    assert (found.host, found.port, found.authorization) == ("fd00::1", 80, "Basic bWU6cEBzcw==")
    assert str(found) == "proxy [fd00::1]:80"


@pytest.mark.parametrize("value", ["socks5://host:1080", "https://host", "http://", "a b", "x:0"])
def test_a_proxy_of_no_use_is_one_warning(value: str) -> None:
    settings = Settings(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otlp.example.com", "HTTPS_PROXY": value}
    )
    (line,) = settings.warnings
    assert line.startswith(f'HTTPS_PROXY="{value}" is not used: set it to an HTTP proxy')
    assert {d.proxy for listed in settings.destinations.values() for d in listed} == {None}


def test_credentials_are_not_in_the_warning() -> None:
    _, problem = proxy.choose({"HTTPS_PROXY": "socks5://me:s3cret@host"}, True, "example.com", 443)
    assert problem
    assert "s3cret" not in problem


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1", "LOCALHOST."])
def test_loopback_is_never_proxied(host: str) -> None:
    assert proxy.choose({"HTTP_PROXY": P}, False, host, 4318) == (None, "")


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "left_out"),
    [
        ("", "example.com", 443, False),
        ("*", "example.com", 443, True),
        ("example.com", "example.com", 443, True),
        ("example.com", "EXAMPLE.com.", 443, True),
        ("Example.COM", "otlp.example.com", 443, True),
        (".example.com", "otlp.example.com", 443, True),
        (".example.com", "example.com", 443, True),
        ("*.example.com", "otlp.example.com", 443, True),
        ("example.com", "badexample.com", 443, False),
        ("example.com", "example.com.evil", 443, False),
        ("a, example.com ,b", "example.com", 443, True),
        ("a example.com b", "example.com", 443, True),
        ("example.com:443", "example.com", 443, True),
        ("example.com:8443", "example.com", 443, False),
        (",,:443,.", "example.com", 443, False),
        ("10.0.0.1", "10.0.0.1", 80, True),
        ("0.0.1", "10.0.0.1", 80, False),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.0.0.1/8", "10.1.2.3", 80, True),
        ("10.0.0.0/99", "10.1.2.3", 80, False),
        ("10.0.0.0/8", "example.com", 80, False),
        ("fd00::1", "fd00::1", 80, True),
        ("[fd00::1]", "fd00::1", 80, True),
        ("[fd00::1]:80", "fd00::1", 80, True),
        ("[fd00::1]:81", "fd00::1", 80, False),
        ("fd00:0:0::1", "fd00::1", 80, True),
        ("fd00::/8", "fd12::1", 80, True),
        ("169.254.169.254,.amazonaws.com", "xray.us-east-1.amazonaws.com", 443, True),
    ],
)
def test_no_proxy(no_proxy: str, host: str, port: int, *, left_out: bool) -> None:
    assert proxy.excluded(no_proxy, host, port) is left_out


def test_each_destination_has_the_proxy_of_its_own_scheme_and_host() -> None:
    settings = Settings(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otlp.example.com",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://logs.test/v1/logs",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://direct.test/v1/metrics",
            "HTTPS_PROXY": P,
            "http_proxy": "http://plain.test",
            "NO_PROXY": "direct.test",
        }
    )
    found = {signal: str(listed[0].proxy) for signal, listed in settings.destinations.items()}
    assert found == {
        "traces": "proxy proxy.test:3128",
        "logs": "proxy plain.test:80",
        "metrics": "None",
    }


@given(st.text(), st.text(), st.text())
def test_whatever_stands_in_the_variables(value: str, no_proxy: str, host: str) -> None:
    environ = {"HTTPS_PROXY": value, "NO_PROXY": no_proxy}
    found, problem = proxy.choose(environ, True, host, 443)
    assert found is None or not problem
    assert problem.isprintable()
