"""Posts exports to one host, one after the other; blocking, for the threads of the workers."""

from __future__ import annotations

from time import monotonic, time

from serverless_instrument.forwarder.exporter import otlp_http
from serverless_instrument.forwarder.exporter.http_connection import HttpConnection
from serverless_instrument.forwarder.http1 import BadResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.destinations.destination import Destination
    from serverless_instrument.forwarder.exporter.export import Export
    from serverless_instrument.forwarder.exporter.otlp_http import ExportResult
    from serverless_instrument.forwarder.exporter.secret_reader import SecretReader

# In less time a response would hardly come, and the export would be sent twice.
_LEAST_TRY_S = 0.1
_REFUSED = (401, 403)
# The status of a proxy, not of the backend.
_PROXY_REFUSED = 407
# Shorter header values are not masked: they occur in messages by chance.
_SECRET_CHARACTERS = 4


class OtlpExporter:
    """Exporter to the destinations of one host, over one connection."""

    def __init__(self, destination: Destination) -> None:
        self._connection = HttpConnection(destination)
        self._secrets: dict[str, SecretReader] = {}

    def prepare_destination(self, destination: Destination) -> None:
        """Load what posting to `destination` needs."""
        try:
            otlp_http.load_encoders(destination)
            if destination.aws is not None:
                from serverless_instrument.forwarder.exporter import signed_request  # noqa: F401 # loading is the point
            if destination.headers_secret:
                self._secret(destination)
            self._connection.prepare()
        except Exception:  # posting fails for the same reason, and reports it
            return

    def post_export(
        self, destination: Destination, export: Export, give_up_at_s: float
    ) -> ExportResult:
        """The result of posting `export`, tried until `give_up_at_s` (monotonic). Never raises."""
        unanswered = self._connection.unanswered = False
        try:
            result = self._exchange(destination, export, give_up_at_s)
            unanswered = self._connection.unanswered
            if result.status in _REFUSED and self._other_headers(destination, give_up_at_s):
                result = self._exchange(destination, export, give_up_at_s)
        except (OSError, BadResponseError) as error:
            result = otlp_http.ExportResult(otlp_http.RETRY, _reason(error))
        except Exception as error:  # a defect of ours must not end the thread
            result = otlp_http.ExportResult(otlp_http.REJECTED, f"{type(error).__name__}: {error}")
        result.unanswered = unanswered or self._connection.unanswered
        if result.reason:
            result.reason = self._without_secrets(destination, result.reason)
        return result

    def close(self) -> None:
        """Close the connection; the next export makes another."""
        self._connection.close()

    def _exchange(
        self, destination: Destination, export: Export, give_up_at_s: float
    ) -> ExportResult:
        if give_up_at_s - monotonic() < _LEAST_TRY_S:
            raise TimeoutError("no time left to try")
        more = sign = None
        if destination.headers_secret:
            more = self._secret(destination).headers(give_up_at_s)
        if destination.aws is not None and "authorization" not in (more or {}):
            from serverless_instrument.forwarder.exporter import signed_request

            sign = signed_request.signer(destination)
        request = otlp_http.export_request(destination, export, more, sign)
        response = self._connection.exchange(request, give_up_at_s)
        if destination.proxy is not None and response.status == _PROXY_REFUSED:
            raise OSError(f"{destination.proxy} refused: HTTP 407, it wants other credentials")
        result = otlp_http.read_response(response.status, response.headers, bytes(response.body))
        if sign is not None and result.status in _REFUSED:
            result.reason += signed_request.clock_skew(response.headers.get("date", ""), time())
        return result

    def _other_headers(self, destination: Destination, give_up_at_s: float) -> bool:
        """Read the secret again; whether its headers differ from those that were refused."""
        if not destination.headers_secret:
            return False
        return self._secret(destination).read_again(give_up_at_s)

    def _secret(self, destination: Destination) -> SecretReader:
        reader = self._secrets.get(destination.name)
        if reader is None:
            from serverless_instrument.forwarder.exporter.secret_reader import SecretReader

            reader = self._secrets[destination.name] = SecretReader(destination)
        return reader

    def _without_secrets(self, destination: Destination, reason: str) -> str:
        """`reason` without header values: backends quote the API key that they refuse."""
        values = list(destination.headers.values())
        if destination.name in self._secrets:
            values += self._secrets[destination.name].known_headers().values()
        for value in sorted({part for v in values for part in (v, *v.split())}, key=len)[::-1]:
            if len(value) >= _SECRET_CHARACTERS:
                reason = reason.replace(value, "...")
        return reason


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or "no answer in time"
    return f"{type(error).__name__}: {text}"
