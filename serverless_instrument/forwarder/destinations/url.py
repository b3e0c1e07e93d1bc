"""The URL of an endpoint, taken apart (RFC 3986), without the urllib package. Pure."""

from __future__ import annotations


def authority(url: str) -> str:
    """What stands between ``://`` and the path, query or fragment."""
    rest = url.partition("://")[2]
    for mark in "/?#":
        rest = rest.partition(mark)[0]
    return rest


def split(url: str) -> tuple[bool, str, int, str] | None:
    """(secure, host, port, path with query) of an http or https URL, else None."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("http", "https"):
        return None
    whole = authority(url)
    path = rest[len(whole) :].partition("#")[0]
    host, port = whole.rpartition("@")[2], ""
    if host.startswith("["):
        host, bracket, port = host[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return None
        port = port[1:]
    elif ":" in host:
        host, _, port = host.partition(":")
    secure = scheme == "https"
    if port and not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        return None
    target = host + path
    if not host or " " in target or not (target.isascii() and target.isprintable()):
        return None
    return secure, host, int(port) if port else (443 if secure else 80), path


def without_secrets(url: str) -> str:
    """`url` for a message: neither ``user:password@`` nor the query, in which tokens may stand."""
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme.isalnum():
        scheme, separator, rest = "", "", url
    shown, _, hidden = rest.replace("#", "?").partition("?")
    # An @ so late may end a password that holds a question mark: then nothing is safe to show.
    return f"{scheme}{separator}" + ("..." if "@" in hidden else shown.rpartition("@")[2])
