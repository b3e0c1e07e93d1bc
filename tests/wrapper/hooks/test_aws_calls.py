"""boto3 against a real endpoint: one span for each call, and its context in the request."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.wrapper.program import Outcome, children, run

CLIENT = 3


@pytest.fixture
def endpoint(aws_endpoint: str) -> str:
    return aws_endpoint


def call(endpoint: str, *body: str, disabled: str = "") -> Outcome:
    """Run the parts of `body`, where ``client(name)`` makes a client for the endpoint."""
    source = f"""
        import boto3
        from botocore.config import Config
        def client(name):
            config = Config(retries={{"max_attempts": 0}})
            return boto3.client(name, endpoint_url={endpoint!r}, config=config)
    """
    return run((source, *body), OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled)


LIST_QUEUES = """
    sqs = client("sqs")
    def handler(event, context):
        return sqs.list_queues()["ResponseMetadata"]["HTTPStatusCode"]
"""


@pytest.mark.parametrize("line", ["", "import opentelemetry.sdk.trace"])
def test_one_client_span_and_no_http_span_under_it(endpoint: str, line: str) -> None:
    outcome = call(endpoint, line, LIST_QUEUES)
    assert outcome.result == 200
    assert children(outcome, outcome.invocation) == ["SQS.ListQueues"]
    (sent,) = outcome.spans
    assert sent.span.kind == CLIENT
    assert (
        sent.attributes.items()
        >= {
            "rpc.system": "aws-api",
            "rpc.method": "ListQueues",
            "cloud.region": "eu-central-1",
            "http.response.status_code": 200,
        }.items()
    )
    assert sent.attributes["aws.request_id"]


def test_the_sdk_is_not_imported_for_it(endpoint: str) -> None:
    outcome = call(
        endpoint,
        """
        import sys
        sqs = client("sqs")
        def handler(event, context):
            sqs.list_queues()
            heavy = ("opentelemetry.sdk",)
            return [name for name in heavy if name in sys.modules]
        """,
    )
    assert outcome.result == []


def test_an_error_of_the_service(endpoint: str) -> None:
    outcome = call(
        endpoint,
        """
        sqs = client("sqs")
        def handler(event, context):
            return sqs.get_queue_url(QueueName="missing")
        """,
    )
    assert "QueueDoesNotExist" in str(outcome.result)
    (sent,) = outcome.spans
    assert sent.span.status.code == 2
    assert sent.attributes["http.response.status_code"] == 400


def test_an_endpoint_that_is_not_there() -> None:
    outcome = call("http://127.0.0.1:9", LIST_QUEUES)
    assert "EndpointConnectionError" in str(outcome.result)
    (sent,) = outcome.spans
    assert (sent.span.name, sent.span.status.code) == ("SQS.ListQueues", 2)
    assert [event.name for event in sent.span.events] == ["exception"]


def test_disabled_by_name(endpoint: str) -> None:
    outcome = call(endpoint, LIST_QUEUES, disabled="botocore,urllib3")
    assert (outcome.result, outcome.spans) == (200, [])


def test_the_functions_own_instrumentors_after_boto3(endpoint: str) -> None:
    outcome = call(
        endpoint,
        """
        sqs = client("sqs")
        def note(span, service, operation, parameters):
            span.set_attribute("noted", operation)
        from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
        from opentelemetry.instrumentation.requests import RequestsInstrumentor
        BotocoreInstrumentor().instrument(request_hook=note)
        RequestsInstrumentor().instrument()
        queue = sqs.create_queue(QueueName="own-instrumentor")["QueueUrl"]
        def handler(event, context):
            sqs.send_message(QueueUrl=queue, MessageBody="b")
            (message,) = sqs.receive_message(
                QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
            return list(message["MessageAttributes"])
        """,
    )
    assert outcome.result == ["traceparent"]
    assert [sent.attributes["noted"] for sent in outcome.spans] == [
        "CreateQueue",
        "SendMessage",
        "ReceiveMessage",
    ]


RECEIVE = """
    def received(queue):
        messages = sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"],
            AttributeNames=["All"],
        )["Messages"]
        return {
            message["Body"]: {
                name: value["StringValue"]
                for name, value in message.get("MessageAttributes", {}).items()
            }
            for message in messages
        }
