"""Who is compared, and how each is started: a table."""

from __future__ import annotations

from typing import NamedTuple

# The functions, in the order of the report. Where a contender has an API of its own for spans, its
# `spans` names the file.
FUNCTIONS = ("hello", "boto", "aws_calls", "http_call", "spans", "logs")
BARE = "bare"
OURS = "serverless-instrument"


class Contender(NamedTuple):
    """One way to instrument a function.

    `wrapper` is the AWS_LAMBDA_EXEC_WRAPPER in its layer, "" for none; `environ` values may use
    ``{http}`` (the sink's URL), ``{authority}`` (its host:port), ``{tls}`` (the one with TLS),
    ``{ca}`` (the certificate's file) and ``{udp}`` (its UDP host:port). `extension` is a file in
    its layer's extensions/. `partial` means traces alone: no logs, no metrics.
    """

    name: str
    title: str
    packages: str
    wrapper: str
    environ: dict[str, str]
    spans: str
    extension: str = ""
    partial: bool = False
    note: str = ""


_REDIRECT = "plain-exec"
_OTLP = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{http}",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
}
# The layer's own list leaves the AWS SDK and Lambda on; the last entry keeps the handler's
# instrumentation to the wrapper.
_ADOT_DISABLED = (
    "aio-pika,aiohttp-client,aiohttp-server,aiopg,asgi,asyncio,asyncpg,boto,boto3,cassandra,celery,"
    "confluent_kafka,dbapi,django,elasticsearch,falcon,fastapi,flask,grpc_client,grpc_server,"
    "grpc_aio_client,grpc_aio_server,httpx,jinja2,kafka,logging,mysql,mysqlclient,pika,psycopg,"
    "psycopg2,pymemcache,pymongo,pymysql,pyramid,redis,remoulade,requests,sklearn,sqlalchemy,sqlite3,"
    "starlette,system_metrics,threading,tornado,tortoiseorm,wsgi,aws-lambda"
)

CONTENDERS = (
    Contender(BARE, "bare runtime", "", "", {}, "spans_none"),
    Contender(
        OURS,
        "serverless-instrument",
        "",
        "serverless-instrument",
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "{http}"},
        "spans_opentelemetry",
        extension="serverless-instrument",
        note="with its forwarder",
    ),
    Contender(
        "opentelemetry",
        "OpenTelemetry layer",
        "opentelemetry",
        "opentelemetry-exec",
        {**_OTLP, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "aws-lambda"},
        "spans_opentelemetry",
        note="without its collector extension, which is no Python package: it exports to the sink",
    ),
    Contender(
        "adot",
        "ADOT",
        "adot",
        "opentelemetry-exec",
        {
            "OTEL_PYTHON_DISTRO": "aws_distro",
            "OTEL_PYTHON_CONFIGURATOR": "aws_configurator",
            "OTEL_AWS_APPLICATION_SIGNALS_ENABLED": "true",
            "OTEL_AWS_APPLICATION_SIGNALS_RUNTIME_ENABLED": "false",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_PROPAGATORS": "baggage,xray,tracecontext",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": _ADOT_DISABLED,
            "AWS_XRAY_DAEMON_ADDRESS": "{udp}",
        },
        "spans_opentelemetry",
        note="without the layer's own changes to the Lambda instrumentation, which are not on PyPI",
    ),
    Contender(
        "adot-fast",
        "ADOT fast start",
        "adot",
        _REDIRECT,
        {
            "BENCH_REDIRECT": "bench_adot_fast.handler",
            "OTEL_AWS_APPLICATION_SIGNALS_ENABLED": "true",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": _ADOT_DISABLED,
            "AWS_XRAY_DAEMON_ADDRESS": "{udp}",
        },
        "spans_opentelemetry",
        partial=True,
        note="traces only; as ADOT",
    ),
    Contender(
        "datadog",
        "Datadog",
        "datadog",
        "datadog-exec",
        {
            "DD_TRACE_ENABLED": "true",
            "DD_FLUSH_TO_LOG": "true",
            "DD_TRACE_TELEMETRY_ENABLED": "false",
        },
        "spans_datadog",
        note="without its extension, which is no Python package: telemetry goes to the log",
    ),
    Contender(
        "serverless",
        "Serverless SDK",
        "serverless",
        "serverless-exec",
        {"SLS_ORG_ID": "bench"},
        "spans_serverless",
        note="without its extension, which is no longer published: telemetry goes to the log",
    ),
    Contender(
        "lumigo",
        "Lumigo",
        "lumigo",
        "lumigo-exec",
        {
            "LUMIGO_TRACER_TOKEN": "t_0123456789",
            "LUMIGO_TRACER_HOST": "{tls}",
            "SSL_CERT_FILE": "{ca}",
        },
        "",
    ),
    Contender(
        "sentry",
        "Sentry",
        "sentry",
        _REDIRECT,
        {
            "BENCH_REDIRECT": "bench_sentry.handler",
            "SENTRY_DSN": "http://0123456789abcdef0123456789abcdef@{authority}/1",
        },
        "spans_sentry",
    ),
    Contender(
        "powertools",
        "Powertools Tracer",
        "powertools",
        _REDIRECT,
        {
            "BENCH_REDIRECT": "bench_powertools.handler",
            "POWERTOOLS_SERVICE_NAME": "bench",
            "AWS_XRAY_DAEMON_ADDRESS": "{udp}",
        },
        "spans_powertools",
        partial=True,
        note="traces only",
    ),
)


def named(name: str) -> Contender:
    """The contender of that name.

    Raises:
        KeyError: there is none.
    """
    return {contender.name: contender for contender in CONTENDERS}[name]


def source(contender: Contender, function: str) -> str:
    """The file in functions/ that `contender` runs as `function`; "" where it has no API for it."""
    return contender.spans if function == "spans" else function
