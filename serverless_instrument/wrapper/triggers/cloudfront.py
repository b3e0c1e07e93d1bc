"""CloudFront (Lambda@Edge): viewer and origin, request and response. Pure.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html
"""

from __future__ import annotations

from itertools import islice

from serverless_instrument.wrapper.events import http
from serverless_instrument.wrapper.events.base import Outcome, dictionary, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

# CloudFront allows far fewer; an invented event must not cost the function time.
_HEADERS = 256


def infer(event: object) -> bool:
    """Whether the first record has a distribution's request."""
    return isinstance(_record(event).get("request"), dict)


def facts(event: Json, known_methods: frozenset[str]) -> Facts:
    """The viewer's request; CloudFront knows no route.

    In a request to the origin the host may be the origin's. ``uri`` has no query unless the
    function has put one there.
    """
    record = _record(event)
    request = dictionary(record.get("request"))
    return http.server_facts(
        _headers(request.get("headers")),
        known_methods,
        method=text(request.get("method")),
        path=text(request.get("uri")) or "/",
        query=text(request.get("querystring")),
        source_ip=text(request.get("clientIp")),
        domain_name=text(dictionary(record.get("config")).get("distributionDomainName")),
    )


def _record(event: object) -> Json:
    records = dictionary(event).get("Records")
    return dictionary(
        dictionary(records[0] if isinstance(records, list) and records else 0).get("cf")
    )


def _headers(headers: object) -> dict[str, str]:
    """Lower-case names and values of ``{"host": [{"key": "Host", "value": "…"}]}``."""
    found = {}
    for name, items in islice(dictionary(headers).items(), _HEADERS):
        listed = items[:_HEADERS] if isinstance(items, list) else []
        values = [dictionary(item).get("value") for item in listed]
        texts = [value for value in values if isinstance(value, str)]
        if texts:
            found[name.lower()] = ",".join(texts)
    return found


def outcome(response: object) -> Outcome:
    """The response's ``status``, a string; a request that goes on to the origin has none."""
    if "status" in dictionary(response):
        return http.status_outcome(response, implicit_status=None, key="status")
    return Outcome()
