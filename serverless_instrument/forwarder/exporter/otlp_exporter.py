"""Posts one export after the other to one host, and says what became of each; blocking."""

from __future__ import annotations

from time import monotonic, time

from serverless_instrument.forwarder.exporter import otlp_http
from serverless_instrument.forwarder.exporter.http_connection import Link
from serverless_instrument.forwarder.http1 import BadResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.destinations.destination import Destination
    from serverless_instrument.forwarder.exporter.export import Export
    from serverless_instrument.forwarder.exporter.otlp_http import Verdict
    from serverless_instrument.forwarder.exporter.secret_reader import SecretReader

# With less, an answer would most likely come too late, and what was taken be sent again.
_LEAST_TRY_S = 0.1
_REFUSED = (401, 403)
# A proxy's, which says nothing of the backend.
_PROXY_REFUSED = 407
# What is shorter stands in many an innocent message.
_SECRET_CHARACTERS = 4


class Poster:
    """A connection to the host that all destinations it is asked to post to have in common."""

    def __init__(self, destination: Destination) -> None:
        self._link = Link(destination)
        self._secrets: dict[str, SecretReader] = {}

    def prepare_destination(self, destination: Destination) -> None:
        """Load what posting to `destination` will need."""
        try:
            otlp_http.prepare(destination)
            if destination.aws is not None:
                from serverless_instrument.forwarder.exporter import signed_request as signed  # noqa: F401 # loading is the point
            if destination.headers_secret:
                self._secret(destination)
            self._link.prepare()
        except Exception:  # posting runs into it again, and says so
            return

    def post_export(self, destination: Destination, export: Export, give_up_at_s: float) -> Verdict:
        """What became of `export`, tried until `give_up_at_s` (monotonic)."""
        ambiguous = self._link.ambiguous = False
        try:
            verdict = self._exchange(destination, export, give_up_at_s)
            ambiguous = self._link.ambiguous
            if verdict.status in _REFUSED and self._other_headers(destination, give_up_at_s):
                verdict = self._exchange(destination, export, give_up_at_s)
        except (OSError, BadResponseError) as error:
            verdict = otlp_http.Verdict(otlp_http.RETRY, _reason(error))
        except Exception as error:  # a defect of ours must not end the thread
            verdict = otlp_http.Verdict(otlp_http.REJECTED, f"{type(error).__name__}: {error}")
        verdict.ambiguous = ambiguous or self._link.ambiguous
        if verdict.reason:
            verdict.reason = self._without_secrets(destination, verdict.reason)
        return verdict

    def close(self) -> None:
        """Close the connection; the next export makes another."""
        self._link.close()

    def _exchange(self, destination: Destination, export: Export, give_up_at_s: float) -> Verdict:
        if give_up_at_s - monotonic() < _LEAST_TRY_S:
            raise TimeoutError("no time left to try")
        more = sign = None
        if destination.headers_secret:
            more = self._secret(destination).headers(give_up_at_s)
        if destination.aws is not None and "authorization" not in (more or {}):
            from serverless_instrument.forwarder.exporter import signed_request as signed

            sign = signed.signer(destination)
        request = otlp_http.request(destination, export, more, sign)
        response = self._link.exchange(request, give_up_at_s)
        if destination.proxy is not None and response.status == _PROXY_REFUSED:
            raise OSError(f"{destination.proxy} refused: HTTP 407, it wants other credentials")
        verdict = otlp_http.verdict(response.status, response.headers, bytes(response.body))
        if sign is not None and verdict.status in _REFUSED:
            verdict.reason += signed.clock_skew(response.headers.get("date", ""), time())
        return verdict

    def _other_headers(self, destination: Destination, give_up_at_s: float) -> bool:
        """Whether the secret, read again, has others than those that were refused."""
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
        """`reason` without any header's value: backends quote the key that they do not like."""
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