"""


def traceparent(outcome: Outcome, name: str) -> str:
    span = outcome.named(name).span
    return f"00-{span.trace_id.hex()}-{span.span_id.hex()}-03"


def test_sqs_messages_carry_the_context(endpoint: str) -> None:
    outcome = call(
        endpoint,
        """
        from opentelemetry import baggage, context as context_api
        sqs = client("sqs")
        """,
        RECEIVE,
        """
        def text(value):
            return {"DataType": "String", "StringValue": value}
        queue = sqs.create_queue(QueueName="carry")["QueueUrl"]
        def handler(event, context):
            own = {"traceparent": text("the user's own"), "a": text("1")}
            nine = {f"n{n}": text("x") for n in range(9)}
            ten = {f"n{n}": text("x") for n in range(10)}
            given = [own, nine, ten]
            before = repr(given)
            token = context_api.attach(baggage.set_baggage("tenant", "a b"))
            sqs.send_message(QueueUrl=queue, MessageBody="plain")
            for body, attributes in zip(("own", "nine", "ten"), given):
                sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=attributes)
            context_api.detach(token)
            assert repr(given) == before, given
            return received(queue)
        """,
    )
    found: Any = outcome.result
    sent = [sent for sent in outcome.spans if sent.span.name == "SQS.SendMessage"]
    assert len(sent) == 4
    headers = [f"00-{s.span.trace_id.hex()}-{s.span.span_id.hex()}-03" for s in sent]
    assert found["plain"] == {"traceparent": headers[0], "baggage": "tenant=a%20b"}
    assert found["own"] == {
        "traceparent": "the user's own",
        "a": "1",
        "baggage": "tenant=a%20b",
    }
    # A message has at most ten attributes; the user's are never displaced.
    assert len(found["nine"]) == len(found["ten"]) == 10
    assert found["nine"]["traceparent"] == headers[2]
    assert "traceparent" not in found["ten"]


def test_sqs_batches_carry_the_context_and_the_callers_dicts_stay(endpoint: str) -> None:
    outcome = call(
        endpoint,
        """
        sqs = client("sqs")
        """,
        RECEIVE,
        """
        queue = sqs.create_queue(QueueName="batch")["QueueUrl"]
        def handler(event, context):
            entries = [{"Id": str(n), "MessageBody": f"body {n}"} for n in range(3)]
            before = repr(entries)
            sqs.send_message_batch(QueueUrl=queue, Entries=entries)
            assert repr(entries) == before, entries
            return received(queue)
        """,
    )
    found: Any = outcome.result
    expected = traceparent(outcome, "SQS.SendMessageBatch")
    assert found == {f"body {n}": {"traceparent": expected} for n in range(3)}


def test_sns_messages_carry_the_context(endpoint: str) -> None:
    outcome = call(
        endpoint,
        """
        import json
        sqs, sns = client("sqs"), client("sns")
        """,
        RECEIVE,
        """
        queue = sqs.create_queue(QueueName="from-sns")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        topic = sns.create_topic(Name="topic")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
        def handler(event, context):
            given = {"a": {"DataType": "String", "StringValue": "1"}}
            entries = [{"Id": "1", "Message": "in a batch"}]
            before = repr([given, entries])
            sns.publish(TopicArn=topic, Message="alone", MessageAttributes=given)
            sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
            assert repr([given, entries]) == before, (given, entries)
            bodies = [json.loads(body) for body in received(queue)]
            return {
                body["Message"]: {
                    name: value["Value"] for name, value in body["MessageAttributes"].items()
                }
                for body in bodies
            }
        """,
    )
    found: Any = outcome.result
    alone = next(s for s in outcome.spans if s.attributes.get("rpc.method") == "Publish")
    batch = next(s for s in outcome.spans if s.attributes.get("rpc.method") == "PublishBatch")
    assert found["alone"] == {"a": "1", "traceparent": header(alone.span)}
    assert found["in a batch"] == {"traceparent": header(batch.span)}


def header(span: Any) -> str:
    return f"00-{span.trace_id.hex()}-{span.span_id.hex()}-03"


# The request itself is read, as the endpoint does not return it.
SEEN = """
    seen = []
    def note(request, **_):
        seen.append((dict(request.headers), request.body))
    def watched(name):
        made = client(name)
        made.meta.events.register("before-send", note)
        return made
    def text(value):
        return value.decode() if isinstance(value, bytes) else value
