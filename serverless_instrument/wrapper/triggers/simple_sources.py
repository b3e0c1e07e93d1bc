"""Event sources whose triggers differ only in the keys they read: one table row each. Pure.

No semantic convention describes these sources, so each row says which keys identify an event, which
of its texts become attributes, and which object may carry trace context. A source that needs more
than that has a file of its own beside this one.
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import payload, source
from serverless_instrument.wrapper.events.base import dictionary, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serverless_instrument.wrapper.events.base import Facts, Json, Outcome

    # By path, keys joined by "/": the type of the value, or the string or boolean that it equals.
    Shape = Mapping[str, object]

# A stream's ARN is shorter; an invented one must not cost the function time.
_ARN_CHARACTERS = 2048
_PROTOCOL_CHARACTERS = 8  # AWS documents SFTP, FTPS, FTP and AS2

_ABSENT = object()
# In a shape: the key exists, whatever its value.
_PRESENT = object()


class SimpleSource:
    """A trigger (`Trigger` in events/base.py) made of one table row.

    Args:
        event_source: value of the `aws.lambda.event_source` attribute.
        shapes: an event that matches one of them is claimed.
        trigger: ``faas.trigger``.
        constants: attributes that are the same for every event.
        attributes: attribute name to the path of its text, or to a function of the event that
            returns the text. Empty texts are left out.
        carrier: path of the object that may carry trace context, "" for none.
    """

    __slots__ = ("_attributes", "_carrier", "_constants", "_event_source", "_shapes", "_trigger")

    def __init__(
        self,
        event_source: str,
        *shapes: Shape,
        trigger: str = "other",
        constants: Mapping[str, str] | None = None,
        attributes: Mapping[str, str | Callable[[Json], str]] | None = None,
        carrier: str = "",
    ) -> None:
        self._event_source = event_source
        self._shapes = shapes
        self._trigger = trigger
        self._constants = constants or {}
        self._attributes = attributes or {}
        self._carrier = carrier

    def infer(self, event: object) -> bool:
        """Whether `event` has one of the shapes."""
        return any(_matches(event, shape) for shape in self._shapes)

    def facts(self, event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG002 - as every trigger's
        """The attributes and the trace context that the row names."""
        attributes: dict[str, object] = dict(self._constants)
        for name, origin in self._attributes.items():
            attributes[name] = (
                text(_value_at(event, origin)) if isinstance(origin, str) else origin(event)
            )
        carrier = payload.carrier(_value_at(event, self._carrier)) if self._carrier else {}
        return source.facts(
            self._event_source, carrier, trigger=self._trigger, attributes=attributes
        )

    def outcome(self, response: object) -> Outcome:
        """Any return value is a success."""
        return source.outcome(response)


def _value_at(event: object, path: str) -> object:
    value = event
    for key in path.split("/"):
        value = dictionary(value).get(key, _ABSENT)
    return value


def _matches(event: object, shape: Shape) -> bool:
    for path, expected in shape.items():
        value = _value_at(event, path)
        if expected is _PRESENT:
            if value is _ABSENT:
                return False
        elif isinstance(expected, type):
            if not isinstance(value, expected):
                return False
        elif type(value) is not type(expected) or value != expected:
            return False
    return True


def _bedrock_tool(event: Json) -> str:
    """The function, else the API operation: its method and its path, which is a template."""
    operation = f"{text(event.get('httpMethod'))} {text(event.get('apiPath'))}".strip()
    return text(event.get("function")) or operation


def _stream_name(event: Json) -> str:
    return text(event.get("streamArn"))[:_ARN_CHARACTERS].rpartition("/")[2]


def _transfer_protocol(event: Json) -> str:
    return text(event.get("protocol"))[:_PROTOCOL_CHARACTERS].lower()


TRIGGERS = {
    # Alexa skills, and smart home skills of payload versions 2 and 3. Neither the speaker nor what
    # was said is recorded.
    # https://developer.amazon.com/docs/custom-skills/request-and-response-json-reference.html
    # https://developer.amazon.com/docs/device-apis/message-guide.html
    "alexa": SimpleSource(
        "aws:alexa",
        {"directive/header/namespace": str},
        {"request/type": str, "context/System": _PRESENT},
    ),
    # Amazon Bedrock agents: an action group with an API schema or with function details. The
    # conversation's text is not recorded.
    # https://docs.aws.amazon.com/bedrock/latest/userguide/agents-lambda.html
    # https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
    "bedrock_agent": SimpleSource(
        "aws:bedrock",
        {"actionGroup": str, "agent": dict},
        constants={
            "gen_ai.provider.name": "aws.bedrock",
            "gen_ai.operation.name": "execute_tool",
        },
        attributes={
            "gen_ai.agent.id": "agent/id",
            "gen_ai.agent.name": "agent/name",
            "gen_ai.conversation.id": "sessionId",
            "gen_ai.tool.name": _bedrock_tool,
        },
        carrier="sessionAttributes",
    ),
    # CloudFormation custom resources. CDK's frameworks leave out `ResponseURL`; properties may hold
    # secrets and are not recorded.
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
    "cloudformation": SimpleSource(
        "aws:cloudformation", {"RequestType": str, "StackId": str, "LogicalResourceId": str}
    ),
    # CloudWatch alarms with the function as their action.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
    "cloudwatch_alarm": SimpleSource("aws:cloudwatch", {"alarmArn": str, "alarmData": dict}),
    # CloudWatch Logs subscriptions. The data is base64-encoded gzip and is not decoded: it holds
    # nothing that belongs on a span.
    # https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html
    "cloudwatch_logs": SimpleSource("aws:logs", {"awslogs/data": str}),
    # CodeDeploy lifecycle hooks of Lambda and ECS deployments.
    # https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
    # https://opentelemetry.io/docs/specs/semconv/registry/attributes/deployment/
    "codedeploy": SimpleSource(
        "aws:codedeploy",
        {"DeploymentId": str, "LifecycleEventHookExecutionId": str},
        attributes={"deployment.id": "DeploymentId"},
    ),
    # CodePipeline invoke actions. The job's data holds temporary credentials and is not recorded.
    # https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html
    "codepipeline": SimpleSource("aws:codepipeline", {"CodePipeline.job": dict}),
    # Amazon Connect: the Lambda block of a flow. The contact's data is not recorded.
    # https://docs.aws.amazon.com/connect/latest/adminguide/connect-lambda-functions.html
    "connect": SimpleSource(
        "aws:connect", {"Details/ContactData": dict}, carrier="Details/Parameters"
    ),
    # Lambda destinations: the record of an asynchronous invocation, whose caller's trace continues.
    # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    "destination": SimpleSource(
        "aws:lambda",
        {
            "requestPayload": _PRESENT,
            "requestContext/functionArn": str,
            "requestContext/condition": str,
        },
        carrier="requestPayload",
    ),
    # Kinesis Data Analytics for SQL: a preprocessing function, and one that receives results. The
    # records are the application's; the event does not name their producers.
    # https://docs.aws.amazon.com/kinesisanalytics/latest/dev/lambda-preprocessing-data-model.html
    # https://docs.aws.amazon.com/kinesisanalytics/latest/dev/how-it-works-output-lambda.html
    "kinesis_analytics": SimpleSource(
        "aws:kinesisanalytics",
        {"applicationArn": str, "records": list},
        trigger="pubsub",
        attributes={"aws.kinesis.stream_name": _stream_name},
    ),
    # Amazon Lex, V1 and V2. The conversation is not recorded.
    # https://docs.aws.amazon.com/lexv2/latest/dg/lambda-input-format.html
    # https://docs.aws.amazon.com/lex/latest/dg/lambda-input-response-format.html
    "lex": SimpleSource(
        "aws:lex", {"bot": dict, "invocationSource": str}, carrier="requestAttributes"
    ),
    # Amazon Redshift: scalar Lambda user-defined functions.
    # https://docs.aws.amazon.com/redshift/latest/dg/udf-creating-a-lambda-sql-udf.html
    # https://opentelemetry.io/docs/specs/semconv/database/
    "redshift_udf": SimpleSource(
        "aws:redshift",
        {"external_function": str, "arguments": list},
        constants={"db.system.name": "aws.redshift"},
        attributes={
            "db.namespace": "database",
            "db.stored_procedure.name": "external_function",
        },
    ),
    # Secrets Manager: a step of a rotation.
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
    # https://opentelemetry.io/docs/specs/semconv/registry/attributes/aws/
    "secrets_rotation": SimpleSource(
        "aws:secretsmanager",
        {"ClientRequestToken": str, "SecretId": str, "Step": str},
        attributes={"aws.secretsmanager.secret.arn": "SecretId"},
    ),
    # AWS Transfer Family: a custom identity provider. Neither user name nor password is recorded.
    # https://docs.aws.amazon.com/transfer/latest/userguide/custom-lambda-idp.html
    "transfer": SimpleSource(
        "aws:transfer",
        {"serverId": str, "username": str, "protocol": str},
        attributes={
            "client.address": "sourceIp",
            "network.protocol.name": _transfer_protocol,
        },
    ),
    # Warm-up pings, by the marks that the handlers of the two packages look for.
    # https://github.com/juanjoDiaz/serverless-plugin-warmup
    # https://github.com/jeremydaly/lambda-warmer
    "warmup": SimpleSource("warmup", {"source": "serverless-plugin-warmup"}, {"warmer": True}),
}
