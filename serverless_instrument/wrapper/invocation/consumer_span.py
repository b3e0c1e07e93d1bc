"""The CONSUMER span of a batch: a child of the invocation's, with a link for each context. Pure.

https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/#sqs-event
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/#batch-receiving
"""

from __future__ import annotations

from serverless_instrument.wrapper.events.base import ALL_MESSAGES
from serverless_instrument.wrapper.records import encoder, is_ours, records
from serverless_instrument.wrapper.records.propagation import extract, parse_xray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from serverless_instrument.wrapper.events.base import Consumer
    from serverless_instrument.wrapper.invocation.invocation_start import ExtractForeign
    from serverless_instrument.wrapper.records.propagation import SpanContext
    from serverless_instrument.wrapper.settings import Settings

    Find = Callable[[Mapping[str, str]], SpanContext | None]

# No semantic convention has an attribute for this number.
FAILURE_COUNT = "aws.lambda.batch_item_failures.count"
# The link limit where the user has switched it off: a batch has at most 10,000 records
# (https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html), and their links
# must fit one frame.
_MAX_LINKS = 10_000
# A batch is read up to the link limit, since a message takes 13 µs; so many are read in any case.
_LEAST_READ = 128
_NAME_CHARACTERS = 4096


def start_consumer_span(
    consumer: Consumer,
    root: records.Span,
    settings: Settings,
    random_bytes: Callable[[int], bytes],
    extract_foreign: ExtractForeign | None,
) -> records.Span:
    """The CONSUMER span of a batch, without an end.

    Args:
        consumer: the batch.
        root: the invocation's span, its parent.
        settings: has the propagators and the link limit; further links are counted as dropped.
        random_bytes: source of ids, like `os.urandom`.
        extract_foreign: finds a message's context where a propagator is not one of ours.
    """

    def find(carrier: Mapping[str, str]) -> SpanContext | None:
        found = extract(carrier, settings.propagators, None, ignore_xray_decision=False)
        if found is None and settings.needs_sdk and extract_foreign is not None:
            return extract_foreign(carrier)
        return found

    span = records.Span(
        encoder.cut_unlimited(consumer.name, _NAME_CHARACTERS),
        records.KIND_CONSUMER,
        root.trace_id,
        random_bytes(8),
        root.start_unix_ns,
        consumer.attributes,
        root.span_id,
        root.trace_state,
        (root.flags & 0xFF) | records.FLAG_HAS_IS_REMOTE,
    )
    # The X-Ray header that AWS adds to a message is read whatever propagators are named, but not
    # with "none", which leaves none.
    limit = settings.limits.link_count
    limit = _MAX_LINKS if limit is None else min(limit, _MAX_LINKS)
    read_count = max(limit, _LEAST_READ)
    contexts = _contexts(consumer, read_count, find, own_headers=bool(settings.propagators))
    _add_links(span, contexts, limit)
    # The messages that are not read are taken for ones with a context if any read had one.
    if (span.links or span.dropped_links) and consumer.message_count > read_count:
        span.dropped_links += consumer.message_count - read_count
    return span


def _add_links(span: records.Span, contexts: Iterator[tuple[str, SpanContext]], limit: int) -> None:
    """Add at most `limit` links, one for each different span, and count the others as dropped."""
    seen: set[tuple[bytes, bytes]] = set()
    try:
        for message_id, context in contexts:
            key = (context.trace_id, context.span_id)
            if key in seen:
                continue
            seen.add(key)
            if len(span.links) < limit:
                span.links.append(_link(context, message_id))
    except (
        Exception
    ) as error:  # of a message of an unexpected shape: the span keeps the links so far
        if not is_ours(error):
            raise
    span.dropped_links = len(seen) - len(span.links)


def _contexts(
    consumer: Consumer, read_count: int, find: Find, *, own_headers: bool
) -> Iterator[tuple[str, SpanContext]]:
    """(message id, context) of each context of the first messages, of AWS and of their headers."""
    for _, (message_id, xray_header, carrier) in zip(  # noqa: B905 - up to the shorter
        range(read_count), consumer.messages
    ):
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
    """Set error and number of the messages that failed; the invocation's span is no error."""
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