"""


def test_every_request_has_the_x_ray_header(endpoint: str) -> None:
    outcome = call(
        endpoint,
        SEEN,
        """
    sqs = watched("sqs")
    def handler(event, context):
        sqs.list_queues()
        return text(seen[0][0]["X-Amzn-Trace-Id"])
        """,
    )
    span = outcome.named("SQS.ListQueues").span
    trace_id = span.trace_id.hex()
    assert outcome.result == (
        f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={span.span_id.hex()};Sampled=1"
    )


def test_events_carry_the_x_ray_header(endpoint: str) -> None:
    outcome = call(
        endpoint,
        SEEN,
        """
    import json
    events = watched("events")
    def handler(event, context):
        entries = [
            {"Source": "a", "DetailType": "b", "Detail": "{}"},
            {"Source": "a", "DetailType": "b", "Detail": "{}", "TraceHeader": "Root=1-own"},
        ]
        before = repr(entries)
        events.put_events(Entries=entries)
        assert repr(entries) == before, entries
        return json.loads(seen[0][1])["Entries"]
        """,
    )
    found: Any = outcome.result
    span = next(s.span for s in outcome.spans if s.attributes["rpc.method"] == "PutEvents")
    assert found[0]["TraceHeader"].endswith(f"Parent={span.span_id.hex()};Sampled=1")
    assert found[1]["TraceHeader"] == "Root=1-own"
    assert found[0]["Detail"] == "{}"


INVOKE = (
    SEEN,
    """
    import base64, botocore.exceptions
    functions = watched("lambda")
    def invoked(**parameters):
        seen.clear()
        try:
            functions.invoke(FunctionName="f", **parameters)
        except botocore.exceptions.ClientError:
            pass  # the endpoint has no such function; only the request matters
        headers, body = seen[0]
        context = headers.get("X-Amz-Client-Context")
        return {
            "context": text(context),
            "body": base64.b64encode(bytes(body or b"")).decode(),
        }
""",
)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a":  1, "headers": {}}',
        b"[1,2]",
        b'"text"',
        b"",
        b"\x00\xff no json",
        b'{"b":"\xc3\xa4"}',
    ],
)
def test_the_payload_of_an_invocation_stays_as_it_is(endpoint: str, payload: bytes) -> None:
    outcome = call(
        endpoint,
        *INVOKE,
        f"""
    def handler(event, context):
        return invoked(Payload={payload!r})
        """,
    )
    found: Any = outcome.result
    assert base64.b64decode(found["body"]) == payload


def decoded(sent: Any) -> object:
    return json.loads(base64.b64decode(sent["context"]))


def test_an_invocation_carries_the_context_beside_its_payload(endpoint: str) -> None:
    own = base64.b64encode(json.dumps({"custom": {"k": "v"}, "env": {"e": 1}}).encode()).decode()
    theirs = base64.b64encode(b'{"w3c": {"traceparent": "own"}}').decode()
    huge = base64.b64encode(json.dumps({"custom": {"k": "v" * 2600}}).encode()).decode()
    outcome = call(
        endpoint,
        *INVOKE,
        f"""
    def handler(event, context):
        return [
            invoked(),
            invoked(ClientContext={own!r}),
            invoked(ClientContext={theirs!r}),
            invoked(ClientContext={huge!r}),
            invoked(ClientContext={"bm8ganNvbg=="!r}),
        ]
        """,
    )
    found: Any = outcome.result
    headers = [header(sent.span) for sent in outcome.spans]
    assert len(headers) == 5
    first = {"traceparent": headers[0]}
    assert decoded(found[0]) == {"custom": first, "w3c": first}
    second = {"traceparent": headers[1]}
    assert decoded(found[1]) == {
        "custom": {"k": "v", **second},
        "env": {"e": 1},
        "w3c": second,
    }
    # A context of the user's own, one over the limit, and one that is no JSON.
    assert [each["context"] for each in found[2:]] == [theirs, huge, "bm8ganNvbg=="]
    assert outcome.spans[0].attributes["faas.invoked_name"] == "f"
