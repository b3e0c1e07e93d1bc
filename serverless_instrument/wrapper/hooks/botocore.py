"""botocore: AWS calls as spans, with their trace context propagated.

The instrumentation sets the X-Ray header on every request. This module adds what it leaves out: SQS
and SNS messages get W3C headers as message attributes where there is room, EventBridge entries
their trace header, Lambda invocations a client context. It also keeps the instrumentation from
changing the user's payload.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from json import dumps, loads
from typing import TYPE_CHECKING, Any

from serverless_instrument.wrapper.records import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from opentelemetry.trace import Span

    Parameters = dict[str, Any]

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
_MAX_ATTRIBUTES = 10
# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (X-Amz-Client-Context)
_MAX_CLIENT_CONTEXT_BYTES = 3583


def hook(module: ModuleType, load: Callable[..., None]) -> None:  # noqa: ARG001 - as other hooks
    """`module` is botocore.client."""
    load(request_hook=on_request, response_hook=on_response)


def on_request(span: Span, service: str, operation: str, parameters: Parameters) -> None:  # noqa: ARG001 - the instrumentation's signature
    """Before a call: put the current context into its parameters; never raises."""
    inject = _INJECTORS.get((service, operation))
    if inject is None:
        return
    try:
        inject(parameters)
    except Exception as error:  # botocore rejects a parameter that is not as documented
        if not is_ours(error):
            raise
        return


def on_response(span: Span, service: str, operation: str, result: object) -> None:  # noqa: ARG001 - as above
    """After a call: set the status code under its stable name."""
    metadata = result.get("ResponseMetadata") if isinstance(result, dict) else None
    if isinstance(metadata, dict) and isinstance(metadata.get("HTTPStatusCode"), int):
        span.set_attribute("http.response.status_code", metadata["HTTPStatusCode"])


def preserve_lambda_payload(lambda_extension: ModuleType) -> None:
    """Keep the instrumentation from writing headers into the payload of ``Lambda.Invoke``.

    It turns bytes into text, and fails on payloads that are no JSON objects.
    """
    lambda_extension._OpInvoke._inject_current_span = staticmethod(lambda call_context: None)  # noqa: ARG005 - replaces one with that argument


def preserve_sns_entries(sns_extension: ModuleType) -> None:
    """Keep the instrumentation from writing headers into the caller's own dicts."""
    sns_extension._OpPublish._inject_span_into_entry = staticmethod(lambda entry: None)  # noqa: ARG005 - as above


def _headers() -> dict[str, str]:
    from opentelemetry.baggage import get_all
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    from serverless_instrument.wrapper.records.propagation import format_baggage

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    # The API's own propagator writes a space as "+", which other implementations read as a plus.
    baggage = format_baggage({key: str(value) for key, value in get_all().items()})
    return {**headers, "baggage": baggage} if baggage else headers


def _with_attributes(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Message attributes with our headers where there is room; the user's are never displaced."""
    attributes = dict(given or {})
    for name, value in _headers().items():
        if name not in attributes and len(attributes) < _MAX_ATTRIBUTES:
            attributes[name] = {"DataType": "String", "StringValue": value}
    return attributes


def _inject_message(parameters: Parameters) -> None:
    parameters["MessageAttributes"] = _with_attributes(parameters.get("MessageAttributes"))


def _inject_entries(name: str) -> Callable[[Parameters], None]:
    def inject(parameters: Parameters) -> None:
        parameters[name] = [
            {**entry, "MessageAttributes": _with_attributes(entry.get("MessageAttributes"))}
            for entry in parameters[name]
        ]

    return inject


def _inject_events(parameters: Parameters) -> None:
    from serverless_instrument.wrapper.otel.propagators import composite_propagator

    headers: dict[str, str] = {}
    composite_propagator(("xray",), lambda _: None).inject(headers)
    header = headers.get("X-Amzn-Trace-Id")
    if header:
        parameters["Entries"] = [
            {"TraceHeader": header, **entry} for entry in parameters["Entries"]
        ]


def _inject_client_context(parameters: Parameters) -> None:
    given = parameters.get("ClientContext")
    context = loads(b64decode(given)) if given else {}
    if not isinstance(context, dict) or "w3c" in context:
        return
    headers = _headers()
    # awslambdaric 4.2 reads "w3c"; older runtimes pass "custom" on to the handler's context.
    custom = context.get("custom") or {}
    context = {**context, "custom": {**headers, **custom}, "w3c": headers}
    encoded = b64encode(dumps(context).encode()).decode()
    if len(encoded) <= _MAX_CLIENT_CONTEXT_BYTES:
        parameters["ClientContext"] = encoded


_INJECTORS: Mapping[tuple[str, str], Callable[[Parameters], None]] = {
    ("sqs", "SendMessage"): _inject_message,
    ("sqs", "SendMessageBatch"): _inject_entries("Entries"),
    ("sns", "Publish"): _inject_message,
    ("sns", "PublishBatch"): _inject_entries("PublishBatchRequestEntries"),
    ("events", "PutEvents"): _inject_events,
    ("lambda", "Invoke"): _inject_client_context,
}
