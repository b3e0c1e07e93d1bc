"""Where one signal goes, and how. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.destinations.aws_credentials import Credentials
    from serverless_instrument.forwarder.destinations.proxy import Proxy

TRACES, LOGS, METRICS = "traces", "logs", "metrics"
SIGNALS = (TRACES, LOGS, METRICS)
DEFAULT_TIMEOUT_MS = 10_000


class Destination:
    """One signal's requests to one endpoint.

    `name` is unique among all destinations, and fit for messages: the signal alone for the standard
    endpoint, with a name of the user's for others. `path` is the request target; `json` chooses
    OTLP/JSON over protobuf; `certificate`, a PEM file of trusted roots, is "" for the system's;
    `client_certificate` and `client_key`, PEM files, are "" where the peer asks for none; `proxy`
    is None for a direct connection. `headers_secret` is the ARN of more headers, "" for none, which
    `secret_endpoint` is asked for. `aws` is (service, region) of an endpoint whose requests are
    signed, with `credentials`, else None.
    """

    __slots__ = (
        "aws",
        "certificate",
        "client_certificate",
        "client_key",
        "compress",
        "credentials",
        "headers",
        "headers_secret",
        "host",
        "json",
        "name",
        "path",
        "port",
        "proxy",
        "secret_endpoint",
        "secure",
        "signal",
        "timeout_ms",
    )

    def __init__(self, signal: str, name: str = "") -> None:
        self.signal = signal
        self.name = name or signal
        self.secure = False
        self.host = ""
        self.port = 0
        self.path = ""
        self.headers: dict[str, str] = {}
        self.headers_secret = ""
        self.timeout_ms = DEFAULT_TIMEOUT_MS
        self.compress = True
        self.json = False
        self.certificate = ""
        self.client_certificate = ""
        self.client_key = ""
        self.proxy: Proxy | None = None
        self.aws: tuple[str, str] | None = None
        self.credentials: Credentials | None = None
        self.secret_endpoint: Destination | None = None

    def authority(self) -> str:
        """``host[:port]`` as in a Host field: without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"
