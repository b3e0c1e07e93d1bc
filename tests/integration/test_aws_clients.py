"""boto3 against real endpoints: spans of the calls, and the context they carry onward."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.integration.emulator import FUNCTIONS
from tests.integration.local_function import Run, Traced, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

# With credentials in the environment, nobody is asked for them over the network.
AWS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class Function:
    """The function with boto3's clients, behind the layer or without."""

    def __init__(self, layer: Path, python: str, endpoint: str) -> None:
        self._layer, self._python, self._endpoint = layer, python, endpoint

    def __call__(self, handler: str, *events: object, bare: bool = False, **environ: str) -> Run:
        return run(
            f"aws.{handler}",
            FUNCTIONS / "clients",
            *events,
            layer=None if bare else self._layer,
            python=self._python,
            environ={**AWS, "AWS_ENDPOINT_URL": self._endpoint, **environ},
        )


@pytest.fixture(scope="module")
def function(layer_zip: Path, clients_python: str, aws_endpoint: str) -> Function:
    return Function(layer_zip, clients_python, aws_endpoint)


def children_of(outcome: Run) -> dict[str, Traced]:
    """The invocation's children by their names; there are no other spans."""
    (invocation,) = outcome.invocations()
    found = {span.name: span for span in outcome.children() if span.is_child_of(invocation)}
    assert len(found) == len(outcome.children())
    return found


def test_call_is_one_client_span(function: Function, aws_endpoint: str) -> None:
    outcome = function("lists_queues", {})
    assert outcome.answers == (200,)
    assert outcome.ours == []
    (call,) = children_of(outcome).values()
    assert (call.name, call.span.kind) == ("SQS.ListQueues", Span.SPAN_KIND_CLIENT)
    assert call.span.status == Status()
    found = call.attributes
    assert found["rpc.system"] == "aws-api"
    assert found["rpc.service"] == "SQS"
    assert found["rpc.method"] == "ListQueues"
    assert found["cloud.region"] == "us-east-1"
    assert found["http.response.status_code"] == 200
    assert found["aws.request_id"]
    assert found["server.address"] == "127.0.0.1"
    assert found["server.port"] == int(aws_endpoint.rpartition(":")[2])


def test_every_invocation_has_its_own(function: Function) -> None:
    outcome = function("lists_queues", {}, {}, {})
    invocations, calls = outcome.invocations(), outcome.children()
    assert [span.name for span in calls] == ["SQS.ListQueues"] * 3
    for invocation, call in zip(invocations, calls, strict=True):
        assert call.is_child_of(invocation)


def test_message_carries_the_context_onward(function: Function) -> None:
    outcome = function("sends", {"body": '{"tea": "green"}'})
    spans = children_of(outcome)
    assert set(spans) == {"SQS.CreateQueue", "SQS.SendMessage", "SQS.ReceiveMessage"}
    send = spans["SQS.SendMessage"].span
    (seen,) = outcome.answers
    assert seen["body"] == '{"tea": "green"}'
    assert seen["given"] == {}  # the caller's own dict is not touched
    (name, value), *_ = seen["attributes"].items()
    version, trace_id, span_id, flags = value.split("-")
    assert (name, version, trace_id) == ("traceparent", "00", send.trace_id.hex())
    assert (span_id, int(flags, 16) & 1) == (send.span_id.hex(), 1)


def test_full_message_is_left_alone(function: Function) -> None:
    given = {f"n{number}": {"DataType": "String", "StringValue": "x"} for number in range(10)}
    outcome = function("sends", {"body": "tea", "attributes": given})
    (seen,) = outcome.answers
    assert seen["attributes"] == dict.fromkeys(given, "x")


def test_error_of_the_service_is_the_callers(function: Function) -> None:
    ours, bare = function("asks_for_nothing", {}), function("asks_for_nothing", {}, bare=True)
    assert ours.answers == bare.answers
    assert ours.answers[0][0] == "QueueDoesNotExist"
    (call,) = children_of(ours).values()
    assert call.span.status.code == Status.STATUS_CODE_ERROR


def test_notification_is_a_span(function: Function) -> None:
    outcome = function("publishes", {})
    assert outcome.answers == (200,)
    assert len(children_of(outcome)) == 2


def test_client_alone_does_not_load_the_sdk(function: Function) -> None:
    outcome = function("looks", {})
    assert outcome.answers == (["opentelemetry", "wrapt"],)


def test_botocore_can_be_left_alone(function: Function) -> None:
    outcome = function("lists_queues", {}, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="botocore")
    assert outcome.answers == (200,)
    # The HTTP request below it is what is left to tell.
    (request,) = outcome.children()
    assert (request.name, request.span.kind) == ("POST", Span.SPAN_KIND_CLIENT)
