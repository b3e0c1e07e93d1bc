"""One execution environment of AWS's emulator, with the built layer at /opt, from event to span."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import serverless_instrument
from tests.integration.emulator import (
    FUNCTIONS,
    WRAPPER,
    Emulators,
    Value,
    attributes,
    invoke,
    spans,
)
from tests.integration.events import event
from tests.integration.scenario import Environment, Outcome

pytestmark = pytest.mark.integration

APP = FUNCTIONS / "web" / "app.py"
# What the emulator says of the function it runs.
ARN = "arn:aws:lambda:us-east-1:012345678912:function:test_function"


INVOCATIONS = {
    "first": event("http_api_v2"),
    "second": event("http_api_v2"),
    "rest": event("rest_v1"),
    "alb": event("alb_single"),
    "alb, multi-value": event("alb_multi"),
    "function url": event("function_url"),
    "direct": {"greeting": "grüß Gott"},
    "503": event("http_api_v2", status=503),
    "404": event("http_api_v2", status=404),
    "raises": event("http_api_v2", **{"raise": "tea"}),
    "after the exception": event("http_api_v2"),
}


@dataclass(frozen=True)
class Run:
    """The outcome, with each invocation's span and answer under the invocation's name."""

    outcome: Outcome
    spans: dict[str, Span]
    answers: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def run(emulators: Emulators) -> Run:
    environment = Environment(
        handler="app.handler",
        task_root=str(APP.parent),
        opt=str(emulators.layer.full),
        steps=tuple(invoke(payload) for payload in INVOCATIONS.values()),
        environ={"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER, "AWS_REGION": "eu-central-1"},
    )
    (outcome,) = emulators.run(environment)
    found = [span for _, _, span in spans(outcome.exports)]
    assert len(found) == len(INVOCATIONS), outcome.emulator_log
    answers = [json.loads(answer.body) for answer in outcome.answers]
    return Run(
        outcome,
        dict(zip(INVOCATIONS, found, strict=True)),
        dict(zip(INVOCATIONS, answers, strict=True)),
    )


def seen(run: Run, name: str) -> dict[str, Any]:
    """What the handler saw in the invocation `name`."""
    document: dict[str, Any] = json.loads(run.answers[name]["body"])
    return document


def of_the_invocation(run: Run, name: str, *, trigger: str, coldstart: bool) -> dict[str, Value]:
    return {
        "faas.trigger": trigger,
        "faas.coldstart": coldstart,
        "faas.invocation_id": seen(run, name)["request_id"],
        "aws.lambda.invoked_arn": ARN,
        "cloud.account.id": "012345678912",
        "cloud.resource_id": ARN,
    }


def test_http_api_request_is_one_server_span_of_the_callers_trace(run: Run) -> None:
    span = run.spans["first"]
    assert (span.name, span.kind) == ("GET /items/{id}", Span.SPAN_KIND_SERVER)
    assert span.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert span.parent_span_id.hex() == "00f067aa0ba902b7"
    assert span.trace_state == "vendor=opaque"
    assert span.flags == 0x301  # sampled; the parent is known to be remote
    assert len(span.span_id) == 8
    assert span.status == Status()
    assert 0 < span.start_time_unix_nano < span.end_time_unix_nano
    assert not span.events
    assert not span.links


def test_http_api_request_has_todays_attributes(run: Run) -> None:
    assert attributes(run.spans["first"].attributes) == {
        **of_the_invocation(run, "first", trigger="http", coldstart=True),
        "http.request.method": "GET",
        "http.route": "/items/{id}",
        "http.response.status_code": 200,
        "url.path": "/items/tea-4711",
        "url.query": "colour=dark%20red&size=2",
        "url.scheme": "https",
        "client.address": "203.0.113.7",
        "user_agent.original": "curl/8.5.0",
        "server.address": "shop.example.com",
        "server.port": 443,
        "network.protocol.version": "1.1",
    }


def test_resource_describes_the_function(run: Run) -> None:
    ((resource, scope),) = {
        (resource.SerializeToString(), scope.SerializeToString()): (resource, scope)
        for resource, scope, _ in spans(run.outcome.exports)
    }.values()
    assert attributes(resource.attributes) == {
        "service.name": "test_function",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "serverless_instrument",
        "telemetry.sdk.version": serverless_instrument.__version__,
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.region": "eu-central-1",
        "faas.name": "test_function",
        "faas.version": "$LATEST",
        "faas.instance": "$LATEST",
        "faas.max_memory": 3008 * 1_048_576,
        "aws.log.group.names": ["/aws/lambda/Functions"],
        "aws.log.stream.names": ["$LATEST"],
    }
    assert (scope.name, scope.version) == (
        "serverless_instrument",
        serverless_instrument.__version__,
    )


def test_only_the_first_invocation_is_a_cold_start(run: Run) -> None:
    found = [attributes(span.attributes)["faas.coldstart"] for span in run.spans.values()]
    assert found == [True] + [False] * (len(INVOCATIONS) - 1)


def test_span_ids_are_all_different(run: Run) -> None:
    assert len({span.span_id for span in run.spans.values()}) == len(INVOCATIONS)


def test_rest_request(run: Run) -> None:
    span = run.spans["rest"]
    assert (span.name, span.kind) == ("POST /items/{id}", Span.SPAN_KIND_SERVER)
    assert not span.parent_span_id
    assert attributes(span.attributes) == {
        **of_the_invocation(run, "rest", trigger="http", coldstart=False),
        "http.request.method": "POST",
        "http.route": "/items/{id}",
        "http.response.status_code": 200,
        "url.path": "/prod/items/pot 0815",
        "url.query": "tag=a%26b&tag=b%20c&sig=REDACTED",
        "url.scheme": "https",
        "client.address": "198.51.100.23",
        "user_agent.original": "okhttp/4.12",
        "server.address": "api.example.com",
        "server.port": 443,
        "network.protocol.version": "1.1",
    }


def test_load_balancer_request(run: Run) -> None:
    span = run.spans["alb"]
    assert (span.name, span.kind) == ("GET", Span.SPAN_KIND_SERVER)
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    assert attributes(span.attributes) == {
        **of_the_invocation(run, "alb", trigger="http", coldstart=False),
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.path": "/items",
        "url.query": "q=green%20tea",
        "url.scheme": "http",
        "client.address": "192.0.2.44",
        "user_agent.original": "ELB-HealthChecker/2.0",
        "server.address": "lb.example.com",
        "server.port": 8443,
    }


def test_load_balancer_request_with_multi_value_headers(run: Run) -> None:
    span = run.spans["alb, multi-value"]
    assert span.name == "HTTP"  # PURGE is no known method
    assert span.parent_span_id.hex() == "b7ad6b7169203332"
    assert attributes(span.attributes) == {
        **of_the_invocation(run, "alb, multi-value", trigger="http", coldstart=False),
        "http.request.method": "_OTHER",
        "http.request.method_original": "PURGE",
        "http.response.status_code": 200,
        "url.path": "/items",
        "url.query": "q=green%20tea&q=pot",
        "url.scheme": "http",
        "client.address": "2001:db8::5",
        "user_agent.original": "varnish",
        "server.address": "lb.example.com",
        "server.port": 80,
    }


def test_function_url_request(run: Run) -> None:
    span = run.spans["function url"]
    assert span.name == "PUT"  # $default names no route
    # Sampled=0 says that X-Ray is off, not that this backend wants nothing.
    assert span.trace_id.hex() == "67891233abcdef012345678912345678"
    assert span.parent_span_id.hex() == "53995c3f42cd8ad8"
    assert attributes(span.attributes) == {
        **of_the_invocation(run, "function url", trigger="http", coldstart=False),
        "http.request.method": "PUT",
        "http.response.status_code": 200,
        "url.path": "/items/cup-0002",
        "url.scheme": "https",
        "client.address": "203.0.113.99",
        "user_agent.original": "Mozilla/5.0",
        "server.address": "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws",
        "server.port": 443,
        "network.protocol.version": "1.1",
    }


def test_direct_invocation(run: Run) -> None:
    span = run.spans["direct"]
    assert (span.name, span.kind) == ("test_function", Span.SPAN_KIND_SERVER)
    assert not span.parent_span_id
    assert span.flags == 0x103  # sampled, of a random trace id; there is no parent
    assert attributes(span.attributes) == of_the_invocation(
        run, "direct", trigger="other", coldstart=False
    )


def test_server_error_marks_the_span(run: Run) -> None:
    span = run.spans["503"]
    assert span.status.code == Status.STATUS_CODE_ERROR
    found = attributes(span.attributes)
    assert found["error.type"] == "503"
    assert found["http.response.status_code"] == 503


def test_client_error_leaves_the_status_unset(run: Run) -> None:
    span = run.spans["404"]
    assert span.status == Status()
    found = attributes(span.attributes)
    assert found["http.response.status_code"] == 404
    assert "error.type" not in found


def test_exception_marks_the_span_and_is_its_event(run: Run) -> None:
    span = run.spans["raises"]
    assert span.status == Status(code=Status.STATUS_CODE_ERROR, message="no tea left")
    found = attributes(span.attributes)
    assert found["error.type"] == "app.OutOfStockError"
    assert "http.response.status_code" not in found
    (exception,) = span.events
    assert exception.name == "exception"
    assert span.start_time_unix_nano < exception.time_unix_nano <= span.end_time_unix_nano
    details = attributes(exception.attributes)
    source = APP.read_text().splitlines()
    call = source.index('        find(wanted["raise"])') + 1
    cause = source.index('    raise OutOfStockError(f"no {item} left")') + 1
    # Compared without the markers that newer Pythons put below a line.
    stacktrace = str(details.pop("exception.stacktrace")).splitlines()
    assert [line for line in stacktrace if line.strip(" ^~")] == [
        "Traceback (most recent call last):",
        f'  File "{APP}", line {call}, in handler',
        '    find(wanted["raise"])',
        f'  File "{APP}", line {cause}, in find',
        '    raise OutOfStockError(f"no {item} left")',
        "app.OutOfStockError: no tea left",
    ]
    assert details == {
        "exception.type": "app.OutOfStockError",
        "exception.message": "no tea left",
    }


def test_caller_gets_what_the_handler_returned(run: Run) -> None:
    for name, payload in INVOCATIONS.items():
        if name == "raises":
            assert run.answers[name]["errorMessage"] == "no tea left"
        else:
            assert run.answers[name]["statusCode"] == payload.get("wanted", {}).get("status", 200)
            assert seen(run, name)["event"] == payload


def test_handler_finds_the_environment_as_the_user_set_it(run: Run) -> None:
    for name in INVOCATIONS.keys() - {"raises"}:
        assert seen(run, name)["handler"] == "app.handler"
        assert seen(run, name)["saved_handler"] is None


def test_no_dependency_of_ours_is_imported_unasked(run: Run) -> None:
    assert not seen(run, "after the exception")["opentelemetry"]
    assert not seen(run, "after the exception")["wrapt"]


def test_forwarder_exits_0_at_shutdown(run: Run) -> None:
    assert run.outcome.forwarder_exits == (0,)
    assert run.outcome.emulator_exit == 0


def test_nothing_is_said_when_all_is_well(run: Run) -> None:
    assert run.outcome.stderr == ""
    assert "serverless-instrument:" not in run.outcome.emulator_log


def test_telemetry_leaves_compressed_and_in_protobuf(run: Run) -> None:
    paths = {export.path for export in run.outcome.exports}
    assert paths == {"/v1/traces", "/v1/logs", "/v1/metrics"}
    for export in run.outcome.exports:
        assert export.headers["content-type"] == "application/x-protobuf"
        assert export.headers["content-encoding"] == "gzip"
