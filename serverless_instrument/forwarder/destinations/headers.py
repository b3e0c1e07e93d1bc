"""Header fields as text: ``name=value,name=value``. Pure.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables
"""

from __future__ import annotations

# They frame the request, and are ours to set.
_RESERVED = frozenset(
    (
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


def parse(text: str) -> tuple[dict[str, str], list[str]]:
    """(fields by lower-case name, what is wrong with members that are left out).

    A message names a member by its place alone: any part of it may belong to a secret.
    """
    fields: dict[str, str] = {}
    problems: list[str] = []
    for number, member in enumerate(text.split(","), 1):
        name, equals, value = member.partition("=")
        name, value = name.strip().lower(), decoded(value.strip())
        if name in _RESERVED:
            problems.append(f"{name} is set by the exporter; it is left out")
        elif equals and usable(name, value):
            fields[name] = value
        elif member.strip():
            problems.append(
                f"member {number} is left out: write members as name=value, "
                "separated by commas, other characters than ASCII letters and digits as %XX"
            )
    return fields, problems


def usable(name: str, value: str) -> bool:
    """Whether the exporter may send this field (RFC 9110, sections 5.5 and 5.6.2)."""
    return _is_token(name) and name not in _RESERVED and value.isprintable() and value.isascii()


def decoded(text: str) -> str:
    """`text` with its %XX escapes decoded, as in a W3C baggage value."""
    if "%" not in text:
        return text
    from urllib.parse import unquote  # 10 ms, for the few who need it

    return unquote(text)


def basic(userinfo: str) -> str:
    """``Authorization`` of a URL's ``user:password`` (RFC 7617)."""
    from binascii import b2a_base64

    # The environment's bytes as they are, whatever their encoding.
    plain = decoded(userinfo).encode("utf-8", "surrogateescape")
    return f"Basic {b2a_base64(plain, newline=False).decode()}"


def _is_token(name: str) -> bool:
    return bool(name) and all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name)
