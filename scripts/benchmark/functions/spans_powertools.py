from aws_lambda_powertools import Tracer

tracer = Tracer()


def handler(event, context):
    for number in range(100):
        with tracer.provider.in_subsegment("work") as segment:
            segment.put_annotation("number", number)
    return "hello"
