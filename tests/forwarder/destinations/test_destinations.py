"""Several destinations, what is signed, and headers from a secret: settings alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.destinations import headers_secret
from serverless_instrument.forwarder.destinations.headers_secret import SecretError
from serverless_instrument.forwarder.destinations.settings import Settings, receiver_port

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
MORE = "SERVERLESS_INSTRUMENT_DESTINATIONS"
BASE = {ENDPOINT: "https://first.example.com", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=first"}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "hush"}
SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:otlp-AbCdEf"


def named(name: str, **variables: str) -> dict[str, str]:
    return {f"SERVERLESS_INSTRUMENT_DESTINATION_{name}_{k}": v for k, v in variables.items()}


def test_each_signal_goes_to_every_destination_that_has_an_endpoint_for_it() -> None:
    settings = Settings(
        {
            **BASE,
            MORE: "second, third-one",
            **named("SECOND", ENDPOINT="http://second:4318/base", HEADERS="x=y", TIMEOUT="5"),
            **named("THIRD_ONE", LOGS_ENDPOINT="http://third/logs", LOGS_COMPRESSION="none"),
        }
    )
    assert settings.warnings == []
    found = {s: [(d.name, d.host, d.path) for d in ds] for s, ds in settings.destinations.items()}
    assert found["traces"] == [
        ("traces", "first.example.com", "/v1/traces"),
        ("traces (second)", "second", "/base/v1/traces"),
    ]
    assert found["logs"][1:] == [
        ("logs (second)", "second", "/base/v1/logs"),
        ("logs (third-one)", "third", "/logs"),
    ]
    second = settings.destinations["traces"][1]
    # Nothing of the standard variables: the key is another backend's.
    assert (second.headers, second.timeout_ms) == ({"x": "y"}, 5)
    assert settings.destinations["logs"][2].compress is False


def test_a_named_destination_alone_is_enough() -> None:
    settings = Settings({MORE: "a", **named("A", ENDPOINT="http://a")})
    assert settings.warnings == []
    assert set(settings.destinations) == {"traces", "logs", "metrics"}


def test_a_signal_that_is_switched_off_is_off_everywhere() -> None:
    environ = {**BASE, MORE: "a", **named("A", ENDPOINT="http://a"), "OTEL_LOGS_EXPORTER": "none"}
    assert set(Settings(environ).destinations) == {"traces", "metrics"}


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("a", "set SERVERLESS_INSTRUMENT_DESTINATION_A_ENDPOINT as you would set OTEL_"),
        ("a=b", '"a=b" is left out: a name is of letters, digits, - and _'),
        ("http://a", '"http://a" is left out'),
    ],
)
def test_a_destination_of_no_use_is_one_line(value: str, part: str) -> None:
    settings = Settings({**BASE, MORE: value})
    (line,) = settings.warnings
    assert part in line
    assert [len(listed) for listed in settings.destinations.values()] == [1, 1, 1]


def test_the_secret_of_each() -> None:
    arn = "arn:aws:ssm:us-east-1:123456789012:parameter/team/otlp"
    settings = Settings(
        {
            **BASE,
            **KEYS,
            "SERVERLESS_INSTRUMENT_HEADERS_SECRET_ARN": SECRET_ARN,
            MORE: "a,b",
            **named("A", ENDPOINT="http://a", HEADERS_SECRET_ARN=arn),
            **named("B", ENDPOINT="http://b"),
        }
    )
    assert settings.warnings == []
    first, a, b = settings.destinations["traces"]
    assert [d.headers_secret for d in (first, a, b)] == [SECRET_ARN, arn, ""]
    hosts = [d.secret_endpoint.host for d in (first, a) if d.secret_endpoint]
    assert hosts == ["secretsmanager.eu-west-1.amazonaws.com", "ssm.us-east-1.amazonaws.com"]


@pytest.mark.parametrize(
    "arn",
    [
        "otlp",
        "arn:aws:s3:::bucket/key",
        "arn:aws:secretsmanager:eu-west-1:1:secret:",
        "arn:aws:ssm:eu-west-1:1:document/x",
        "arn:aws:ssm:evil.example/:1:parameter/x",
        'arn:aws:ssm:eu-west-1:1:parameter/x"y',
        "arn:aws:ssm::1:parameter/x",
    ],
)
def test_an_arn_of_no_use_is_one_line(arn: str) -> None:
    settings = Settings({**BASE, **KEYS, "SERVERLESS_INSTRUMENT_HEADERS_SECRET_ARN": arn})
    (line,) = settings.warnings
    assert line.startswith(f'SERVERLESS_INSTRUMENT_HEADERS_SECRET_ARN="{arn}" is no ARN')
    assert settings.destinations["traces"][0].headers == {"api-key": "first"}


def test_a_secret_without_credentials_to_read_it() -> None:
    settings = Settings({**BASE, "SERVERLESS_INSTRUMENT_HEADERS_SECRET_ARN": SECRET_ARN})
    (line,) = settings.warnings
    assert line.endswith("SERVERLESS_INSTRUMENT_HEADERS_SECRET_ARN is not read")


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "https://secretsmanager.eu-west-1.amazonaws.com/"),
        ({"AWS_ENDPOINT_URL": "http://all:1"}, "http://all:1/"),
        (
            {
                "AWS_ENDPOINT_URL": "http://all:1",
                "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://o:2/x",
            },
            "http://o:2/x",
        ),
        ({"AWS_ENDPOINT_URL_SSM": "http://o"}, "https://secretsmanager.eu-west-1.amazonaws.com/"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, "https://secretsmanager.eu-west-1.amazonaws.com/"),
    ],
)
def test_where_a_secret_is_asked_for(environ: dict[str, str], url: str) -> None:
    found = headers_secret.endpoint(SECRET_ARN, environ)
    scheme = "https" if found.secure else "http"
    assert f"{scheme}://{found.authority()}{found.path}" == url
    china = headers_secret.endpoint(SECRET_ARN.replace("aws:", "aws-cn:", 1), {})
    assert china.host == "secretsmanager.eu-west-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("api-key=abc", {"api-key": "abc"}),
        (" API-Key = abc , x=y%20z\n", {"api-key": "abc", "x": "y z"}),
        ('{"Authorization": "Bearer a,b=c"}', {"authorization": "Bearer a,b=c"}),
        ('{"a": "x\\n"}', {"a": "x"}),
        ("just-a-token", {}),
        ("", {}),
        ("{}", {}),
        ("{broken", {}),
        ('{"a": 1}', {}),
        ('{"a": "x\\ny"}', {}),
        ('{"a b": "x"}', {}),
        ('{"Content-Length": "1"}', {}),
        ('["a=b"]', {}),
        ("a=b,rubbish", {}),
    ],
)
def test_what_a_secret_may_hold(text: str, found: dict[str, str]) -> None:
    assert headers_secret.from_text(text) == found


@given(st.integers(100, 599), st.one_of(st.binary(), st.text().map(json.dumps).map(str.encode)))
def test_any_answer_holds_headers_or_is_an_error_of_one_line(status: int, body: bytes) -> None:
    said = SECRET_ARN
    try:
        assert headers_secret.answered(SECRET_ARN, status, body)
    except SecretError as error:
        said = str(error)
    assert said.startswith(SECRET_ARN)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("status", "body", "part"),
    [
        (502, "<html>", "HTTP 502"),
        (400, '{"__type":"a#AccessDenied","Message":"no\\nway"}', "HTTP 400: AccessDenied no way"),
        (403, '{"message":"x"}', "HTTP 403: x"),
        (200, "[]", "HTTP 200"),
        (200, '{"SecretBinary":"///"}', "holds no headers"),
        (200, '{"Parameter":{"Value":"token"}}', "holds no headers"),
        (200, '{"Parameter":{"Value":7}}', "holds no headers"),
    ],
)
def test_a_refusal_is_one_line(status: int, body: str, part: str) -> None:
    with pytest.raises(SecretError, match=part):
        headers_secret.answered(SECRET_ARN, status, body.encode())


def test_requests_for_both_kinds() -> None:
    parameter = "arn:aws:ssm:us-east-1:1:parameter/otlp"
    for arn, target, body in (
        (SECRET_ARN, "secretsmanager.GetSecretValue", {"SecretId": SECRET_ARN}),
        (parameter, "AmazonSSM.GetParameter", {"Name": parameter, "WithDecryption": True}),
    ):
        fields, sent = headers_secret.request(arn, headers_secret.endpoint(arn, {}))
        assert json.loads(sent) == body
        assert (fields["x-amz-target"], fields["content-length"]) == (target, str(len(sent)))


def test_a_value_is_never_in_the_error() -> None:
    body = json.dumps({"SecretString": "s3cret"}).encode()
    with pytest.raises(SecretError, match="holds no headers") as caught:
        headers_secret.answered(SECRET_ARN, 200, body)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "port", "said"),
    [
        ("", 0, ""),
        ("false", 0, ""),
        ("0", 0, ""),
        ("true", 4318, ""),
        ("TRUE ", 4318, ""),
        ("1", 4318, ""),
        ("14318", 14318, ""),
        ("80", 0, "neither true"),
        ("9001", 0, "neither true"),
        ("65536", 0, "neither true"),
        ("9" * 5000, 0, "neither true"),
        ("YES\n", 4318, ""),
        ("off", 0, ""),
        ("yes please", 0, "neither true"),
    ],
)
def test_the_receivers_port(value: str, port: int, said: str) -> None:
    found, problem = receiver_port({"SERVERLESS_INSTRUMENT_RECEIVER": value})
    assert (found, bool(problem)) == (port, bool(said))
    assert said in problem


def test_the_forwarder_does_not_send_to_itself() -> None:
    environ = {ENDPOINT: "http://localhost:4318", "SERVERLESS_INSTRUMENT_RECEIVER": "true"}
    settings = Settings(environ)
    assert settings.destinations == {}
    assert "localhost:4318 is this extension's own receiver" in settings.warnings[0]
    assert Settings({**environ, "SERVERLESS_INSTRUMENT_RECEIVER": "4319"}).warnings == []


@pytest.mark.parametrize("text", ["a", "é"])
def test_a_password_in_any_encoding(text: str) -> None:
    raw = f"http://me:{text}@host".encode("latin-1").decode("utf-8", "surrogateescape")
    settings = Settings({ENDPOINT: raw})
    assert settings.destinations["traces"][0].headers["authorization"].startswith("Basic ")


def test_without_credentials_aws_is_not_asked() -> None:
    settings = Settings({ENDPOINT: "https://logs.eu-west-1.amazonaws.com"})
    assert settings.destinations == {}
    assert settings.warnings[0].startswith("AWS credentials are not in the environment")


@pytest.mark.parametrize(
    ("environ", "signed"),
    [
        ({ENDPOINT: "https://xray.eu-west-1.amazonaws.com"}, True),
        # A bearer token, which CloudWatch Logs takes, too.
        (
            {
                ENDPOINT: "https://logs.eu-west-1.amazonaws.com",
                "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20ACWL",
            },
            False,
        ),
        ({ENDPOINT: "https://abc.execute-api.eu-west-1.amazonaws.com"}, False),
        ({ENDPOINT: "http://xray.eu-west-1.amazonaws.com"}, False),
        ({ENDPOINT: "https://example.com"}, False),
    ],
)
def test_what_is_signed(environ: dict[str, str], *, signed: bool) -> None:
    settings = Settings({**environ, **KEYS})
    assert settings.warnings == []
    assert (settings.destinations["traces"][0].aws is not None) is signed
