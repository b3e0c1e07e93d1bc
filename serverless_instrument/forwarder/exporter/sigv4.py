"""AWS Signature Version 4 of a request. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

from hashlib import sha256
from hmac import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from serverless_instrument.forwarder.destinations.aws_credentials import Credentials

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
# Only fields that proxies on the way neither change nor drop may be signed.
_SIGNED = ("host", "content-type", "range")
_SIGNED_PREFIXES = ("x-amz-", "x-aws-")


def signature(
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    scope: tuple[str, str],
    credentials: Credentials,
    amz_date: str,
) -> dict[str, str]:
    """The fields that sign a request: ``x-amz-date``, ``x-amz-security-token``, ``authorization``.

    Args:
        method: as in the request line.
        target: path and query as they are sent.
        headers: by lower-case name, with ``host``.
        body: as it is sent, compressed or not.
        scope: (service, region).
        credentials: whose signature it is.
        amz_date: UTC as ``20150830T123600Z``.
    """
    added = {"x-amz-date": amz_date}
    if credentials.session_token:
        added["x-amz-security-token"] = credentials.session_token
    everything = {**headers, **added}
    names = sorted(n for n in everything if n in _SIGNED or n.startswith(_SIGNED_PREFIXES))
    path, _, query = target.partition("?")
    canonical = "\n".join(
        [
            method,
            _quoted(path) or "/",
            _canonical_query(query),
            *[f"{name}:{' '.join(everything[name].split())}" for name in names],
            "",
            ";".join(names),
            sha256(body).hexdigest(),
        ]
    )
    service, region = scope
    day = amz_date[:8]
    within = f"{day}/{region}/{service}/aws4_request"
    hashed = sha256(canonical.encode()).hexdigest()
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _mac(key, part)
    signed = _mac(key, f"{_ALGORITHM}\n{amz_date}\n{within}\n{hashed}").hex()
    added["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{within}, "
        f"SignedHeaders={';'.join(names)}, Signature={signed}"
    )
    return added


def _mac(key: bytes, text: str) -> bytes:
    return digest(key, text.encode(), "sha256")


def _quoted(path: str) -> str:
    """`path` encoded once more, as every service but S3 requires."""
    return "".join([chr(b) if b in _UNRESERVED else f"%{b:02X}" for b in path.encode()])


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    return "&".join([f"{name}={value}" for name, value in sorted((n, v) for n, _, v in pairs)])
