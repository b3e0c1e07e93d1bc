"""OpenTelemetry's Logs API and its handler for ``logging``, in a function's process."""

from __future__ import annotations

import pytest

from tests.wrapper.client import run


def test_records_of_the_api_arrive_with_their_trace() -> None:
    written = run("""
        import sys
        from opentelemetry import trace
        from opentelemetry._logs import SeverityNumber, LogRecord, get_logger
        logger = get_logger("mine", "1.2")
        tracer = trace.get_tracer("mine")
        def handler(event, context):
            with tracer.start_as_current_span("inner") as span:
                logger.emit(LogRecord(
                    timestamp=1704164645000000000, severity_number=SeverityNumber.WARN,
                    severity_text="WARN", body={"a": [1]}, attributes={"k": "v"},
                ))
                inner = span.get_span_context()
            logger.emit(LogRecord(body="outside"))
            print(trace.format_span_id(inner.span_id), "opentelemetry.sdk" in sys.modules)
    """)
    first, outside, printed = written.lines
    assert first.record.span_id.hex() + " False" == printed.body
    assert (first.body, first.scope, first.record.severity_number) == ({"a": [1]}, "mine", 13)
    assert first.record.time_unix_nano == 1_704_164_645_000_000_000
    assert first.attributes == {"k": "v", "faas.invocation_id": "request-1"}
    assert outside.record.span_id == written.spans[0].span_id


HANDLERS = {
    "over our provider": "",
    "over the user's": """
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry._logs import set_logger_provider
provider = LoggerProvider()
set_logger_provider(provider)
""",
}


@pytest.mark.parametrize("provider", HANDLERS.values(), ids=HANDLERS)
def test_opentelemetrys_handler_doubles_nothing(provider: str) -> None:
    written = run(
        f"""
import logging, warnings
warnings.simplefilter("ignore")
from opentelemetry.sdk._logs import LoggingHandler
{provider}
logging.getLogger().addHandler(LoggingHandler())
from opentelemetry._logs import LogRecord, get_logger
def handler(event, context):
    logging.getLogger("shop").error("once")
    get_logger("api").emit(LogRecord(body="api"))
"""
    )
    assert [(line.body, line.scope) for line in written.lines] == [("once", "shop"), ("api", "api")]
    assert written.lines[0].record.severity_number == 17
    assert not written.missed
    assert not written.stderr


def test_a_provider_of_the_users_is_the_one() -> None:
    written = run("""
        from opentelemetry._logs import get_logger_provider, set_logger_provider, LogRecord
        from opentelemetry.sdk._logs import LoggerProvider
        provider = LoggerProvider()
        set_logger_provider(provider)
        def handler(event, context):
            assert get_logger_provider() is provider
            provider.get_logger("mine").emit(LogRecord(body="sent"))
    """)
    assert written.bodies == ["sent"]
    assert not written.stderr


def test_no_provider_of_ours_without_logs() -> None:
    written = run(
        """
        from opentelemetry._logs import get_logger, LogRecord
        def handler(event, context):
            get_logger("mine").emit(LogRecord(body="sent"))
        """,
        OTEL_LOGS_EXPORTER="none",
    )
    assert not written.lines
    assert written.code == 0
