"""Reads and caches the headers of a secret; blocking, for the threads of the workers."""

from __future__ import annotations

from time import time

from serverless_instrument.forwarder.destinations import headers_secret
from serverless_instrument.forwarder.destinations.headers_secret import SecretError
from serverless_instrument.forwarder.exporter import otlp_http
from serverless_instrument.forwarder.exporter.http_connection import HttpConnection
from serverless_instrument.forwarder.exporter.signed_request import signer
from serverless_instrument.forwarder.http1 import BadResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.forwarder.destinations.destination import Destination

# A backend that refuses every request must not cause as many calls of AWS's API. Measured by the
# wall clock, which goes on during a freeze.
_REREAD_AFTER_S = 60.0


class SecretReader:
    """One destination's headers from its secret: read once, and again when they are refused."""

    def __init__(self, destination: Destination) -> None:
        assert destination.secret_endpoint is not None
        self._arn = destination.headers_secret
        self._where = destination.secret_endpoint
        self._headers: dict[str, str] | None = None
        self._reread_at_s: float | None = None

    def headers(self, give_up_at_s: float) -> dict[str, str]:
        """The headers, read if they have not been.

        Raises:
            SecretError: they cannot be read until `give_up_at_s` (monotonic).
        """
        if self._headers is None:
            self._headers = self._read(give_up_at_s)
        return self._headers

    def known_headers(self) -> dict[str, str]:
        """The headers that have been read, {} before the first reading."""
        return self._headers or {}

    def read_again(self, give_up_at_s: float) -> bool:
        """Read again after a 401 or 403, at most once a minute; whether the headers are others."""
        if self._reread_at_s is not None and 0 <= time() - self._reread_at_s < _REREAD_AFTER_S:
            return False
        self._reread_at_s = time()
        before, self._headers = self._headers, self._read(give_up_at_s)
        return self._headers != before

    def _read(self, give_up_at_s: float) -> dict[str, str]:
        fields, body = headers_secret.request(self._arn, self._where)
        fields.update(signer(self._where)(fields, body))
        fields["connection"] = "close"
        message = otlp_http.post_request(self._where, fields, body)
        # Not kept: most environments read a secret once.
        connection = HttpConnection(self._where)
        try:
            answer = connection.exchange(message, give_up_at_s)
        except (OSError, BadResponseError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "no answer in time"
            raise SecretError(f"{self._arn} cannot be read: {reason}") from None
        finally:
            connection.close()
        return headers_secret.answered(self._arn, answer.status, bytes(answer.body))
