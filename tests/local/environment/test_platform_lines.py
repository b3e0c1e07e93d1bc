"""Lines that never pass through Python reach the backend once, under the invocation's span."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from serverless_instrument.local.otlp_receiver import OtlpReceiver
from serverless_instrument.local.sandbox import LocalConfig, LocalLambda
from serverless_instrument.local.view import otlp_data
from tests.local.raw_layer import FUNCTIONS
from tests.local.scenario import run

if TYPE_CHECKING:
    from google.protobuf.message import Message

pytestmark = pytest.mark.integration

EVERYWHERE = Counter(
    [
        *("to the descriptor", "from C", "from a child", "from its stderr"),
        *("[ERROR] with a level", "the same", "the same", "the same", "no newline"),
    ]
)


@dataclass
class Seen:
    """What a backend got of some invocations, less their init, and what stood on the output."""

    records: list[dict[str, Any]]
    spans: list[dict[str, Any]]
    said: list[tuple[str, str]]

    def lines(self, trace_id: str | None) -> list[str]:
        return [record["body"] for record in self.records if record["traceId"] == trace_id]


async def invoke(handler: str, *events: object, **environ: str) -> Seen:
    async with OtlpReceiver() as backend:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.url, **environ}
        config = LocalConfig(handler, FUNCTIONS, env=env, base_env={"PATH": "/usr/bin:/bin"})
        async with LocalLambda(config) as function:
            for event in events:
                await function.invoke(json.dumps(event).encode())
                await function.settled()
            await function.shutdown()
            said = list(function.log_lines)
        records = [otlp_data.log_record(*item) for item in backend.log_records()]
        spans = [otlp_data.span(*item) for item in backend.spans()]
        return Seen(records, [span for span in spans if "init" not in span["name"]], said)


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_each_line_once_with_its_trace(log_format: str) -> None:
    seen = run(invoke("output.everywhere", 1, 2, AWS_LAMBDA_LOG_FORMAT=log_format))
    first, second = (span["traceId"] for span in seen.spans)
    assert seen.lines(None) == ["while importing"]
    # What one invocation leaves without a newline begins the next one's first line.
    whole = Counter(seen.lines(first)) + Counter(seen.lines(second))
    joined = Counter({"no newlineto the descriptor": 1, "no newline": -1, "to the descriptor": -1})
    expected = Counter({text: 2 * count for text, count in EVERYWHERE.items()})
    expected.update(joined)
    assert whole == expected
    spans = {span["traceId"]: span["spanId"] for span in seen.spans}
    for record in seen.records:
        assert record["spanId"] == spans.get(record["traceId"])
        assert record["resource"] == seen.spans[0]["resource"]
    levels = {record["body"]: record["severityNumber"] for record in seen.records}
    assert levels["[ERROR] with a level"] == 17
    assert [text for source, text in seen.said if source != "function"] == []


@pytest.mark.parametrize("end", ["segfault", "exit", "kill"])
def test_last_words_of_a_process(end: str) -> None:
    seen = run(invoke("output.ends", end, end))
    assert len(seen.spans) == 2
    for span in seen.spans:
        assert span["attributes"]["error.type"] == "Runtime.ExitError"
        assert seen.lines(span["traceId"]) == [f"before {end}"]


def test_platform_lines_and_an_off_switch() -> None:
    seen = run(invoke("output.everywhere", 1, SERVERLESS_INSTRUMENT_PLATFORM_LOGS="true"))
    kinds = [record["eventName"] for record in seen.records if record["eventName"]]
    assert sorted(kinds) == [
        "platform.initStart",
        "platform.report",
        "platform.runtimeDone",
        "platform.start",
    ]
    silent = run(invoke("output.everywhere", 1, SERVERLESS_INSTRUMENT_LOGS="off"))
    assert (silent.records, len(silent.spans)) == ([], 1)


def test_extension_lines_where_they_are_asked_for() -> None:
    environ = {"SERVERLESS_INSTRUMENT_EXTENSION_LOGS": "true", "OTEL_TRACES_EXPORTER": "zipkin"}
    seen = run(invoke("output.everywhere", 1, **environ))
    own = [text for source, text in seen.said if source == "extension"]
    assert any("zipkin" in text for text in own)
    # Ours would come back for ever.
    assert not [record for record in seen.records if "zipkin" in str(record["body"])]


def test_a_secret_leaves_in_no_line() -> None:
    rules = {
        "SERVERLESS_INSTRUMENT_MASK": "des(crip)tor=>\\1",
        "SERVERLESS_INSTRUMENT_LOGS_EXCLUDE": "the same;;(",
    }
    seen = run(invoke("output.everywhere", 1, **rules))
    (trace,) = (span["traceId"] for span in seen.spans)
    assert seen.lines(trace)[0] == "to the crip"
    assert "the same" not in seen.lines(trace)
    warned = [text for _, text in seen.said if 'pattern "("' in text]
    assert warned


class TimedReceiver(OtlpReceiver):
    """Notes how old each line with a time is when it comes."""

    def __init__(self) -> None:
        self.ages_ms: list[float] = []
        super().__init__(on_request=self._note)

    def _note(self, request: Message) -> None:
        now_unix_ns = time.time_ns()
        for item in otlp_data.each_log_record(request):  # type: ignore[arg-type] # traces are off
            body = otlp_data.log_record(*item)["body"]
            if body.isdigit():
                self.ages_ms.append((now_unix_ns - int(body)) / 1e6)


@pytest.mark.timing
def test_dev_mode_shows_a_line_within_a_quarter_of_a_second_while_the_handler_runs() -> None:
    async def scenario() -> list[float]:
        backend = TimedReceiver()
        async with backend:
            env = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": backend.url,
                "OTEL_TRACES_EXPORTER": "none",
                "SERVERLESS_INSTRUMENT_DEV_MODE": "true",
            }
            config = LocalConfig("output.ticks", FUNCTIONS, env=env, timeout_s=60)
            async with LocalLambda(config) as function:
                answered = asyncio.create_task(function.invoke(b"200"))
                await answered
                await function.settled()
                # Before the environment is frozen, the last as well.
                assert len(backend.ages_ms) == 200
            return sorted(backend.ages_ms)

    ages_ms = run(scenario())
    # Budgets: 120 and 250 ms; the machine may be busy with other tests.
    assert ages_ms[100] <= 240
    assert ages_ms[197] <= 500
