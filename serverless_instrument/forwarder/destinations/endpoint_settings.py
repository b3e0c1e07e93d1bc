"""Environment variables of one signal's endpoint to a destination. Pure.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from __future__ import annotations

from serverless_instrument import environment
from serverless_instrument.forwarder.destinations import url
from serverless_instrument.forwarder.destinations.destination import DEFAULT_TIMEOUT_MS, Destination

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

STANDARD = "OTEL_EXPORTER_OTLP"
# Longer than any environment waits, and what "0", no limit, becomes.
_LONGEST_TIMEOUT_MS = 3_600_000
_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


class Reader:
    """One signal's variables: its own where set, else the general ones.

    Args:
        prefix: what the variables' names start with; `STANDARD`, or that of a named destination.
        label: the destination's name.
        warnings: grows by a line for each value that cannot be used.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        prefix: str,
        signal: str,
        label: str,
        warnings: list[str],
    ) -> None:
        self._environ = environ
        self._prefix = prefix
        self._signal = signal
        self._label = label
        self._warnings = warnings

    def _variable(self, name: str) -> str:
        """The signal's own variable where it is set, else the general one."""
        return environment.signal_variable(self._environ, self._prefix, self._signal, name)

    def _value(self, name: str) -> str:
        return environment.value_of(self._environ, self._variable(name))

    def has_endpoint(self) -> bool:
        """Whether an endpoint is given, of use or not."""
        return bool(self._value("ENDPOINT"))

    def destination(self) -> Destination | None:
        """The signal's destination, None without a usable endpoint."""
        variable, endpoint = self._variable("ENDPOINT"), self._value("ENDPOINT")
        if not endpoint:
            return None
        destination = Destination(self._signal, self._label)
        if not self._endpoint(destination, variable, endpoint):
            return None
        destination.headers = self._headers()
        self._credentials(destination, endpoint)
        self._headers_secret(destination)
        destination.timeout_ms = self._timeout_ms()
        destination.compress = self._compress()
        destination.json = self._json()
        destination.certificate = self._value("CERTIFICATE")
        destination.client_certificate = self._value("CLIENT_CERTIFICATE")
        destination.client_key = self._value("CLIENT_KEY")
        # Only AWS's own hosts are signed for, and those are told by their name.
        if destination.secure and destination.host.lower().endswith(_AWS_HOSTS):
            return destination if self._signed(destination) else None
        return destination

    def _signed(self, destination: Destination) -> bool:
        """Have requests to an OTLP endpoint of AWS's signed; whether they can be."""
        from serverless_instrument.forwarder.destinations import aws_credentials, aws_endpoint

        scope = aws_endpoint.signed_for(destination.host)
        # CloudWatch Logs takes bearer tokens, too.
        if scope is None or "authorization" in destination.headers:
            return True
        destination.credentials, problem = aws_credentials.from_environ(self._environ)
        if problem:
            self._warnings.append(f"{problem}; what would go to {destination.host} is discarded")
            return False
        destination.aws = scope
        return True

    def _warn(self, name: str, value: str, text: str) -> None:
        environment.warn(self._warnings, name, value, text)

    def _endpoint(self, destination: Destination, variable: str, endpoint: str) -> bool:
        parts = url.split(endpoint)
        is_general = variable == f"{self._prefix}_ENDPOINT"
        if parts is None:
            # The general one is said once, and not for each signal.
            lost = "what would go there is" if is_general else f"{self._label} are"
            self._warn(
                variable,
                url.without_secrets(endpoint),
                f"is not an http:// or https:// URL, {lost} discarded: "
                "set it to one such as https://otlp.example.com:4318",
            )
            return False
        destination.secure, destination.host, destination.port, path = parts
        if is_general:
            path, question, query = path.partition("?")
            path = f"{path.rstrip('/')}/v1/{self._signal}{question}{query}"
        destination.path = path if path.startswith("/") else f"/{path}"
        return True

    def _headers(self) -> dict[str, str]:
        variable, value = self._variable("HEADERS"), self._value("HEADERS")
        if not value:
            return {}
        from serverless_instrument.forwarder.destinations import headers

        fields, problems = headers.parse(value)
        self._warnings += [f"{variable}: {problem}" for problem in problems]
        return fields

    def _credentials(self, destination: Destination, endpoint: str) -> None:
        """``user:password@`` of the URL is basic authentication (RFC 7617), if no header is."""
        userinfo = url.authority(endpoint).rpartition("@")[0]
        if userinfo and "authorization" not in destination.headers:
            from serverless_instrument.forwarder.destinations import headers

            destination.headers["authorization"] = headers.basic(userinfo)

    def _headers_secret(self, destination: Destination) -> None:
        """More headers, from a secret, if one is named that can be asked for."""
        variable = "SERVERLESS_INSTRUMENT_HEADERS_SECRET_ARN"
        if self._prefix != STANDARD:
            variable = f"{self._prefix}_HEADERS_SECRET_ARN"
        arn = environment.value_of(self._environ, variable)
        if not arn:
            return
        from serverless_instrument.forwarder.destinations import aws_credentials, headers_secret

        if headers_secret.parse_arn(arn) is None:
            self._warn(
                variable,
                arn,
                "is no ARN of a secret or parameter, no headers are read from it: set it to "
                "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME or "
                "arn:aws:ssm:REGION:ACCOUNT:parameter/NAME",
            )
            return
        credentials, problem = aws_credentials.from_environ(self._environ)
        if problem:
            self._warnings.append(f"{problem}; {variable} is not read")
            return
        destination.headers_secret = arn
        destination.secret_endpoint = headers_secret.endpoint(arn, self._environ)
        destination.secret_endpoint.credentials = credentials

    def _timeout_ms(self) -> int:
        variable = self._variable("TIMEOUT")
        return environment.duration_ms(
            self._environ, variable, DEFAULT_TIMEOUT_MS, _LONGEST_TIMEOUT_MS, self._warnings
        )

    def _choice(self, name: str, choices: tuple[str, str]) -> str:
        variable = self._variable(name)
        return environment.choice(self._environ, variable, choices, choices[0], self._warnings)

    def _compress(self) -> bool:
        return self._choice("COMPRESSION", ("gzip", "none")) == "gzip"

    def _json(self) -> bool:
        if self._value("PROTOCOL").lower() == "grpc":
            self._warn(
                self._variable("PROTOCOL"),
                self._value("PROTOCOL"),
                "is not supported, using http/protobuf: set it to http/protobuf or http/json, and "
                "the endpoint to the backend's OTLP/HTTP port (usually 4318)",
            )
            return False
        return self._choice("PROTOCOL", ("http/protobuf", "http/json")) == "http/json"
