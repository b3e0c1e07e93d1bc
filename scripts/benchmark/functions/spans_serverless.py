from serverless_aws_lambda_sdk import serverlessSdk


def handler(event, context):
    for number in range(100):
        span = serverlessSdk.create_span("work")
        span.tags.update({"number": number})
        span.close()
    return "hello"
