"""Which trigger claims an event; loads a trigger's file when its first event comes."""

from __future__ import annotations

from importlib import import_module

from serverless_instrument.wrapper.events.base import dictionary, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Json, Trigger

# Triggers that are rows of triggers/simple_sources.py; every other one is a file of that folder.
SIMPLE_SOURCES = (
    "alexa",
    "bedrock_agent",
    "cloudformation",
    "cloudwatch_alarm",
    "cloudwatch_logs",
    "codedeploy",
    "codepipeline",
    "connect",
    "destination",
    "kinesis_analytics",
    "lex",
    "redshift_udf",
    "secrets_rotation",
    "transfer",
    "warmup",
)
# For the tests, together with those of records_registry: exactly one claims each known event.
NAMES = (
    *SIMPLE_SOURCES,
    "alb",
    "api_authorizer",
    "appsync",
    "appsync_authorizer",
    "appsync_events",
    "cloudfront",
    "cognito",
    "config_rule",
    "direct",
    "durable_execution",
    "function_url",
    "http_api_v2",
    "iot",
    "lattice",
    "rest_non_proxy",
    "rest_v1",
    "s3_batch",
    "s3_object_lambda",
    "schedule",
    "step_functions",
    "websocket",
)
FALLBACK = "direct"

# A key of its own for each source that has one; the source's `infer` looks closer.
_BY_KEY = (
    ("triggerSource", "cognito"),
    ("identityPoolId", "cognito"),
    ("DurableExecutionArn", "durable_execution"),
    ("Execution", "step_functions"),
    ("methodArn", "api_authorizer"),
    ("raw_path", "lattice"),
    ("body-json", "rest_non_proxy"),
    ("alarmData", "cloudwatch_alarm"),
    ("CodePipeline.job", "codepipeline"),
    ("LifecycleEventHookExecutionId", "codedeploy"),
    ("invokingEvent", "config_rule"),
    ("directive", "alexa"),
    ("Details", "connect"),
    ("bot", "lex"),
    ("LogicalResourceId", "cloudformation"),
    ("actionGroup", "bedrock_agent"),
    ("protocolData", "iot"),
    ("clickType", "iot"),
    ("invocationSchemaVersion", "s3_batch"),
    ("xAmzRequestId", "s3_object_lambda"),
    ("ClientRequestToken", "secrets_rotation"),
    ("serverId", "transfer"),
    ("applicationArn", "kinesis_analytics"),
    ("external_function", "redshift_udf"),
    ("fieldName", "appsync"),
    ("warmer", "warmup"),
)
# The same for a `requestContext` that is not of an HTTP request.
_BY_CONTEXT_KEY = (
    ("connectionId", "websocket"),
    ("serviceNetworkArn", "lattice"),
    ("operationName", "appsync_authorizer"),
    ("functionArn", "destination"),
)
# What events of records, of messages and of EventBridge have at their top: records_registry's.
_RECORDS_KEYS = (
    "Records",
    "records",
    "detail-type",
    "eventSource",
    "awslogs",
    "rmqMessagesByQueue",
    "messages",
    "events",
)
_DOMAIN_CHARACTERS = 255  # RFC 1035, section 2.3.4
_TIMERS = ("aws.events", "aws.scheduler")  # no set: what is compared may be a list

_loaded: dict[str, Trigger] = {}


def load(name: str) -> Trigger:
    """The trigger `name`, one of `NAMES` or of ``records_registry``'s.

    It is a module of the triggers folder, or a row of the table in simple_sources.py.
    """
    trigger = _loaded.get(name)
    if trigger is None:
        if name in SIMPLE_SOURCES:
            table = import_module("serverless_instrument.wrapper.triggers.simple_sources")
            trigger = table.TRIGGERS[name]
        else:
            trigger = import_module(f"serverless_instrument.wrapper.triggers.{name}")
        _loaded[name] = trigger
    return trigger


def select(event: object) -> Trigger:
    """The trigger that claims `event`, else the fallback.

    A glance at the keys names a candidate, so that only its file is loaded; the candidate's own
    `infer` decides.
    """
    name = FALLBACK
    if isinstance(event, dict):
        name = _of_request(event) or _of_keys(event) or FALLBACK
    elif isinstance(event, list) and event and isinstance(event[0], dict):
        # A batch of AppSync's or of EventBridge Pipes'.
        name = "appsync" if "info" in event[0] else _of_records(event) or FALLBACK
    trigger = load(name)
    if name != FALLBACK and not trigger.infer(event):
        return load(FALLBACK)
    return trigger


def _of_request(event: Json) -> str:
    """The sources that send a ``requestContext``."""
    context = event.get("requestContext")
    if not isinstance(context, dict):
        return ""
    if "methodArn" in event or "routeArn" in event:
        return "api_authorizer"
    if "elb" in context:
        return "alb"
    if "http" in context:
        is_url = ".lambda-url." in text(context.get("domainName"))[:_DOMAIN_CHARACTERS]
        return "function_url" if is_url else "http_api_v2"
    if "httpMethod" in event:
        return "rest_v1"
    for key, name in _BY_CONTEXT_KEY:
        if key in context:
            return name
    return ""


def _of_keys(event: Json) -> str:
    if "info" in event:
        return "appsync_events" if "channel" in dictionary(event["info"]) else "appsync"
    for key, name in _BY_KEY:
        if key in event:
            return name
    if "request" in event and "context" in event:
        return "alexa"
    if "context" in event or "Context" in event:
        return "step_functions"
    source = event.get("source")
    if source == "serverless-plugin-warmup":
        return "warmup"
    if event.get("detail-type") == "Scheduled Event" and source in _TIMERS:
        return "schedule"
    for key in _RECORDS_KEYS:
        if key in event:
            return _of_records(event)
    return ""


def _of_records(event: object) -> str:
    if isinstance(event, dict):
        records = event.get("Records")
        first = records[0] if isinstance(records, list) and records else None
        if isinstance(first, dict) and "cf" in first:
            return "cloudfront"
    from serverless_instrument.wrapper.events import records_registry

    return records_registry.candidate(event)
