"""The CONSUMER span of a batch, inside the invocation's, with a link for every context; pure.

https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/#sqs-event
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/#batch-receiving
"""

from __future__ import annotations

from serverless_instrument.wrapper.events.base import ALL_MESSAGES
from serverless_instrument.wrapper.records import records
from serverless_instrument.wrapper.records.propagation import parse_xray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from serverless_instrument.wrapper.events.base import Consumer
    from serverless_instrument.wrapper.records.propagation import SpanContext

    Find = Callable[[Mapping[str, str]], SpanContext | None]

# No convention has an attribute for it.
FAILURE_COUNT = "aws.lambda.batch_item_failures.count"
# Where the limit is off: a batch has 10,000 records at most, and their links must fit a frame.
_MAX_LINKS = 10_000
_NAME_CHARACTERS = 4096


def started(
    consumer: Consumer,
    root: records.Span,
    span_id: bytes,
    find: Find,
    link_limit: int | None,
    *,
    own_headers: bool,
) -> records.Span:
    """The span, a child of `root`, with at most `link_limit` links and the others counted.

    `find` looks for a context in a message's headers; `own_headers` is whether the X-Ray header
    that AWS adds to a message is read, which is in no propagator's carrier.
    """
    span = records.Span(
        consumer.name[:_NAME_CHARACTERS],
        records.KIND_CONSUMER,
        root.trace_id,
        span_id,
        root.start_unix_ns,
        consumer.attributes,
        root.span_id,
        root.trace_state,
        (root.flags & 0xFF) | records.FLAG_HAS_IS_REMOTE,
    )
    limit = _MAX_LINKS if link_limit is None else min(link_limit, _MAX_LINKS)
    seen: set[tuple[bytes, bytes]] = set()
    try:
        for message_id, context in _contexts(consumer, find, own_headers=own_headers):
            key = (context.trace_id, context.span_id)
            if key in seen:
                continue
            seen.add(key)
            if len(span.links) < limit:
                span.links.append(_link(context, message_id))
    except Exception:  # a message of whatever shape; the links so far, and the span, still stand
        pass
    span.dropped_links = len(seen) - len(span.links)
    return span


def _contexts(
    consumer: Consumer, find: Find, *, own_headers: bool
) -> Iterator[tuple[str, SpanContext]]:
    for message_id, xray_header, carrier in consumer.messages:
        if xray_header and own_headers:
            context = parse_xray(xray_header)
            if context is not None:
                yield message_id, context
        if carrier:
            context = find(carrier)
            if context is not None:
                yield message_id, context


def _link(context: SpanContext, message_id: str) -> records.Link:
    return records.Link(
        context.trace_id,
        context.span_id,
        context.trace_state,
        (context.flags & 0xFF) | records.FLAG_HAS_IS_REMOTE | records.FLAG_IS_REMOTE,
        {"messaging.message.id": message_id} if message_id else None,
    )


def mark_failed(span: records.Span, failed_messages: int) -> None:
    """Count what the response gave back; the invocation itself has not failed."""
    count = span.attributes.get("messaging.batch.message_count")
    total = count if isinstance(count, int) else 0
    if failed_messages == ALL_MESSAGES:
        error_type = "invalid_batch_response"
        message = "batchItemFailures is not valid, so Lambda gives back the whole batch"
        failed_messages = total
    else:
        error_type = "partial_batch_failure"
        message = f"{failed_messages} of {total} messages failed"
    span.attributes[FAILURE_COUNT] = failed_messages
    span.attributes["error.type"] = error_type
    span.status_code = records.STATUS_ERROR
    span.status_message = message
