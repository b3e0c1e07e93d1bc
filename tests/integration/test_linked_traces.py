"""From one function through AWS's queues to the next: one linked trace.

What moto has in a queue is given to the receiver as Lambda's event source mapping would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3  # type: ignore[import-untyped] # it has no types
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.emulator import FUNCTIONS
from tests.integration.local_function import Run, Traced, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

AWS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
REGION = "us-east-1"


class Cloud:
    """AWS as moto has it, and functions in it."""

    def __init__(self, layer: Path, python: str, endpoint: str) -> None:
        self._layer, self._python, self._endpoint = layer, python, endpoint
        self.sqs, self.sns, self.events = (
            boto3.client(
                name,
                endpoint_url=endpoint,
                region_name=REGION,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
            for name in ("sqs", "sns", "events")
        )
        self.queue = self.sqs.create_queue(QueueName=f"orders-{uuid4().hex}")["QueueUrl"]
        self.queue_arn = self.sqs.get_queue_attributes(
            QueueUrl=self.queue, AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]

    def invoke(self, handler: str, event: object) -> Run:
        return run(
            f"senders.{handler}",
            FUNCTIONS / "clients",
            event,
            layer=self._layer,
            python=self._python,
            environ={
                **AWS,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_REGION": REGION,
                "AWS_ENDPOINT_URL": self._endpoint,
            },
        )

    def topic(self, *, raw: bool) -> str:
        arn: str = self.sns.create_topic(Name=f"orders-{uuid4().hex}")["TopicArn"]
        self.sns.subscribe(
            TopicArn=arn,
            Protocol="sqs",
            Endpoint=self.queue_arn,
            Attributes={"RawMessageDelivery": "true" if raw else "false"},
        )
        return arn

    def rule(self) -> None:
        name = f"orders-{uuid4().hex}"
        self.events.put_rule(Name=name, EventPattern='{"source": ["shop.orders"]}')
        self.events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": self.queue_arn}])

    def received(self) -> dict[str, Any]:
        """The event of the event source mapping for what waits in the queue."""
        found = self.sqs.receive_message(
            QueueUrl=self.queue,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            AttributeNames=["All"],
        )
        return {"Records": [self._record(message) for message in found["Messages"]]}

    def _record(self, message: Any) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: {
                    "stringValue": value["StringValue"],
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": value["DataType"],
                }
                for name, value in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.queue_arn,
            "awsRegion": REGION,
        }


@pytest.fixture
def cloud(layer_zip: Path, clients_python: str, aws_endpoint: str) -> Cloud:
    return Cloud(layer_zip, clients_python, aws_endpoint)


def consumer_of(outcome: Run) -> Traced:
    """The batch's span, a child of its invocation's."""
    (invocation,) = outcome.invocations()
    (consumer,) = outcome.children()
    assert consumer.span.kind == Span.SPAN_KIND_CONSUMER
    assert consumer.is_child_of(invocation)
    assert consumer.name == invocation.name
    return consumer


def links(consumer: Traced) -> list[tuple[bytes, bytes]]:
    return [(link.trace_id, link.span_id) for link in consumer.span.links]


def sender(outcome: Run, name: str) -> tuple[bytes, bytes]:
    """The one call of that name, in the trace of the invocation."""
    (invocation,) = outcome.invocations()
    (call,) = (span for span in outcome.children() if span.name == name)
    assert call.is_child_of(invocation)
    return call.span.trace_id, call.span.span_id


def test_a_message_in_a_queue(cloud: Cloud) -> None:
    sent = cloud.invoke("sends", {"queue": cloud.queue})
    received = cloud.invoke("receives", cloud.received())
    assert received.ours == []
    assert links(consumer_of(received)) == [sender(sent, "SQS.SendMessage")]


def test_a_batch_of_which_a_part_fails(cloud: Cloud) -> None:
    sent = cloud.invoke("sends_batch", {"queue": cloud.queue})
    event = cloud.received()
    assert len(event["Records"]) == 3
    failed = [{"itemIdentifier": event["Records"][0]["messageId"]}]
    consumer = consumer_of(cloud.invoke("receives", {**event, "failures": failed}))
    assert links(consumer) == [sender(sent, "SQS.SendMessageBatch")]  # one call, one context
    assert consumer.attributes["messaging.batch.message_count"] == 3
    assert consumer.attributes["error.type"] == "partial_batch_failure"


@pytest.mark.parametrize("raw", [False, True])
def test_a_notification_in_a_queue(cloud: Cloud, raw: bool) -> None:
    sent = cloud.invoke("publishes", {"topic": cloud.topic(raw=raw)})
    event = cloud.received()
    (record,) = event["Records"]
    assert (record["body"] == "tea") is raw
    ((trace_id, span_id),) = links(consumer_of(cloud.invoke("receives", event)))
    (invocation,) = sent.invocations()
    (publish,) = sent.children()
    assert publish.is_child_of(invocation)
    assert (trace_id, span_id) == (publish.span.trace_id, publish.span.span_id)


def test_an_event_of_a_bus_in_a_queue(cloud: Cloud) -> None:
    cloud.rule()
    sent = cloud.invoke("puts_event", {})
    received = consumer_of(cloud.invoke("receives", cloud.received()))
    (invocation,) = sent.invocations()
    # The detail was made before the call: its context is the invocation's.
    assert links(received) == [(invocation.span.trace_id, invocation.span.span_id)]
