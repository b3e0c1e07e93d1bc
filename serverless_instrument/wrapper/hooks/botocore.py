"""botocore: AWS calls as spans, with their trace context propagated.

The instrumentation sets the X-Ray header on every request. This module adds what it leaves out: SQS
and SNS messages get W3C headers as message attributes where there is room, EventBridge entries
their trace header, Lambda invocations a client context. It also keeps the instrumentation from
changing the user's payload.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from serverless_instrument.wrapper.records import is_ours
from serverless_instrument.wrapper.records.primitives import json_dumps as dumps
from serverless_instrument.wrapper.records.primitives import json_loads as loads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from opentelemetry.trace import Span

    Parameters = dict[str, Any]
    Injector = Callable[[Parameters], None]

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


def leave_unused_apis(registry: Any) -> None:
    """Keep `registry` from importing the metrics and logs APIs for services without use for them.

    It makes a meter and a logger for every service; only the Bedrock extension sets up metrics, and
    only it emits events.
    """
    get_metrics, get_logger = registry.get_metrics, registry.get_logger

    def are_used(extension: object) -> bool:
        return any("setup_metrics" in vars(base) for base in type(extension).__mro__[:-2])

    def metrics_of(extension: object) -> object:
        return get_metrics(extension) if are_used(extension) else {}

    def logger_of(extension: object) -> object:
        return get_logger(extension) if are_used(extension) else None

    registry.get_metrics = metrics_of
    registry.get_logger = logger_of


def _headers() -> dict[str, str]:
    from opentelemetry.baggage import get_all
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    from serverless_instrument.wrapper.records.propagation import format_baggage

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    # The API's own propagator writes a space as "+", which other implementations read as a plus.
    baggage = format_baggage({key: str(value) for key, value in get_all().items()})
    return {**headers, "baggage": baggage} if baggage else headers


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
    custom = context.get("custom") or {}
    if any(str(name).lower() == "traceparent" for name in custom):
        return
    # awslambdaric 4.2 reads "w3c"; older runtimes pass "custom" on to the handler's context.
    context = {**context, "custom": {**headers, **custom}, "w3c": headers}
    encoded = b64encode(dumps(context).encode()).decode()
    if len(encoded) <= _MAX_CLIENT_CONTEXT_BYTES:
        parameters["ClientContext"] = encoded


def _inject_attributes(name: str) -> Injector:
    """Function `name` of `message_attributes`, which is imported with the first message."""

    def inject(parameters: Parameters) -> None:
        from serverless_instrument.wrapper.hooks import message_attributes

        getattr(message_attributes, name)(parameters, _headers())

    return inject


_INJECTORS: Mapping[tuple[str, str], Injector] = {
    ("sqs", "SendMessage"): _inject_attributes("add_to_sqs_message"),
    ("sqs", "SendMessageBatch"): _inject_attributes("add_to_sqs_batch"),
    ("sns", "Publish"): _inject_attributes("add_to_sns_message"),
    ("sns", "PublishBatch"): _inject_attributes("add_to_sns_batch"),
    ("events", "PutEvents"): _inject_events,
    ("lambda", "Invoke"): _inject_client_context,
}
