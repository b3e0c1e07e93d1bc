"""A bad value is one line in the log of an environment, whichever real process reads it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import serverless_instrument
from serverless_instrument.local.sandbox import LocalConfig, LocalLambda

pytestmark = pytest.mark.integration

WRAPPER = Path(serverless_instrument.__file__).parent / "wrapper" / "exec"
PREFIX = "serverless-instrument: "
CODE = """\
from opentelemetry import metrics

def handler(event, context):
    metrics.get_meter("shop").create_counter("orders").add(1)
    return "done"
"""
# Of the forwarder, of the runtime, of both; values that are read for one signal after the other.
BAD = {
    "OTEL_ATTRIBUTE_COUNT_LIMIT": "many",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd",
    "OTEL_EXPORTER_OTLP_HEADERS": "no header",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "linear",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "now",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "10s",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "x-.*,(",
    "OTEL_LOGS_EXPORTER": "console",
    "OTEL_METRICS_EXEMPLAR_FILTER": "sometimes",
    "OTEL_METRICS_EXPORTER": "prometheus",
    "OTEL_SDK_DISABLED": "1",
    "OTEL_TRACES_EXPORTER": "zipkin",
    "SERVERLESS_INSTRUMENT_CAPTURE_PAYLOAD": "all",
    "SERVERLESS_INSTRUMENT_DEV_MODE": "maybe",
    "SERVERLESS_INSTRUMENT_EMF": "maybe",
    "SERVERLESS_INSTRUMENT_ENHANCED_METRICS": "maybe",
    "SERVERLESS_INSTRUMENT_EXTENSION_LOGS": "maybe",
    "SERVERLESS_INSTRUMENT_FLUSH": "hourly",
    "SERVERLESS_INSTRUMENT_LOGS": "maybe",
    "SERVERLESS_INSTRUMENT_LOGS_EXCLUDE": "(",
    "SERVERLESS_INSTRUMENT_LOGS_INCLUDE": "(",
    "SERVERLESS_INSTRUMENT_LOGS_LEVEL": "loud",
    "SERVERLESS_INSTRUMENT_LOG_LEVEL": "info",
    "SERVERLESS_INSTRUMENT_MASK": "(",
    "SERVERLESS_INSTRUMENT_PLATFORM_LOGS": "maybe",
    "SERVERLESS_INSTRUMENT_PRICES": "free",
    "SERVERLESS_INSTRUMENT_QUEUE_BYTES": "1",
    "SERVERLESS_INSTRUMENT_RECEIVER": "maybe",
    "SERVERLESS_INSTRUMENT_SPOOL_BYTES": "-1",
    "SERVERLESS_INSTRUMENT_STATSD": "80",
}
GENERAL_ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "otlp.example.com"}


def said(directory: Path, environ: dict[str, str], *, extension: bool) -> list[str]:
    """Our lines of an environment with two invocations, without what they begin with.

    Without the extension the runtime starts the forwarder.
    """
    (directory / "app.py").write_text(CODE)
    wrapper = {} if extension else {"AWS_LAMBDA_EXEC_WRAPPER": str(WRAPPER)}
    config = LocalConfig(
        "app.handler",
        directory,
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **wrapper, **environ},
        instrumented=extension,
        base_env={"PATH": "/usr/bin:/bin"},
    )
    return asyncio.run(asyncio.wait_for(_said(config), 90))


async def _said(config: LocalConfig) -> list[str]:
    async with LocalLambda(config) as function:
        for _ in range(2):
            result = await function.invoke(b"{}")
            assert result.response == b'"done"'
            await function.settled()
        await function.shutdown()
        lines = [text.strip() for _, text in function.log_lines]
    return [line.removeprefix(PREFIX) for line in lines if line.startswith(PREFIX)]


def is_of(name: str, line: str) -> bool:
    return line.startswith(name) and line[len(name)] in "=: "


@pytest.mark.parametrize("extension", [True, False], ids=["layer", "pip only"])
def test_each_bad_value_is_one_line(tmp_path: Path, extension: bool) -> None:
    lines = said(tmp_path, BAD, extension=extension)
    told = {name: [line for line in lines if is_of(name, line)] for name in BAD}
    assert {name: len(found) for name, found in told.items()} == dict.fromkeys(BAD, 1), lines
    assert told["SERVERLESS_INSTRUMENT_LOG_LEVEL"][0].endswith(
        "is not a known setting: did you mean SERVERLESS_INSTRUMENT_LOGS_LEVEL?"
    )


@pytest.mark.parametrize("extension", [True, False], ids=["layer", "pip only"])
def test_one_endpoint_of_all_signals_is_one_line(tmp_path: Path, extension: bool) -> None:
    (line,) = said(tmp_path, GENERAL_ENDPOINT, extension=extension)
    assert line.startswith('OTEL_EXPORTER_OTLP_ENDPOINT="otlp.example.com" is not an http://')


def test_values_in_any_spelling_are_no_line(tmp_path: Path) -> None:
    environ = {
        "OTEL_LOGS_EXPORTER": " None",
        "OTEL_METRICS_EXPORTER": "none,none",
        "OTEL_SDK_DISABLED": "False",
        "OTEL_TRACES_EXPORTER": "none,",
        "SERVERLESS_INSTRUMENT_DEV_MODE": " YES ",
        "SERVERLESS_INSTRUMENT_LOGS": "1",
        "SERVERLESS_INSTRUMENT_PLATFORM_LOGS": "On",
    }
    assert said(tmp_path, environ, extension=True) == []
