"""Headers of HTTP events. Pure."""

from __future__ import annotations

from itertools import islice

from serverless_instrument.wrapper.events.base import dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json

# More than any gateway accepts; an event made by hand must not take the function's time.
_HTTP_HEADERS = 512


def http_headers(event: Json) -> dict[str, str]:
    """Lower-case header names to values; several values are joined by a comma (RFC 9110, 5.3).

    API Gateway REST and ALB events have ``headers``, ``multiValueHeaders`` or both. Where they have
    both, ``headers`` has only the last value of each.
    """
    headers = {
        name.lower(): value
        for name, value in islice(dictionary(event.get("headers")).items(), _HTTP_HEADERS)
        if isinstance(value, str)
    }
    for name, values in islice(dictionary(event.get("multiValueHeaders")).items(), _HTTP_HEADERS):
        if isinstance(values, list):
            texts = [value for value in values[:_HTTP_HEADERS] if isinstance(value, str)]
            if texts:
                headers[name.lower()] = ",".join(texts)
    return headers
