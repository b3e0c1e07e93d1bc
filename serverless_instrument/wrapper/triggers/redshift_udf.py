"""Amazon Redshift: scalar Lambda user-defined functions.

https://docs.aws.amazon.com/redshift/latest/dg/udf-creating-a-lambda-sql-udf.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source
from serverless_instrument.wrapper.events.base import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """A function of a database, and the rows of its arguments."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("external_function"), str)
        and isinstance(event.get("arguments"), list)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The database, in the words of https://opentelemetry.io/docs/specs/semconv/database/."""
    attributes = {
        "db.system.name": "aws.redshift",
        "db.namespace": text(event.get("database")),
        "db.stored_procedure.name": text(event.get("external_function")),
    }
    return source.facts("aws:redshift", attributes=attributes)
