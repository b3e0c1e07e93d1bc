"""DocumentDB change streams. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/with-documentdb.html
https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/#datasource
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import batches, source
from serverless_instrument.wrapper.events.base import Facts, dictionary, text
from serverless_instrument.wrapper.events.document import document, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json

outcome = source.outcome
_OPERATIONS = {"insert": "insert", "update": "edit", "replace": "edit", "delete": "delete"}


def infer(event: object) -> bool:
    """Whether it has changes of a cluster."""
    return (
        isinstance(event, dict)
        and event.get("eventSource") == "aws:docdb"
        and isinstance(event.get("events"), list)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The database as ``faas.document.collection``, as for Cosmos DB; the collection as name."""
    changes = [dictionary(record.get("event")) for record in batches.dictionaries(event["events"])]
    places = [dictionary(change.get("ns")) for change in changes]
    operations = {text(change.get("operationType")) for change in changes}
    time = ""
    if len(changes) == 1:
        stamp = dictionary(dictionary(changes[0].get("clusterTime")).get("$timestamp"))
        time = utc(stamp.get("t"))
    return Facts(
        None,
        "datasource",
        document(
            batches.agreed(text(place.get("db")) for place in places),
            _OPERATIONS.get(batches.agreed(operations), ""),
            batches.agreed(text(place.get("coll")) for place in places),
            time,
        ),
        {},
    )
