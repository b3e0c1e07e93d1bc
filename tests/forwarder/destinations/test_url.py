"""The URL of an endpoint, taken apart and made fit to print."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.destinations import url


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://host", (False, "host", 80, "")),
        ("https://host", (True, "host", 443, "")),
        ("HTTPS://host:8443/", (True, "host", 8443, "/")),
        ("http://host:4318/a/b?c=d", (False, "host", 4318, "/a/b?c=d")),
        ("http://host?c=d", (False, "host", 80, "?c=d")),
        ("http://host/a#fragment", (False, "host", 80, "/a")),
        ("http://host#fragment", (False, "host", 80, "")),
        ("http://user:pass@host:1/a@b", (False, "host", 1, "/a@b")),
        ("http://host:/a", (False, "host", 80, "/a")),
        ("http://127.0.0.1:65535", (False, "127.0.0.1", 65535, "")),
        ("http://[::1]:4318/x", (False, "::1", 4318, "/x")),
        ("https://[fe80::1]", (True, "fe80::1", 443, "")),
    ],
)
def test_parts(text: str, parts: tuple[bool, str, int, str]) -> None:
    assert url.split(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host:4318",
        "ftp://host",
        "http:/host",
        "http://",
        "http:///path",
        "http://:4318",
        "http://host:0",
        "http://host:65536",
        "http://host:043180",
        "http://host:-1",
        "http://host:port",
        "http://a:b:1",
        "http://[::1",
        "http://[::1]4318",
        "http://[]",
        "http://ho st",
        "http://host/a b",
        "http://host/a\tb",
        "http://host/\x7f",
        "http://h\u00f6st",
        "http://host/\u00fc",
        "http://host/a\r\nX: y",
    ],
)
def test_no_url_of_an_endpoint(text: str) -> None:
    assert url.split(text) is None


@given(
    st.sampled_from(["http", "https"]),
    st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True),
    st.none() | st.integers(1, 65535),
    st.from_regex(r"(/[A-Za-z0-9._~%!$&'()*+,;=:@-]*)*", fullmatch=True),
    st.none() | st.from_regex(r"[A-Za-z0-9=&/?@-]*", fullmatch=True),
)
def test_agrees_with_urllib(
    scheme: str, host: str, port: int | None, path: str, query: str | None
) -> None:
    text = f"{scheme}://{host}"
    text += f":{port}" if port else ""
    text += path + (f"?{query}" if query is not None else "")
    expected = urlsplit(text)
    assert url.split(text) == (
        scheme == "https",
        expected.hostname,
        expected.port or (443 if scheme == "https" else 80),
        path + (f"?{query}" if query is not None else ""),
    )


@given(st.text(max_size=60))
def test_any_text_is_split_or_refused(text: str) -> None:
    for candidate in (text, f"http://{text}"):
        parts = url.split(candidate)
        if parts is not None:
            assert parts[1]
            assert not set(parts[1] + parts[3]) & set("\r\n\0 ")
            assert 0 < parts[2] < 65536


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://host:4318/a", "http://host:4318/a"),
        ("ftp://user:s3cret@host/a", "ftp://host/a"),
        ("user:s3cret@host:4318", "host:4318"),
        ("http://user:s3cr@et@host:x", "http://host:x"),
        ("http://user:s3/cret@host", "http://host"),
        ("http://host:x/?key=s3cret", "http://host:x/"),
        ("http://host:x/#s3cret", "http://host:x/"),
        ("http://user:s3?cret@host", "http://..."),
        ("http://user:s3#cret@host", "http://..."),
        ("http://host:x/?key=s3@cret", "http://..."),
        ("user:s3cret://@host", "host"),
    ],
)
def test_secrets_are_left_out_of_what_is_shown(text: str, shown: str) -> None:
    assert url.without_secrets(text) == shown


@given(
    st.sampled_from(["http://", "https://", "ftp://", ""]),
    st.text("ab/?#:%", max_size=4),
    st.text("ab/?#:%@", max_size=4),
)
def test_no_password_is_shown_wherever_its_marks_stand(
    scheme: str, before: str, after: str
) -> None:
    assert "S3CRET" not in url.without_secrets(f"{scheme}user:{before}S3CRET{after}@host:x/path")
