"""Where events carry headers."""

from __future__ import annotations

from serverless_instrument.wrapper.triggers.base import dictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.triggers.base import Json


def http_headers(event: Json) -> dict[str, str]:
    """Lower-case header names to values; several values are joined by a comma (RFC 9110, 5.3).

    API Gateway REST and ALB events have ``headers``, ``multiValueHeaders`` or both; where both,
    ``headers`` holds only the last value of each.
    """
    headers = {
        name.lower(): value
        for name, value in dictionary(event.get("headers")).items()
        if isinstance(value, str)
    }
    for name, values in dictionary(event.get("multiValueHeaders")).items():
        if isinstance(values, list):
            texts = [value for value in values if isinstance(value, str)]
            if texts:
                headers[name.lower()] = ",".join(texts)
    return headers
