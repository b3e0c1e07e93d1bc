"""Signatures as AWS publishes them, and as botocore makes them.

Vectors: the SigV4 test suite (https://github.com/awslabs/aws-c-auth/tree/main/tests), and GET
Object of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
"""

from __future__ import annotations

import botocore.auth  # type: ignore[import-untyped]
import botocore.awsrequest  # type: ignore[import-untyped]
import botocore.credentials  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.destinations import aws_credentials
from serverless_instrument.forwarder.destinations.aws_credentials import Credentials
from serverless_instrument.forwarder.destinations.aws_endpoint import signed_for
from serverless_instrument.forwarder.exporter.signed_request import clock_skew
from serverless_instrument.forwarder.exporter.sigv4 import signature

KEY = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
HOST = {"host": "example.amazonaws.com"}
FORM = {**HOST, "content-type": "application/x-www-form-urlencoded"}


def signed(authorization: str) -> str:
    return authorization.rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "expected"),
    [
        ("GET", "/", HOST, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            HOST,
            b"",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            "/\u1234",
            HOST,
            b"",
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ),
        (
            "POST",
            "/",
            HOST,
            b"",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "POST",
            "/",
            FORM,
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
)
def test_the_published_suite(
    method: str, target: str, headers: dict[str, str], body: bytes, expected: str
) -> None:
    scope = ("service", "us-east-1")
    added = signature(method, target, headers, body, scope, KEY, "20150830T123600Z")
    assert signed(added["authorization"]) == expected
    assert added["x-amz-date"] == "20150830T123600Z"
    assert "x-amz-security-token" not in added


def test_the_published_suite_with_a_session_token() -> None:
    scope = ("service", "us-east-1")
    key = Credentials(KEY.access_key_id, KEY.secret_access_key, TOKEN)
    added = signature("GET", "/", HOST, b"", scope, key, "20150830T123600Z")
    assert added == {
        "x-amz-date": "20150830T123600Z",
        "x-amz-security-token": TOKEN,
        "authorization": "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date;x-amz-security-token, "
        "Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    }


def test_the_documented_get_object() -> None:
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
    key = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    scope = ("s3", "us-east-1")
    added = signature("GET", "/test.txt", headers, b"", scope, key, "20130524T000000Z")
    assert signed(added["authorization"]) == (
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


NAMES = st.text("abcXYZ019-_.~", min_size=1, max_size=8)
VALUES = st.text("abcXYZ019 -_.~:;,=/+", max_size=30).map(str.strip)
SEGMENTS = st.text("abcXYZ019-_.~%+@:", min_size=1, max_size=8).filter(lambda s: s.strip("."))


@given(
    segments=st.lists(SEGMENTS, max_size=4),
    query=st.lists(st.tuples(NAMES, NAMES), max_size=4),
    fields=st.dictionaries(NAMES.map(lambda n: f"x-aws-{n.lower()}"), VALUES, max_size=3),
    body=st.binary(max_size=60),
    token=st.sampled_from(["", TOKEN]),
)
def test_as_botocore_signs(
    segments: list[str],
    query: list[tuple[str, str]],
    fields: dict[str, str],
    body: bytes,
    token: str,
) -> None:
    target = "/" + "/".join(segments)
    target += "?" + "&".join(f"{n}={v}" for n, v in query) if query else ""
    headers = {"content-type": "application/x-protobuf", **fields}
    theirs = botocore.awsrequest.AWSRequest(
        "POST", f"https://xray.eu-west-1.amazonaws.com{target}", headers=headers, data=body
    )
    botocore.auth.SigV4Auth(
        botocore.credentials.Credentials(KEY.access_key_id, KEY.secret_access_key, token),
        "xray",
        "eu-west-1",
    ).add_auth(theirs)
    key = Credentials(KEY.access_key_id, KEY.secret_access_key, token)
    mine = {"host": "xray.eu-west-1.amazonaws.com", **headers}
    scope = ("xray", "eu-west-1")
    added = signature("POST", target, mine, body, scope, key, theirs.headers["X-Amz-Date"])
    assert added["authorization"] == theirs.headers["Authorization"]


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("xray.us-east-1.amazonaws.com", ("xray", "us-east-1")),
        ("XRAY.us-east-1.amazonaws.com.", ("xray", "us-east-1")),
        ("logs.cn-north-1.amazonaws.com.cn", ("logs", "cn-north-1")),
        ("logs-fips.us-gov-west-1.amazonaws.com", ("logs", "us-gov-west-1")),
        ("xray.eu-central-1.api.aws", ("xray", "eu-central-1")),
        ("vpce-0a-1b.logs.us-east-1.vpce.amazonaws.com", ("logs", "us-east-1")),
        ("monitoring.eu-west-1.amazonaws.com", ("monitoring", "eu-west-1")),
        ("xray.amazonaws.com", None),
        ("s3.us-east-1.amazonaws.com", None),
        ("abc.execute-api.us-east-1.amazonaws.com", None),
        ("logs.us-east-1.amazonaws.com.evil.example", None),
        ("example.com", None),
        ("", None),
    ],
)
def test_hosts_that_are_signed_for(host: str, scope: tuple[str, str] | None) -> None:
    assert signed_for(host) == scope


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "not in the environment"),
        ({"AWS_ACCESS_KEY_ID": "a"}, "not in the environment"),
        ({"AWS_ACCESS_KEY_ID": "a\nb", "AWS_SECRET_ACCESS_KEY": "s"}, "cannot stand in a header"),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": " s "}, ""),
    ],
)
def test_credentials(environ: dict[str, str], problem: str) -> None:
    found, said = aws_credentials.from_environ(environ)
    assert problem in said
    assert (found is None) == bool(said)
    if found is not None:
        assert (found.secret_access_key, found.session_token) == ("s", "")


NOON_S = 1_795_262_400.0  # Sat, 21 Nov 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("Sat, 21 Nov 2026 12:00:00 GMT", ""),
        ("Sat, 21 Nov 2026 12:04:59 GMT", ""),
        ("Sat, 21 Nov 2026 12:10:00 GMT", "600 s behind"),
        ("Sat, 21 Nov 2026 11:00:00 GMT", "3600 s ahead of"),
        ("", ""),
        ("Sat, 21 Nov 2026", ""),
        ("Sat, 99 Nov 2026 12:00:00 GMT", ""),
        ("Sat, 21 Foo 2026 12:00:00 GMT", ""),
        ("Sat, 21 Nov 2026 12:00 GMT", ""),
    ],
)
def test_a_clock_that_is_wrong_is_said(date: str, said: str) -> None:
    text = clock_skew(date, NOON_S)
    assert said in text
    assert bool(text) == bool(said)
