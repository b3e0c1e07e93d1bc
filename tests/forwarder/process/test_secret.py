"""The real process, and headers that Secrets Manager or Systems Manager (moto's) keep for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3  # type: ignore[import-untyped]
import pytest
from moto.server import ThreadedMotoServer

from tests.forwarder.running import World, world
from tests.servers import otlp_backend
from tests.servers.otlp_backend import OK, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.otlp_backend import Export

pytestmark = pytest.mark.integration

REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "hush-hush"}
ARN = "SERVERLESS_INSTRUMENT_HEADERS_SECRET_ARN"


class Aws:
    """moto's server and clients of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        options = {
            "region_name": REGION,
            "endpoint_url": url,
            "aws_access_key_id": "x",
            "aws_secret_access_key": "x",
        }
        self.secrets = boto3.client("secretsmanager", **options)
        self.ssm = boto3.client("ssm", **options)

    def environ(self, arn: str) -> dict[str, str]:
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url, ARN: arn}


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Aws(f"http://{host}:{port}")
    finally:
        server.stop()


class Guarded:
    """A backend's answer: 200 for `key`, else 401, which quotes the key that it got."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.refused = 0

    def __call__(self, export: Export) -> bytes:
        given = export.request.headers.get("api-key", "")
        if given == self.key:
            return OK
        self.refused += 1
        return status(401, body=f"bad key {given}".encode())


def accepted(parts: World, key: str) -> list[str]:
    """Names of the spans that came with `key`."""
    right = [e for e in parts.backend.exports if e.request.headers.get("api-key") == key]
    return [name for export in right for name in export.names()]


@pytest.mark.parametrize(
    "stored",
    [
        {"SecretString": json.dumps({"Api-Key": "from-json", "x-team": "a"})},
        {"SecretString": "api-key=from-json,x-team=a\n"},
        {"SecretBinary": b"api-key=from-json,x-team=a"},
    ],
)
def test_secrets_manager(tmp_path: Path, aws: Aws, stored: dict[str, object]) -> None:
    made = aws.secrets.create_secret(Name=f"headers-{tmp_path.name}", **stored)
    environ = {**aws.environ(made["ARN"]), "OTEL_EXPORTER_OTLP_HEADERS": "api-key=old,also=this"}
    with world(tmp_path, environ=environ) as parts:
        parts.invoke("span")
        parts.shut_down()
        headers = parts.backend.exports[0].request.headers
        assert (headers["api-key"], headers["x-team"], headers["also"]) == (
            "from-json",
            "a",
            "this",
        )
        assert parts.backend.names() == ["span"]
        assert parts.forwarder.lines() == []


@pytest.mark.parametrize("name", ["/team/otlp", "otlp"])
def test_parameter_store(tmp_path: Path, aws: Aws, name: str) -> None:
    aws.ssm.put_parameter(Name=name, Value="api-key=p%2Bq", Type="SecureString")
    arn = aws.ssm.get_parameter(Name=name)["Parameter"]["ARN"]
    with world(tmp_path, environ=aws.environ(arn)) as parts:
        parts.invoke("span")
        assert accepted(parts, "p+q") == ["span"]


def test_a_rotated_secret_is_read_again_and_nothing_is_lost(tmp_path: Path, aws: Aws) -> None:
    made = aws.secrets.create_secret(Name="rotated", SecretString="api-key=first-key")
    with otlp_backend.serving() as backend:
        backend.respond = guard = Guarded("first-key")
        with world(tmp_path, backend, aws.environ(made["ARN"])) as parts:
            parts.invoke("span 0")
            aws.secrets.put_secret_value(SecretId="rotated", SecretString="api-key=second-key")
            guard.key = "second-key"
            parts.invoke("span 1")
            parts.invoke("span 2")
            parts.shut_down()
            assert accepted(parts, "second-key") == ["span 1", "span 2"]
            assert guard.refused == 1
            assert parts.forwarder.lines() == []


def requests_for_the_secret(aws: Aws) -> int:
    """How often moto was asked; its own record of it."""
    from urllib.request import urlopen

    with urlopen(f"{aws.url}/moto-api/recorder/download-recording") as answer:
        return len([x for x in answer.read().splitlines() if b"GetSecretValue" in x])


def test_a_backend_that_refuses_everything_makes_no_storm_and_sees_no_key_in_the_log(
    tmp_path: Path, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    from urllib.request import Request, urlopen

    monkeypatch.chdir(tmp_path)  # where moto writes its recording
    made = aws.secrets.create_secret(Name="refused", SecretString="api-key=wrong-key")
    for action in ("reset-recording", "start-recording"):
        with urlopen(Request(f"{aws.url}/moto-api/recorder/{action}", method="POST")):
            pass
    with otlp_backend.serving() as backend:
        backend.respond = Guarded("right-key")
        with world(tmp_path, backend, aws.environ(made["ARN"])) as parts:
            for number in range(5):
                parts.invoke(f"span {number}")
            parts.shut_down()
            refused, lost = parts.forwarder.lines()
            assert "HTTP 401: bad key ..." in refused
            assert "5 items were not delivered" in lost
    assert requests_for_the_secret(aws) == 2
    with urlopen(Request(f"{aws.url}/moto-api/recorder/stop-recording", method="POST")):
        pass


@pytest.mark.parametrize(
    ("arn", "said"),
    [
        (f"arn:aws:secretsmanager:{REGION}:123456789012:secret:missing", "HTTP 404: Resource"),
        (f"arn:aws:ssm:{REGION}:123456789012:parameter/missing", "HTTP 400: Parameter"),
    ],
)
def test_a_secret_that_cannot_be_read_is_one_line_and_telemetry_is_kept(
    tmp_path: Path, aws: Aws, arn: str, said: str
) -> None:
    with world(tmp_path, environ=aws.environ(arn)) as parts:
        for number in range(3):
            parts.invoke(f"span {number}")
        line = parts.forwarder.wait_for_line("out of reach")
        assert f"SecretError: {arn} cannot be read: {said}" in line
        parts.shut_down()
        assert parts.backend.exports == []
        lost = "3 items were not delivered: 3 traces (kept in /tmp in case of a restart)"
        assert parts.forwarder.lines()[1:] == [f"serverless-instrument: {lost}"]


def test_a_secret_that_holds_no_headers_is_not_shown(tmp_path: Path, aws: Aws) -> None:
    made = aws.secrets.create_secret(Name="bare", SecretString="just-a-t0ken")
    with world(tmp_path, environ=aws.environ(made["ARN"])) as parts:
        parts.invoke("span")
        line = parts.forwarder.wait_for_line("out of reach")
        assert "holds no headers: store name=value,name=value or a JSON object" in line
        assert "t0ken" not in line
