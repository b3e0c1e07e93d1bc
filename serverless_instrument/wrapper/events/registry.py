"""Selects the trigger of an event; a trigger's module is imported with its first event. Pure."""

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

# (key of the event, trigger): for sources whose events have a key that no other has.
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
# (key of `requestContext`, trigger): for the sources that no key of the event tells.
_BY_CONTEXT_KEY = (
    ("connectionId", "websocket"),
    ("serviceNetworkArn", "lattice"),
    ("operationName", "appsync_authorizer"),
    ("functionArn", "destination"),
)
# Keys of events that records_registry selects the trigger of.
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
# A tuple and no set: the value that is looked up may be a list, which has no hash.
_TIMERS = ("aws.events", "aws.scheduler")

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
    """The trigger of `event`; the fallback if no trigger's `infer` is true.

    The event's keys tell a candidate, so that only its module is imported; the candidate's `infer`
    decides.
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
    """The trigger of an event with a ``requestContext``; "" without one."""
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
