"""Rules for lines: level, include, exclude and mask; and the limits of records."""

from __future__ import annotations

from typing import Any

import pytest

from serverless_instrument import wire
from tests.wrapper.client import run

LEVELS = """
    import logging
    logging.getLogger().setLevel("DEBUG")
    def handler(event, context):
        logging.debug("debugged")
        logging.info("informed")
        logging.error("failed")
        print("printed health")
        print('{"level": "error", "message": "told"}')
"""
TOLD = "told"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SERVERLESS_INSTRUMENT_LOGS_LEVEL": "warn"}, ["failed", TOLD]),
        ({"SERVERLESS_INSTRUMENT_LOGS_EXCLUDE": "health;;^deb"}, ["informed", "failed", TOLD]),
        ({"SERVERLESS_INSTRUMENT_LOGS_INCLUDE": "ed$"}, ["debugged", "informed", "failed"]),
    ],
)
def test_lines_that_are_not_wanted_have_a_digest_all_the_same(
    environ: dict[str, Any], expected: list[object]
) -> None:
    written = run(LEVELS, **environ)
    assert written.bodies == expected
    assert not written.missed  # the forwarder does not send them either


@pytest.mark.parametrize(
    "environ", [{"SERVERLESS_INSTRUMENT_LOGS": "off"}, {"OTEL_LOGS_EXPORTER": "none"}]
)
def test_no_logs(environ: dict[str, Any]) -> None:
    written = run(LEVELS, **environ)
    assert written.kinds == [wire.HELLO, wire.START, wire.END]


def test_bad_values_are_left_for_the_forwarder_to_name() -> None:
    written = run(
        "def handler(event, context): print('x')",
        SERVERLESS_INSTRUMENT_LOGS="maybe",
        SERVERLESS_INSTRUMENT_MASK="[;;secret=>hidden",
    )
    assert written.stderr == b""
    assert written.bodies == ["x"]


SECRET = "4111-1111-1111-1111"


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("environ", [{}, {"AWS_LAMBDA_LOG_FORMAT": "JSON"}])
def test_a_secret_leaves_nowhere(environ: dict[str, Any], framed: bool) -> None:
    written = run(
        f"""
        import json, logging
        from opentelemetry import trace
        SECRET, NUMBER = "{SECRET}", 4111111111111111
        class Told:
            def __str__(self):
                return SECRET
        def handler(event, context):
            print("printed", SECRET)
            print(json.dumps({{"card": SECRET, "deep": [{{"number": NUMBER}}]}}))
            logging.error("logged %s", SECRET)
            logging.error({{"card": SECRET, SECRET: 1, "set": {{SECRET}}}})
            logging.error("extra", extra={{"card": SECRET, "number": NUMBER, "told": Told()}})
            logging.error(json.dumps({{"card": SECRET}}))
            span = trace.get_current_span()
            span.set_attribute("card", SECRET)
            span.set_attribute("number", NUMBER)
            span.set_attribute("list", [SECRET])
            span.add_event("event " + SECRET, {{"card": SECRET}})
            span.update_name("span of " + SECRET)
            try:
                raise ValueError(SECRET)
            except ValueError:
                logging.exception("caught")
            raise KeyError(SECRET)
        """,
        framed=framed,
        SERVERLESS_INSTRUMENT_MASK=r"\d{4}-?\d{4}-?\d{4}-?\d{4}=>CARD",
        **environ,
    )
    everything = str(written.lines) + str(written.spans)
    assert SECRET not in everything
    assert "4111111111111111" not in everything
    assert written.bodies[0] == "printed CARD"
    assert written.bodies[1] == '{"card": "CARD", "deep": [{"number": CARD}]}'
    assert SECRET.encode() in written.stdout  # the function's output is not masked
    assert not written.missed


def test_limits_of_records() -> None:
    written = run(
        """
        import logging
        def handler(event, context):
            logging.error("message", extra={"a": "12345", "b": 2, "c": 3})
        """,
        OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT="5",
        OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT="4",
    )
    (line,) = written.lines
    assert line.attributes["a"] == "1234"
    assert line.attributes["code.function.name"] == "hand"
    assert len(line.attributes) == 5
    assert line.record.dropped_attributes_count == 2


JSON_LINES = """
    import json
    def handler(event, context):
        print(json.dumps({
            "level": "WARNING", "location": "handler:7", "message": "powertools", "service": "shop",
            "timestamp": "2024-01-02 03:04:05,123+0000", "cold_start": True,
            "exception_name": "ValueError", "exception": "Traceback ...\\nValueError: boom",
        }))
        print(json.dumps({"event": "structlog", "level": "info", "logger": "app", "n": 1.5}))
        print(json.dumps({"level": "CRITICAL", "msg": "json", "time": 1704164645.5}))
        print('{"level": "ERROR"')
        print('[1, 2]')
        print('{"a": ' * 2000)
"""


def test_json_lines_are_understood() -> None:
    written = run(JSON_LINES)
    powertools, structlog, plain, *texts = written.lines
    assert [line.body for line in (powertools, structlog, plain)] == [
        "powertools",
        "structlog",
        "json",
    ]
    assert (powertools.record.severity_number, powertools.record.severity_text) == (13, "WARNING")
    # A time that is years from the writing is none of the logger's.
    assert powertools.record.observed_time_unix_nano == powertools.record.time_unix_nano
    assert powertools.attributes["service"] == "shop"
    assert powertools.attributes["exception.type"] == "ValueError"
    assert str(powertools.attributes["exception.stacktrace"]).endswith("ValueError: boom")
    assert (structlog.scope, structlog.record.severity_number) == ("app", 9)
    assert structlog.attributes["n"] == 1.5
    assert (plain.record.severity_number, plain.attributes["time"]) == (21, 1_704_164_645.5)
    assert [line.body for line in texts] == ['{"level": "ERROR"', "[1, 2]", '{"a": ' * 2000]


def test_fields_of_a_json_formatter_are_the_records() -> None:
    written = run("""
        import json, logging
        class Formatter(logging.Formatter):
            def format(self, record):
                return json.dumps({
                    "level": record.levelname, "message": record.getMessage(), "order_id": 7,
                })
        log = logging.getLogger("shop")
        handler_of_mine = logging.StreamHandler()
        handler_of_mine.setFormatter(Formatter())
        log.addHandler(handler_of_mine)
        log.propagate = False
        def handler(event, context):
            log.error("hello", extra={"mine": 1})
    """)
    (line,) = written.lines
    assert (line.body, line.record.severity_number) == ("hello", 17)
    # What the formatter does not write does not leave.
    assert line.attributes["order_id"] == 7
    assert "mine" not in line.attributes
