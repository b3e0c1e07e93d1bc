"""Every environment variable with a meaning to us; `docs/settings.md` is made from it.

It is no part of the package: nothing of it is needed to read a setting. A test holds that what the
package reads is declared here and the other way round (tests/test_declared_settings.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FORWARDER, RUNTIME, BOTH, EXEC_WRAPPER = "forwarder", "runtime", "both", "exec wrapper"
SIGNALS = ("TRACES", "LOGS", "METRICS")
# What the names of EXPORT begin with; the rest follows the prefix of a further destination, too.
STANDARD = "OTEL_EXPORTER_OTLP_"


class Setting:
    """One variable.

    Attributes:
        name: the variable's.
        kind: what its values are, such as "boolean" or "list"; docs/settings.md explains them.
        default: as it would be written; "" for none.
        meaning: in one line of Markdown.
        read_by: the process that reads it.
    """

    __slots__ = ("default", "kind", "meaning", "name", "read_by")

    def __init__(self, name: str, kind: str, default: str, read_by: str, meaning: str) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.read_by = read_by
        self.meaning = meaning


# Each of them has a form for one signal (``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT``) and a destination.
EXPORT = (
    Setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "URL",
        "",
        BOTH,
        "backend's base URL, `/v1/traces` and so on are appended, while a signal's own URL is used "
        "as it is; `user:password@` becomes Basic authorization",
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_HEADERS", "headers", "", FORWARDER, "sent with each request; a secret"
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_TIMEOUT", "milliseconds", "10000", FORWARDER, "of one export; `0`: none"
    ),
    Setting("OTEL_EXPORTER_OTLP_COMPRESSION", "choice", "gzip", FORWARDER, "`gzip` or `none`"),
    Setting(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "choice",
        "http/protobuf",
        FORWARDER,
        "`http/protobuf` or `http/json`; `grpc` is refused",
    ),
    Setting("OTEL_EXPORTER_OTLP_CERTIFICATE", "path", "", FORWARDER, "PEM file of trusted roots"),
    Setting(
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "path",
        "",
        FORWARDER,
        "PEM file, for backends that ask who calls",
    ),
    Setting("OTEL_EXPORTER_OTLP_CLIENT_KEY", "path", "", FORWARDER, "PEM file of its key"),
)

SECTIONS: tuple[tuple[str, tuple[Setting, ...]], ...] = (
    ("Endpoint", EXPORT),
    (
        "Destinations and network",
        (
            Setting(
                "SERVERLESS_INSTRUMENT_HEADERS_SECRET_ARN",
                "ARN",
                "",
                FORWARDER,
                "Secrets Manager secret or SSM parameter with more headers, `name=value,…` or a "
                "JSON object",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_DESTINATIONS",
                "list",
                "",
                FORWARDER,
                "names of further destinations, each with variables "
                "`SERVERLESS_INSTRUMENT_DESTINATION_<NAME>_…`: those of the endpoint, those of a "
                "signal, and `…_HEADERS_SECRET_ARN`; it inherits nothing",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_RECEIVER",
                "boolean or port",
                "false",
                FORWARDER,
                "`true`: OTLP/HTTP on 127.0.0.1:4318 for child processes and other languages; or "
                "another port",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_STATSD",
                "boolean or port",
                "false",
                FORWARDER,
                "`true`: StatsD and DogStatsD on UDP 127.0.0.1:8125; or another port",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_SOCKET",
                "path",
                "/tmp/.serverless-instrument/forwarder.sock",
                BOTH,
                "where the forwarder listens; its directory has mode 0700",
            ),
        ),
    ),
    (
        "What is sent",
        (
            Setting("OTEL_SDK_DISABLED", "OTel boolean", "false", BOTH, "`true`: nothing is sent"),
            *(
                Setting(
                    f"OTEL_{signal}_EXPORTER", "list", "otlp", BOTH, f"`none`: no {signal.lower()}"
                )
                for signal in SIGNALS
            ),
            Setting("OTEL_SERVICE_NAME", "text", "", BOTH, "`service.name`; the function's name"),
            Setting(
                "OTEL_RESOURCE_ATTRIBUTES",
                "attributes",
                "",
                BOTH,
                "`key=value,…`, percent-encoded, over what is detected",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_DEV_MODE",
                "boolean",
                "false",
                BOTH,
                "telemetry every 100 ms while the invocation runs, with payloads and the starts of "
                "spans",
            ),
        ),
    ),
    (
        "Spans",
        (
            Setting(
                "OTEL_TRACES_SAMPLER",
                "text",
                "parentbased_always_on",
                BOTH,
                "one of the six standard samplers, or one that an installed package provides, "
                "which loads the SDK at start",
            ),
            Setting(
                "OTEL_TRACES_SAMPLER_ARG",
                "text",
                "1",
                RUNTIME,
                "of a ratio: a number from 0 to 1; of a package's sampler: what that takes",
            ),
            Setting(
                "OTEL_PROPAGATORS",
                "list",
                "xray,tracecontext,baggage",
                RUNTIME,
                "also `xray-lambda`, `b3`, `b3multi`, `none`, and what an installed package "
                "provides; the last one that finds a parent wins",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_CONTEXT_EXTRACTOR",
                "module:function",
                "",
                RUNTIME,
                "given event and context; returns headers or an OpenTelemetry context",
            ),
            Setting(
                "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
                "list",
                "",
                RUNTIME,
                "`botocore,urllib3,…` or `*`",
            ),
            Setting(
                "OTEL_SEMCONV_STABILITY_OPT_IN",
                "list",
                "http,database",
                RUNTIME,
                "for the instrumentations",
            ),
            Setting(
                "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN",
                "list",
                "",
                RUNTIME,
                "`logs` or `logs/dup`: exceptions as log events",
            ),
            Setting("OTEL_PYTHON_ID_GENERATOR", "text", "random", RUNTIME, "for the SDK"),
            Setting(
                "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
                "list",
                "",
                RUNTIME,
                "others are recorded as `_OTHER`; by default RFC 9110's, `PATCH` and `QUERY`",
            ),
            Setting(
                "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
                "header patterns",
                "",
                RUNTIME,
                "headers to record; cookies never are",
            ),
            Setting(
                "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE",
                "header patterns",
                "",
                RUNTIME,
                "likewise, of the response",
            ),
            Setting(
                "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS",
                "header patterns",
                "",
                RUNTIME,
                "the values of headers they find become `[REDACTED]`",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD",
                "choice",
                "off",
                RUNTIME,
                "`request`, `response` or `both` (the default in dev mode), as JSON in "
                "`aws.lambda.{request,response}.payload`",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_BYTES",
                "count",
                "16384",
                BOTH,
                "what is longer becomes `...`",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_DEPTH",
                "count",
                "10",
                RUNTIME,
                "what is deeper becomes `...`",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD_REDACT",
                "list",
                "",
                RUNTIME,
                "keys, redacted at any depth besides password, secret, token, authorization, "
                "cookie and API key",
            ),
        ),
    ),
    (
        "Limits",
        (
            Setting("OTEL_ATTRIBUTE_COUNT_LIMIT", "count", "128", RUNTIME, "of each record"),
            Setting(
                "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "count", "", BOTH, "characters; unlimited"
            ),
            Setting("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "count", "", RUNTIME, "the general one"),
            Setting("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "count", "", BOTH, "the general one"),
            Setting("OTEL_SPAN_EVENT_COUNT_LIMIT", "count", "128", RUNTIME, "of each span"),
            Setting("OTEL_SPAN_LINK_COUNT_LIMIT", "count", "128", RUNTIME, "of each span"),
            Setting("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "count", "", RUNTIME, "the general one"),
            Setting("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "count", "", RUNTIME, "the general one"),
            Setting(
                "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "count", "", RUNTIME, "the general one"
            ),
            Setting(
                "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
                "count",
                "",
                BOTH,
                "the general one",
            ),
        ),
    ),
    (
        "Log lines",
        (
            Setting("SERVERLESS_INSTRUMENT_LOGS", "boolean", "true", BOTH, "`off`: no line leaves"),
            Setting(
                "SERVERLESS_INSTRUMENT_LOGS_LEVEL",
                "choice",
                "trace",
                BOTH,
                "`trace`, `debug`, `info`, `warn`, `error` or `fatal`; a line without a level "
                "counts as info",
            ),
            Setting("SERVERLESS_INSTRUMENT_LOGS_INCLUDE", "patterns", "", BOTH, "only such lines"),
            Setting("SERVERLESS_INSTRUMENT_LOGS_EXCLUDE", "patterns", "", BOTH, "no such lines"),
            Setting(
                "SERVERLESS_INSTRUMENT_MASK",
                "patterns",
                "",
                BOTH,
                "`regex=>replacement` (default `***`); applied to all telemetry before anything "
                "leaves the environment ([order, limits, time](privacy.md))",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_EXTENSION_LOGS",
                "boolean",
                "false",
                FORWARDER,
                "lines of other extensions as well",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_PLATFORM_LOGS",
                "boolean",
                "false",
                FORWARDER,
                "INIT_START, START, END and REPORT as log records",
            ),
        ),
    ),
    (
        "Metrics",
        (
            Setting(
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                "choice",
                "delta",
                RUNTIME,
                "`delta`, `lowmemory` or `cumulative`",
            ),
            Setting(
                "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                "choice",
                "explicit_bucket_histogram",
                BOTH,
                "or `base2_exponential_bucket_histogram`, for which the metrics API loads the SDK",
            ),
            Setting(
                "OTEL_METRICS_EXEMPLAR_FILTER",
                "choice",
                "trace_based",
                RUNTIME,
                "or `always_on`, `always_off`",
            ),
            Setting(
                "OTEL_PYTHON_METER_PROVIDER",
                "text",
                "",
                RUNTIME,
                "a package's provider, with readers of its own, is left alone",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_ENHANCED_METRICS",
                "boolean",
                "true",
                FORWARDER,
                "`false`: no `aws.lambda.*` metrics",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_PRICES",
                "prices",
                "",
                FORWARDER,
                "`GB_SECOND[,REQUEST]` in dollars, for `aws.lambda.estimated_cost`; by default "
                "AWS's list price of the architecture",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_EMF",
                "boolean",
                "true",
                FORWARDER,
                "metrics from lines in the embedded metric format; `true` by name: also where log "
                "lines are off or go nowhere",
            ),
        ),
    ),
    (
        "Delivery",
        (
            Setting(
                "SERVERLESS_INSTRUMENT_FLUSH",
                "choice",
                "adaptive",
                FORWARDER,
                "`end` (of each invocation), `periodically,MS` and `continuously,MS` (10000 and "
                "1000 ms by default); adaptive is `end` until a steady rate is seen, then batches",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_QUEUE_BYTES",
                "bytes",
                "8388608",
                FORWARDER,
                "memory for what waits or is on its way; from 4194304",
            ),
            Setting(
                "SERVERLESS_INSTRUMENT_SPOOL_BYTES",
                "bytes",
                "33554432",
                FORWARDER,
                "space in /tmp for what has no room in memory; `0`: none",
            ),
        ),
    ),
    (
        "Start",
        (
            Setting(
                "SERVERLESS_INSTRUMENT_NEXT_WRAPPER",
                "path",
                "",
                EXEC_WRAPPER,
                "another exec wrapper, run after ours",
            ),
        ),
    ),
)

# Handed from one part of the package to another; nobody else has to set them.
INTERNAL = (
    Setting("SERVERLESS_INSTRUMENT_HANDLER", "text", "", RUNTIME, "the function's own handler"),
    Setting(
        "SERVERLESS_INSTRUMENT_SHELL_VARIABLES",
        "text",
        "",
        RUNTIME,
        "what the exec wrapper's shell has added to the environment",
    ),
    Setting(
        "SERVERLESS_INSTRUMENT_PATH_ENTRY",
        "text",
        "",
        RUNTIME,
        "what the exec wrapper has added to `PYTHONPATH`",
    ),
    Setting("SERVERLESS_INSTRUMENT_EXTENSION_ID", "text", "", FORWARDER, "an internal extension's"),
    Setting("SERVERLESS_INSTRUMENT_SOCKET_FD", "count", "", FORWARDER, "connection to the runtime"),
    Setting("SERVERLESS_INSTRUMENT_LOCAL_OPT", "path", "", "local Lambda", "stands for /opt"),
    Setting("SERVERLESS_INSTRUMENT_LOCAL_PYTHON", "path", "", "local Lambda", "the interpreter"),
)


def declared() -> Iterable[Setting]:
    """All of them."""
    for _, settings in SECTIONS:
        yield from settings
    yield from INTERNAL
