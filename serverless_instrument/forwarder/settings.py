"""Environment variables of the exporter to destinations; pure.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/. A value that cannot be used becomes one
warning, which names it and the remedy, and the default.
"""

from __future__ import annotations

from serverless_instrument.forwarder import url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TRACES, LOGS, METRICS = "traces", "logs", "metrics"
SIGNALS = (TRACES, LOGS, METRICS)

_DEFAULT_TIMEOUT_MS = 10_000
# Longer than any environment waits, and what "0", no limit, becomes.
_LONGEST_TIMEOUT_MS = 3_600_000
_REMEDY = "set it to http/protobuf or http/json"
# They frame the request, and are ours to set.
_RESERVED_HEADERS = frozenset(
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
_SHOWN_CHARACTERS = 100


class Destination:
    """Where one signal goes.

    `path` is the request target; `json` chooses OTLP/JSON over protobuf; `certificate`, a PEM file
    of trusted roots, is "" for the system's; `client_certificate` and `client_key`, PEM files, are
    "" where the peer asks for none.
    """

    __slots__ = (
        "certificate",
        "client_certificate",
        "client_key",
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
        self.client_certificate = ""
        self.client_key = ""


class Settings:
    """Destinations by signal; a signal that is switched off or has no endpoint is not in it."""

    __slots__ = ("destinations", "warnings")

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.destinations: dict[str, Destination] = {}
        self.warnings: list[str] = []
        readers = [
            _Reader(environ, signal, self.warnings)
            for signal in SIGNALS
            if self._exported(environ, signal)
        ]
        for reader in readers:
            destination = reader.destination()
            if destination is not None:
                self.destinations[destination.signal] = destination
        if readers and not any(reader.has_endpoint() for reader in readers):
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
            self.warnings.append(
                f'{name}="{_shown(value)}" is not available, using otlp: set it to otlp or none'
            )
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

    def has_endpoint(self) -> bool:
        """Whether an endpoint is given, of use or not."""
        return bool(self._get("ENDPOINT")[1])

    def destination(self) -> Destination | None:
        """The signal's destination, None without a usable endpoint."""
        variable, endpoint = self._get("ENDPOINT")
        if not endpoint:
            return None
        destination = Destination(self._signal)
        if not self._endpoint(destination, variable, endpoint):
            return None
        destination.headers = self._headers()
        self._credentials(destination, endpoint)
        destination.timeout_ms = self._timeout_ms()
        destination.compress = self._compress()
        destination.json = self._json()
        destination.certificate = self._get("CERTIFICATE")[1]
        destination.client_certificate = self._get("CLIENT_CERTIFICATE")[1]
        destination.client_key = self._get("CLIENT_KEY")[1]
        return destination

    def _warn(self, name: str, value: str, text: str) -> None:
        self._warnings.append(f'{name}="{_shown(value)}" {text}')

    def _endpoint(self, destination: Destination, variable: str, endpoint: str) -> bool:
        parts = url.split(endpoint)
        if parts is None:
            self._warn(
                variable,
                url.without_secrets(endpoint),
                f"is not an http:// or https:// URL, {self._signal} are discarded: "
                "set it to one such as https://otlp.example.com:4318",
            )
            return False
        destination.secure, destination.host, destination.port, path = parts
        if variable == "OTEL_EXPORTER_OTLP_ENDPOINT":
            path, question, query = path.partition("?")
            path = f"{path.rstrip('/')}/v1/{self._signal}{question}{query}"
        destination.path = path if path.startswith("/") else f"/{path}"
        return True

    def _headers(self) -> dict[str, str]:
        variable, value = self._get("HEADERS")
        headers: dict[str, str] = {}
        for number, member in enumerate(value.split(","), 1):
            name, equals, text = member.partition("=")
            name, text = name.strip().lower(), _decoded(text.strip())
            if name in _RESERVED_HEADERS:
                self._warnings.append(f"{variable}: {name} is set by the exporter; it is left out")
            elif equals and _is_token(name) and text.isprintable() and text.isascii():
                headers[name] = text
            elif member.strip():
                # Only its place: any part of it may belong to a secret.
                self._warnings.append(
                    f"{variable}: member {number} is left out: write members as name=value, "
                    "separated by commas, other characters than ASCII letters and digits as %XX"
                )
        return headers

    def _credentials(self, destination: Destination, endpoint: str) -> None:
        """``user:password@`` of the URL is basic authentication (RFC 7617), if no header is."""
        userinfo = url.authority(endpoint).rpartition("@")[0]
        if userinfo and "authorization" not in destination.headers:
            from binascii import b2a_base64

            encoded = b2a_base64(_decoded(userinfo).encode(), newline=False).decode()
            destination.headers["authorization"] = f"Basic {encoded}"

    def _timeout_ms(self) -> int:
        variable, value = self._get("TIMEOUT")
        if not value:
            return _DEFAULT_TIMEOUT_MS
        if value.isascii() and value.isdigit():
            # Nine digits are more than the longest; converting thousands of them is refused.
            return min(int(value[:9]) or _LONGEST_TIMEOUT_MS, _LONGEST_TIMEOUT_MS)
        self._warn(
            variable,
            value,
            f"is not a whole number of milliseconds, using {_DEFAULT_TIMEOUT_MS}: "
            "set it to one, or to 0 for no limit",
        )
        return _DEFAULT_TIMEOUT_MS

    def _compress(self) -> bool:
        variable, value = self._get("COMPRESSION")
        if value.lower() not in ("", "gzip", "none"):
            self._warn(variable, value, "is not known, using gzip: set it to gzip or none")
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


def _shown(value: str) -> str:
    """`value` for a message of one line."""
    text = "".join([c if c.isprintable() else "?" for c in value[:_SHOWN_CHARACTERS]])
    return text + ("..." if len(value) > _SHOWN_CHARACTERS else "")


def _decoded(text: str) -> str:
    """`text` with its %XX escapes decoded, as in a W3C baggage value."""
    if "%" not in text:
        return text
    from urllib.parse import unquote  # 10 ms, for the few who need it

    return unquote(text)


def _is_token(name: str) -> bool:
    """A field name of RFC 9110, section 5.6.2."""
    return bool(name) and all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name)
