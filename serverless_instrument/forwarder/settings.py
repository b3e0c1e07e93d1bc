"""Environment variables of the exporter to destinations; pure.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/. A value that cannot be used becomes one
warning, which names it and the remedy, and the default.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TRACES, LOGS, METRICS = "traces", "logs", "metrics"
SIGNALS = (TRACES, LOGS, METRICS)

_DEFAULT_TIMEOUT_MS = 10_000
_REMEDY = "set it to http/protobuf or http/json"


class Destination:
    """Where one signal goes.

    `path` is the request target; `json` chooses OTLP/JSON over protobuf; `certificate`, a PEM file
    of trusted roots, is "" for the system's.
    """

    __slots__ = (
        "certificate",
        "compress",
        "headers",
        "host",
        "json",
        "path",
        "port",
        "secure",
        "signal",
        "timeout_ms",
    )

    def __init__(self, signal: str) -> None:
        self.signal = signal
        self.secure = False
        self.host = ""
        self.port = 0
        self.path = ""
        self.headers: dict[str, str] = {}
        self.timeout_ms = _DEFAULT_TIMEOUT_MS
        self.compress = True
        self.json = False
        self.certificate = ""


class Settings:
    """Destinations by signal; a signal that is switched off or has no endpoint is not in it."""

    __slots__ = ("destinations", "warnings")

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.destinations: dict[str, Destination] = {}
        self.warnings: list[str] = []
        wanted = [signal for signal in SIGNALS if self._exported(environ, signal)]
        for signal in wanted:
            destination = _Reader(environ, signal, self.warnings).destination()
            if destination is not None:
                self.destinations[signal] = destination
        if wanted and not self.destinations and not self.warnings:
            self.warnings.append(
                "no OTLP endpoint: telemetry is discarded; set OTEL_EXPORTER_OTLP_ENDPOINT, "
                "for instance to https://otlp.example.com:4318"
            )
        # One variable is read for three signals: say what is wrong with it once.
        self.warnings = list(dict.fromkeys(self.warnings))

    def _exported(self, environ: Mapping[str, str], signal: str) -> bool:
        name = f"OTEL_{signal.upper()}_EXPORTER"
        value = environ.get(name, "").strip().lower()
        exporters = [part.strip() for part in value.split(",") if part.strip()]
        if exporters == ["none"]:
            return False
        if exporters and "otlp" not in exporters:
            self.warnings.append(f'{name}="{value}" is not available; using otlp')
        return True


class _Reader:
    """One signal's variables: its own where set, else the general ones."""

    def __init__(self, environ: Mapping[str, str], signal: str, warnings: list[str]) -> None:
        self._environ = environ
        self._signal = signal
        self._warnings = warnings

    def _get(self, name: str) -> tuple[str, str]:
        """(variable, value) of ``OTEL_EXPORTER_OTLP_<SIGNAL>_<name>`` or the general one."""
        general = f"OTEL_EXPORTER_OTLP_{name}"
        own = f"OTEL_EXPORTER_OTLP_{self._signal.upper()}_{name}"
        # An empty value is an unset one, by the specification.
        value = self._environ.get(own, "").strip()
        if value:
            return own, value
        return general, self._environ.get(general, "").strip()

    def _warn(self, name: str, value: str, text: str) -> None:
        self._warnings.append(f'{name}="{value}" {text}')

    def destination(self) -> Destination | None:
        variable, endpoint = self._get("ENDPOINT")
        if not endpoint:
            return None
        destination = Destination(self._signal)
        if not self._endpoint(destination, variable, endpoint):
            return None
        destination.headers = self._headers()
        destination.timeout_ms = self._timeout_ms()
        destination.compress = self._compress()
        destination.json = self._json()
        destination.certificate = self._get("CERTIFICATE")[1]
        return destination

    def _endpoint(self, destination: Destination, variable: str, endpoint: str) -> bool:
        parts = split_url(endpoint)
        if parts is None:
            self._warn(
                variable,
                endpoint,
                f"is not an http:// or https:// URL; {self._signal} are discarded",
            )
            return False
        destination.secure, destination.host, destination.port, path = parts
        if variable == "OTEL_EXPORTER_OTLP_ENDPOINT":
            path, question, query = path.partition("?")
            path = f"{path.rstrip('/')}/v1/{self._signal}{question}{query}"
        destination.path = path or "/"
        return True

    def _headers(self) -> dict[str, str]:
        variable, value = self._get("HEADERS")
        headers: dict[str, str] = {}
        for member in value.split(","):
            name, equals, text = member.partition("=")
            name, text = name.strip(), _decoded(text.strip())
            if equals and _is_token(name) and text.isprintable() and text.isascii():
                headers[name.lower()] = text
            elif member.strip():
                # Only the name: the value may be a secret.
                self._warnings.append(
                    f'{variable}: the member "{name[:40]}" is not name=value; it is left out'
                )
        return headers

    def _timeout_ms(self) -> int:
        variable, value = self._get("TIMEOUT")
        if not value:
            return _DEFAULT_TIMEOUT_MS
        if value.isascii() and value.isdigit() and 0 < int(value[:12]) <= 3_600_000:
            return int(value)
        self._warn(
            variable, value, f"is not a number of milliseconds from 1; using {_DEFAULT_TIMEOUT_MS}"
        )
        return _DEFAULT_TIMEOUT_MS

    def _compress(self) -> bool:
        variable, value = self._get("COMPRESSION")
        if value.lower() not in ("", "gzip", "none"):
            self._warn(variable, value, 'is neither "gzip" nor "none"; using "gzip"')
        return value.lower() != "none"

    def _json(self) -> bool:
        variable, value = self._get("PROTOCOL")
        if value.lower() == "grpc":
            self._warn(
                variable,
                value,
                f"is not supported, using http/protobuf: {_REMEDY}, and the endpoint to the "
                "backend's OTLP/HTTP port (usually 4318)",
            )
        elif value.lower() not in ("", "http/protobuf", "http/json"):
            self._warn(variable, value, f"is not known, using http/protobuf: {_REMEDY}")
        return value.lower() == "http/json"


def split_url(url: str) -> tuple[bool, str, int, str] | None:
    """(secure, host, port, path with query) of an http or https URL, else None."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("http", "https"):
        return None
    rest = rest.partition("#")[0]
    cut = min(
        (index for index in (rest.find("/"), rest.find("?")) if index >= 0), default=len(rest)
    )
    authority, path = rest[:cut].rpartition("@")[2], rest[cut:]
    host, port = authority, ""
    if authority.startswith("["):
        host, _, port = authority[1:].partition("]")
        port = port[1:] if port.startswith(":") else port
    elif ":" in authority:
        host, _, port = authority.rpartition(":")
    secure = scheme == "https"
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return None
    if not host or any(c <= " " for c in host + path) or not (host + path).isascii():
        return None
    return secure, host, int(port) if port else (443 if secure else 80), path


def _decoded(text: str) -> str:
    """`text` with its %XX escapes decoded, as in a W3C baggage value."""
    if "%" not in text:
        return text
    from urllib.parse import unquote  # 10 ms, for the few who need it

    return unquote(text)


def _is_token(name: str) -> bool:
    """A field name of RFC 9110, section 5.6.2."""
    return bool(name) and all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name)
