"""Calls of AWS, at the endpoint that AWS_ENDPOINT_URL names."""

import sys

import boto3

sqs = boto3.client("sqs")
sns = boto3.client("sns")


def lists_queues(event, context):
    return sqs.list_queues()["ResponseMetadata"]["HTTPStatusCode"]


def sends(event, context):
    """What a consumer of the queue will find."""
    queue = sqs.create_queue(QueueName="tea")["QueueUrl"]
    given = event.get("attributes", {})
    sqs.send_message(QueueUrl=queue, MessageBody=event["body"], MessageAttributes=given)
    found = sqs.receive_message(
        QueueUrl=queue, MessageAttributeNames=["All"], AttributeNames=["All"]
    )
    (message,) = found["Messages"]
    return {
        "body": message["Body"],
        "attributes": {
            name: value["StringValue"] for name, value in message["MessageAttributes"].items()
        },
        "given": given,
    }


def publishes(event, context):
    topic = sns.create_topic(Name="tea")["TopicArn"]
    return sns.publish(TopicArn=topic, Message="pot")["ResponseMetadata"]["HTTPStatusCode"]


def asks_for_nothing(event, context):
    queue = f"{sqs.meta.endpoint_url}/123456789012/none"
    try:
        sqs.receive_message(QueueUrl=queue)
    except sqs.exceptions.QueueDoesNotExist as error:
        return [type(error).__name__, error.response["Error"]["Code"]]


def looks(event, context):
    names = ("opentelemetry", "opentelemetry.sdk", "wrapt", "packaging")
    return [name for name in names if name in sys.modules]
