"""The real process and a proxy between it and its backend."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.forwarder.running import world
from tests.servers import http_proxy, otlp_backend
from tests.servers.certificates import Authority, context_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

# Names that only the proxy knows: it is the one to resolve them.
HOST = "otlp.test"
BASIC = base64.b64encode(b"me:s3cret").decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


def test_https_through_a_tunnel(tmp_path: Path, authority: Authority) -> None:
    server = authority.issue("server", host=HOST)
    with (
        otlp_backend.serving(context_of(server)) as backend,
        http_proxy.serving({HOST: backend.port}) as proxy,
        world(
            tmp_path,
            backend,
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://{HOST}",
                "OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.pair.certificate),
                "HTTPS_PROXY": f"http://me:s3cret@127.0.0.1:{proxy.port}",
            },
        ) as parts,
    ):
        for number in range(3):
            parts.invoke(f"span {number}")
        proxy.close_connections()
        with parts.forwarder.frozen():
            pass
        parts.invoke("span 3")
        assert backend.names() == [f"span {number}" for number in range(4)]
        assert (backend.connections, proxy.connections) == (2, 2)
        assert proxy.seen[0].split("\r\n") == [
            f"CONNECT {HOST}:443 HTTP/1.1",
            f"Host: {HOST}:443",
            f"Proxy-Authorization: Basic {BASIC}",
        ]
        # The tunnel's credentials are the proxy's alone.
        assert "proxy-authorization" not in backend.exports[0].request.headers
        assert parts.forwarder.lines() == []


def test_http_in_absolute_form(tmp_path: Path) -> None:
    with (
        otlp_backend.serving() as backend,
        http_proxy.serving({HOST: backend.port}) as proxy,
        world(
            tmp_path,
            backend,
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:4318/base",
                "http_proxy": f"me:s3cret@127.0.0.1:{proxy.port}",
            },
        ) as parts,
    ):
        parts.invoke("span 0")
        parts.invoke("span 1")
        assert backend.names() == ["span 0", "span 1"]
        assert proxy.seen[0].startswith(f"POST http://{HOST}:4318/base/v1/traces HTTP/1.1\r\n")
        assert f"proxy-authorization: Basic {BASIC}" in proxy.seen[0].split("\r\n")
        assert backend.exports[0].request.headers["host"] == f"{HOST}:4318"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "refused: HTTP 407, it wants cred"),
        (b"HTTP/1.1 403 s3cret\r\nContent-Length: 999\r\n\r\n", "refused: HTTP 403"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "is no HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\n\r\nand more", "sent more than an answer"),
    ],
)
def test_a_proxy_that_refuses_is_one_line_and_nothing_is_lost(
    tmp_path: Path, authority: Authority, answer: bytes, said: str
) -> None:
    server = authority.issue("server", host=HOST)
    with (
        otlp_backend.serving(context_of(server)) as backend,
        http_proxy.serving({HOST: backend.port}) as proxy,
    ):
        proxy.refuse = answer
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://{HOST}",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.pair.certificate),
            "https_proxy": f"http://me:s3cret@127.0.0.1:{proxy.port}",
            "HTTPS_PROXY": "http://not-this-one.test:1",
        }
        with world(tmp_path, backend, environ) as parts:
            parts.invoke("span")
            line = parts.forwarder.wait_for_line("out of reach")
            assert f"ProxyError: proxy 127.0.0.1:{proxy.port} {said}" in line
            proxy.refuse = b""
            parts.shut_down()
            assert backend.names() == ["span"]
            assert parts.forwarder.lines() == [line]
            assert "s3cret" not in line


def test_a_proxy_that_is_not_there_is_named(tmp_path: Path) -> None:
    with otlp_backend.serving() as gone:
        port = gone.port
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://{HOST}",
        "HTTPS_PROXY": f"http://127.0.0.1:{port}",
    }
    with world(tmp_path, environ=environ) as parts:
        parts.invoke("span")
        line = parts.forwarder.wait_for_line("out of reach")
        assert line.endswith(f"ProxyError: proxy 127.0.0.1:{port}: Connection refused")
