"""S3 Batch Operations, invocation schema versions 1.0 and 2.0. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload, source
from serverless_instrument.wrapper.events.base import Outcome, dictionary, text
from serverless_instrument.wrapper.records.propagation import percent_decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

# A key has at most 1,024 bytes, each of which may be percent-encoded.
_KEY_CHARACTERS = 3 * 1024


def infer(event: object) -> bool:
    """Whether it has a job's schema version and its tasks, of which there is one."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("invocationSchemaVersion"), str)
        and isinstance(event.get("tasks"), list)
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """The object. https://opentelemetry.io/docs/specs/semconv/registry/attributes/aws/

    Version 1.0 has the bucket's ARN and the key percent-encoded, 2.0 the bucket's name.
    """
    tasks = event.get("tasks")
    task = dictionary(tasks[0]) if isinstance(tasks, list) and tasks else {}
    arn = text(task.get("s3BucketArn"))
    attributes = {
        "aws.s3.bucket": text(task.get("s3Bucket")) or arn.rpartition(":")[2],
        "aws.s3.key": percent_decode(text(task.get("s3Key"))[:_KEY_CHARACTERS].replace("+", " ")),
    }
    carrier = payload.carrier(dictionary(event.get("job")).get("userArguments"))
    return source.facts("aws:s3:batch", carrier, attributes=attributes)


def outcome(response: object) -> Outcome:
    """The result code and string of a failed task, as the invocation's error."""
    results = dictionary(response).get("results")
    result = dictionary(results[0]) if isinstance(results, list) and results else {}
    code = text(result.get("resultCode"))
    if code in ("TemporaryFailure", "PermanentFailure"):
        return Outcome(None, code, text(result.get("resultString")))
    return Outcome()
