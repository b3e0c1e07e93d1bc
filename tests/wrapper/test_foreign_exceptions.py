"""Exceptions of the function's own signal handlers, raised at any point of our code."""

from __future__ import annotations

import math
import os
from collections import Counter
from typing import NamedTuple

import pytest

from tests.wrapper import program

# 1,000 for each class in the run of all tests.
ALARMS = int(os.environ.get("SERVERLESS_INSTRUMENT_TEST_ALARMS", "60"))
CLASSES = ("Own", "OwnBase", "TimeoutError", "SystemExit", "KeyboardInterrupt")
AFTERWARDS = 100

FUNCTION = """
import random, signal

class Own(Exception): pass
class OwnBase(BaseException): pass

rung = []
MOST_S = {most_s}

def handler(event, context):
    if event == "plain":
        work()
        return "ok"
    name, count = event
    kind = globals().get(name) or getattr(__import__("builtins"), name)
    kept = 0

    def ring(*_):
        rung.append(1)
        raise kind("time is up")

    signal.signal(signal.SIGALRM, ring)
    for _ in range(count):
        rung.clear()
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, MOST_S))
            while not rung:
                work()
            kept += 1
        except kind:
            pass
        except Exception:  # a library has made another of it
            kept += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return kept
"""

ECHO = """
import http.server, threading

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        try:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
        except OSError:
            pass
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()
    def log_message(self, *_): pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
server.handle_error = lambda *_: None
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}"
"""


class Work(NamedTuple):
    """What is interrupted; `spans` is how many it makes, `most_s` the longest alarm."""

    source: str
    spans: int = 0
    most_s: float = 0.001
    # Whether libraries in between keep exceptions of their caller, without us as well.
    keeps: bool = False


WORKS = {
    "print": Work("def work(): print('working', 1)"),
    "logging": Work(
        "import logging\n"
        "from awslambdaric.bootstrap import LambdaLoggerHandler, StandardLogSink\n"
        "log = logging.getLogger('shop')\n"
        "log.setLevel('INFO')\n"
        "log.addHandler(LambdaLoggerHandler(StandardLogSink()))\n"
        "def work(): log.info('working %s', 1)"
    ),
    "create_span": Work(
        "from serverless_instrument import create_span\n"
        "def work():\n"
        "    with create_span('step', {'key': 1}) as span: span.set_attribute('other', 2)",
        spans=1,
    ),
    "API span": Work(
        "from opentelemetry import trace\n"
        "tracer = trace.get_tracer('shop')\n"
        "def work():\n"
        "    with tracer.start_as_current_span('step', attributes={'key': 1}) as span:\n"
        "        span.set_attribute('other', 2)",
        spans=1,
        keeps=True,
    ),
    "SDK span": Work(
        "import opentelemetry.sdk.trace\n"
        "from opentelemetry import trace\n"
        "tracer = trace.get_tracer('shop')\n"
        "def work():\n"
        "    with tracer.start_as_current_span('step', attributes={'key': 1}) as span:\n"
        "        span.set_attribute('other', 2)",
        spans=1,
        keeps=True,
    ),
    "metric": Work(
        "from serverless_instrument import metric\n"
        "from opentelemetry import metrics\n"
        "counter = metrics.get_meter('shop').create_counter('orders')\n"
        "def work():\n"
        "    metric('orders.total', 2.5, attributes={'key': 'value'})\n"
        "    counter.add(1, {'key': 'value'})"
    ),
    "requests": Work(
        f"{ECHO}\nimport requests\ndef work(): requests.get(url, timeout=5)",
        spans=1,
        most_s=0.005,
        keeps=True,
    ),
    "boto3": Work(
        f"{ECHO}\nimport boto3\n"
        "client = boto3.client('dynamodb', endpoint_url=url)\n"
        "def work(): client.list_tables()",
        spans=1,
        most_s=0.005,
        keeps=True,
    ),
}


def run(work: Work, *, wrapper: bool) -> program.Outcome:
    source = [FUNCTION.format(most_s=work.most_s), work.source]
    events = [*([name, ALARMS] for name in CLASSES), *["plain"] * AFTERWARDS]
    return program.run(source, events, log=None, wrapper=wrapper)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", WORKS)
def test_alarms_reach_the_function_and_leave_nothing_broken(name: str) -> None:
    work = WORKS[name]
    outcome = run(work, wrapper=True)
    kept = dict(zip(CLASSES, outcome.results, strict=False))
    if work.keeps:
        bare = dict(zip(CLASSES, run(work, wrapper=False).results, strict=False))
        for kind in CLASSES:
            # Both are counts of chance events: four standard deviations.
            most = float(str(bare[kind])) + 4 * math.sqrt(float(str(bare[kind])) + 1)
            assert float(str(kept[kind])) <= most, (kept, bare)
    else:
        assert kept == dict.fromkeys(CLASSES, 0)
    assert outcome.results[len(CLASSES) :] == ["ok"] * AFTERWARDS
    assert not [line for line in outcome.log if "serverless-instrument" in line]
    # Each invocation was told once, and as it ended.
    ids = [sent.span.span_id for sent in outcome.invocations]
    assert sorted(ids) == sorted(outcome.started)
    assert len(set(ids)) == len(CLASSES) + AFTERWARDS
    assert not any(sent.span.status.code for sent in outcome.invocations)
    # No span twice, and afterwards each where it belongs.
    assert max(Counter(sent.span.span_id for sent in outcome.spans).values(), default=0) <= 1
    for invocation in outcome.invocations[len(CLASSES) :]:
        assert len(program.children(outcome, invocation)) == work.spans
