"""Messages on their way to a queue named by the event, at the endpoint AWS_ENDPOINT_URL names."""

import json

import boto3

sqs = boto3.client("sqs")
sns = boto3.client("sns")
events = boto3.client("events")


def sends(event, context):
    sqs.send_message(QueueUrl=event["queue"], MessageBody="tea")


def sends_batch(event, context):
    entries = [{"Id": str(number), "MessageBody": "tea"} for number in range(3)]
    sqs.send_message_batch(QueueUrl=event["queue"], Entries=entries)


def publishes(event, context):
    sns.publish(TopicArn=event["topic"], Message="tea")


def puts_event(event, context):
    """EventBridge has no headers: the publisher puts its context into the detail."""
    from opentelemetry.propagate import inject

    detail = {"order": 7}
    inject(detail)
    entry = {"Source": "shop.orders", "DetailType": "Order Placed", "Detail": json.dumps(detail)}
    events.put_events(Entries=[entry])


def receives(event, context):
    return {"batchItemFailures": event.get("failures", [])}
