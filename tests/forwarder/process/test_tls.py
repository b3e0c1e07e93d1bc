"""The real process and a backend behind TLS, with certificates of our own."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from tests.forwarder.running import World, eventually, world
from tests.servers import otlp_backend
from tests.servers.certificates import Authority, Pair, context_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.otlp_backend import OtlpBackend

pytestmark = pytest.mark.integration

CERTIFICATE = "OTEL_EXPORTER_OTLP_CERTIFICATE"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.issue("server", host="localhost")


@pytest.fixture
def backend(server: Pair) -> Iterator[OtlpBackend]:
    with otlp_backend.serving(context_of(server)) as serving:
        yield serving


def check_delivery(parts: World) -> None:
    for number in range(3):
        parts.invoke(f"span {number}")
    assert parts.backend.names() == ["span 0", "span 1", "span 2"]
    assert parts.backend.connections == 1
    parts.backend.close_connections()
    with parts.forwarder.frozen():
        pass
    parts.invoke("span 3")
    parts.shut_down()
    assert parts.backend.names() == ["span 0", "span 1", "span 2", "span 3"]
    assert parts.forwarder.lines() == []


def test_a_trusted_backend(tmp_path: Path, backend: OtlpBackend, authority: Authority) -> None:
    trusted = {CERTIFICATE: str(authority.pair.certificate)}
    with world(tmp_path, backend, trusted) as parts:
        check_delivery(parts)


def check_it_is_kept_and_said_once(parts: World) -> str:
    """The line that says why nothing is delivered."""
    for number in range(3):
        parts.invoke(f"span {number}")
    line = parts.forwarder.wait_for_line("out of reach")
    parts.shut_down()
    assert parts.backend.exports == []
    lost = "3 items were not delivered: 3 traces (kept in /tmp in case of a restart)"
    assert parts.forwarder.lines() == [line, f"serverless-instrument: {lost}"]
    return line


def test_a_backend_of_another_authority_is_not_spoken_to(
    tmp_path: Path, backend: OtlpBackend
) -> None:
    other = Authority(tmp_path / "other")
    with world(tmp_path, backend, {CERTIFICATE: str(other.pair.certificate)}) as parts:
        line = check_it_is_kept_and_said_once(parts)
        assert "traces are kept: SSLCertVerificationError: " in line


def test_by_default_only_the_systems_authorities_are_trusted(
    tmp_path: Path, backend: OtlpBackend
) -> None:
    with world(tmp_path, backend) as parts:
        assert "certificate verify failed" in check_it_is_kept_and_said_once(parts)


def test_a_certificate_for_another_host_is_refused(tmp_path: Path, authority: Authority) -> None:
    wrong = authority.issue("wrong", host="example.com")
    trusted = {CERTIFICATE: str(authority.pair.certificate)}
    with (
        otlp_backend.serving(context_of(wrong)) as backend,
        world(tmp_path, backend, trusted) as parts,
    ):
        assert "ostname mismatch" in check_it_is_kept_and_said_once(parts)


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), (b"no certificate", "no start line")]
)
def test_a_certificate_file_of_no_use_is_named(
    tmp_path: Path, backend: OtlpBackend, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "roots.pem"
    if content is not None:
        path.write_bytes(content)
    with world(tmp_path, backend, {CERTIFICATE: str(path)}) as parts:
        line = check_it_is_kept_and_said_once(parts)
        assert f'certificate file "{path}" cannot be used: ' in line
        if content is None:
            assert reason in line


def test_a_client_certificate(tmp_path: Path, server: Pair, authority: Authority) -> None:
    context = context_of(server)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.pair.certificate)
    client = authority.issue("client", host="client")
    environ = {
        CERTIFICATE: str(authority.pair.certificate),
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(client.certificate),
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(client.key),
    }
    with otlp_backend.serving(context) as backend, world(tmp_path, backend, environ) as parts:
        check_delivery(parts)


def test_without_the_client_certificate_that_the_backend_asks_for(
    tmp_path: Path, server: Pair, authority: Authority
) -> None:
    context = context_of(server)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.pair.certificate)
    trusted = {CERTIFICATE: str(authority.pair.certificate)}
    with otlp_backend.serving(context) as backend, world(tmp_path, backend, trusted) as parts:
        check_it_is_kept_and_said_once(parts)


def test_plain_http_where_tls_is_spoken(tmp_path: Path, backend: OtlpBackend) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{backend.port}"}
    with world(tmp_path, backend, environ) as parts:
        parts.invoke("span")
        parts.forwarder.wait_for_line("out of reach")
        eventually(lambda: backend.handshakes_failed > 0, "the handshake fails")
        parts.shut_down()
        assert backend.exports == []
