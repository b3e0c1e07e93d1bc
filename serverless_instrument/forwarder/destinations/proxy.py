"""Which proxy leads to an endpoint. Pure. Loaded only where a variable names one.

The variables as curl and requests read them, the lower-case one first
(https://everything.curl.dev/usingcurl/proxies/env.html).
"""

from __future__ import annotations

from serverless_instrument.environment import shown
from serverless_instrument.forwarder.destinations import headers, url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class ProxyError(OSError):
    """The proxy cannot be reached, or refuses."""


class Proxy:
    """An HTTP proxy; `authorization` is the ``Proxy-Authorization`` value, "" for none."""

    __slots__ = ("authorization", "host", "port")

    def __init__(self, host: str, port: int, authorization: str = "") -> None:
        self.host = host
        self.port = port
        self.authorization = authorization

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"proxy {host}:{self.port}"


def choose(
    environ: Mapping[str, str], secure: bool, host: str, port: int
) -> tuple[Proxy | None, str]:
    """(proxy to `host`, None for a direct connection; what is wrong with the variable).

    Loopback is never asked of a proxy: there it would be another machine's.
    """
    scheme = "https" if secure else "http"
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        value = environ.get(name, "").strip()
        if value:
            break
    else:
        return None, ""
    unproxied = environ.get("no_proxy", "").strip() or environ.get("NO_PROXY", "").strip()
    if _is_loopback(host) or excluded(unproxied, host, port):
        return None, ""
    full = value if "://" in value else f"http://{value}"
    parts = url.split(full)
    if parts is None or parts[0]:
        return None, (
            f'{name}="{shown(url.without_secrets(value))}" is not used: '
            "set it to an HTTP proxy such as http://proxy.example.com:3128"
        )
    userinfo = url.authority(full).rpartition("@")[0]
    return Proxy(parts[1], parts[2], headers.basic(userinfo) if userinfo else ""), ""


def excluded(no_proxy: str, host: str, port: int) -> bool:
    """Whether NO_PROXY's list names `host`: itself, its domain, its network, or ``*``."""
    host = host.lower().rstrip(".")
    for entry in no_proxy.lower().replace(",", " ").split():
        if entry == "*":
            return True
        name, entry_port = _split_port(entry)
        if entry_port and entry_port != str(port):
            continue
        name = name.removeprefix("*").strip(".")
        if not name:
            continue
        if host == name or (host.endswith(f".{name}") and not _is_address(host)):
            return True
        if _is_address(host) and _in_network(host, name):
            return True
    return False


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    name, colon, port = entry.rpartition(":")
    # An IPv6 address has several colons, and no brackets where there is no port.
    return (name, port) if colon and port.isdigit() and ":" not in name else (entry, "")


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _in_network(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:  # another kind of entry
        return False


def _is_loopback(host: str) -> bool:
    name = host.lower().rstrip(".")
    return name in ("localhost", "::1") or (name.startswith("127.") and _is_address(name))
