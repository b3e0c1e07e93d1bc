"""The real process and AWS's OTLP endpoints, which a proxy and a backend stand in for."""

from __future__ import annotations

import email.utils
import gzip
import time
from typing import TYPE_CHECKING

import botocore.auth  # type: ignore[import-untyped]
import botocore.awsrequest  # type: ignore[import-untyped]
import botocore.credentials  # type: ignore[import-untyped]
import pytest

from tests.forwarder import encoded
from tests.forwarder.running import world
from tests.servers import http_proxy, otlp_backend
from tests.servers.certificates import Authority, context_of
from tests.servers.otlp_backend import status

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.otlp_backend import Export

pytestmark = pytest.mark.integration

XRAY, LOGS = "xray.eu-west-1.amazonaws.com", "logs.eu-west-1.amazonaws.com"
KEY, SECRET, TOKEN = "AKIATEST", "hush-hush", "token/of+the=session"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": TOKEN,
}
ENDPOINTS = {
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"https://{XRAY}/v1/traces",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"https://{LOGS}/v1/logs",
    "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "x-aws-log-group=/aws/lambda/f,x-aws-log-stream=main",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


def check_signature(export: Export, host: str, service: str, sent: bytes) -> None:
    """Sign the same request as botocore does, and compare."""
    headers = export.request.headers
    assert headers["x-amz-security-token"] == TOKEN
    names = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    mine = {name: headers[name] for name in names if name != "host"}
    again = botocore.awsrequest.AWSRequest(
        "POST", f"https://{host}{export.request.path}", headers=mine, data=sent
    )
    signer = botocore.auth.SigV4Auth(
        botocore.credentials.Credentials(KEY, SECRET, TOKEN), service, "eu-west-1"
    )
    again.context["timestamp"] = headers["x-amz-date"]
    canonical = signer.canonical_request(again)
    expected = signer.signature(signer.string_to_sign(again, canonical), again)
    assert headers["authorization"].endswith(f"Signature={expected}")


def test_traces_and_logs_are_signed(tmp_path: Path, authority: Authority) -> None:
    xray = otlp_backend.serving(context_of(authority.issue("xray", host=XRAY)))
    logs = otlp_backend.serving(context_of(authority.issue("logs", host=LOGS)))
    with xray as traces_to, logs as logs_to:
        names = {XRAY: traces_to.port, LOGS: logs_to.port}
        environ = {
            **ENDPOINTS,
            **CREDENTIALS,
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.pair.certificate),
            "OTEL_EXPORTER_OTLP_ENDPOINT": "",
        }
        with http_proxy.serving(names) as proxy:
            environ["HTTPS_PROXY"] = f"127.0.0.1:{proxy.port}"
            with world(tmp_path, traces_to, environ) as parts:
                parts.runtime.send(encoded.logs(["line"]))
                parts.invoke("span")
                (span,), (line,) = traces_to.wait_for(1), logs_to.wait_for(1)
                parts.shut_down()
                assert parts.forwarder.lines() == []
    assert (span.names(), line.names()) == (["span"], ["line"])
    assert gzip.decompress(span.request.body) == span.body
    check_signature(span, XRAY, "xray", span.request.body)
    check_signature(line, LOGS, "logs", line.request.body)
    signed = line.request.headers["authorization"]
    assert "x-aws-log-group;x-aws-log-stream" in signed
    assert line.request.headers["x-aws-log-group"] == "/aws/lambda/f"


def test_a_clock_that_is_wrong_is_named(tmp_path: Path, authority: Authority) -> None:
    context = context_of(authority.issue("skewed", host=XRAY))
    with (
        otlp_backend.serving(context) as backend,
        http_proxy.serving({XRAY: backend.port}) as proxy,
    ):
        theirs = email.utils.formatdate(time.time() + 3600, usegmt=True)
        backend.respond = lambda _: status(403, f"Date: {theirs}", body=b"Signature expired")
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://{XRAY}",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.pair.certificate),
            "HTTPS_PROXY": f"127.0.0.1:{proxy.port}",
            **CREDENTIALS,
        }
        with world(tmp_path, backend, environ) as parts:
            parts.invoke("span")
            line = parts.forwarder.wait_for_line("were refused")
            assert "HTTP 403: Signature expired; this environment's clock is 3" in line
            assert "s behind AWS's" in line
            assert TOKEN not in line


def test_without_credentials_nothing_is_sent_and_one_line_says_why(tmp_path: Path) -> None:
    with world(tmp_path, environ={"OTEL_EXPORTER_OTLP_ENDPOINT": f"https://{XRAY}"}) as parts:
        parts.invoke("span")
        (line,) = parts.forwarder.lines()
        assert "AWS credentials are not in the environment" in line
        assert line.endswith(f"what would go to {XRAY} is discarded")
