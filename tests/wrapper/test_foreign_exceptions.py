"""Exceptions of the function's own signal handlers, raised at any point of our code."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.interpreters import interpreter
from tests.wrapper import program

# 1,000 for each class in the run of all tests.
ALARMS = int(os.environ.get("SERVERLESS_INSTRUMENT_TEST_ALARMS", "60"))
CLASSES = ("Own", "OwnBase", "TimeoutError", "SystemExit", "KeyboardInterrupt")
AFTERWARDS = 100

FUNCTION = """
import random, signal

class Own(Exception): pass
class OwnBase(BaseException): pass

def renew(): pass

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
        renew()
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

# An alarm in `threading.Condition.__enter__` leaves the lock of a pool of urllib3's held, with and
# without us. Each alarm gets a pool of its own, and none is emptied when it is given up.
ECHO = """
import http.server, threading, weakref

weakref.finalize = lambda *_, **__: None

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
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
        f"{ECHO}\nimport requests\n"
        "def renew():\n"
        "    global session\n"
        "    session = requests.Session()\n"
        "renew()\n"
        "def work(): session.get(url, timeout=5)",
        spans=1,
        most_s=0.005,
        keeps=True,
    ),
    "boto3": Work(
        f"{ECHO}\nimport boto3\nfrom urllib3._collections import RecentlyUsedContainer\n"
        "from botocore.config import Config\n"
        "once = Config(retries={'max_attempts': 0})\n"
        "client = boto3.client('dynamodb', endpoint_url=url, config=once)\n"
        "manager = client._endpoint.http_session._manager\n"
        "def renew(): manager.pools = RecentlyUsedContainer(10)\n"
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


FUZZED = Path(__file__).with_name("fuzzed.py")
# 10,000 in the run of all tests.
INVOCATIONS = int(os.environ.get("SERVERLESS_INSTRUMENT_TEST_FUZZED", "1500"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", ["", "api"])
def test_exceptions_thrown_into_every_step(api: str, socket_path: str, tmp_path: Path) -> None:
    python = interpreter("3.12")
    if not python:
        pytest.skip("sys.monitoring needs Python 3.12, and there is none here")
    listener = program.Listener(socket_path)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environ = {
        "PYTHONPATH": f"{FUZZED.parents[2]}:{packages}",
        "SERVERLESS_INSTRUMENT_SOCKET": socket_path,
        "AWS_LAMBDA_FUNCTION_NAME": "shop",
    }
    findings = tmp_path / "findings.json"
    completed = subprocess.run(
        [python, FUZZED, str(INVOCATIONS), findings, api],
        env=environ,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    received = listener.finish()
    assert completed.returncode == 0, completed.stderr[-3000:]
    found = json.loads(findings.read_text())
    assert found["thrown"] > INVOCATIONS // 2
    assert found["lost"] == []
    assert found["wrong"] == []
    outcome = program.Outcome([], [], [], [], [], [])
    for data in received:
        program._sort(data, outcome)
    ids = [sent.span.span_id for sent in outcome.invocations]
    assert ids == outcome.started
    assert len(set(ids)) == INVOCATIONS + 1
    assert not any(sent.span.status.code for sent in outcome.invocations)
    assert max(Counter(sent.span.span_id for sent in outcome.spans).values()) == 1
    for invocation in outcome.invocations[::10]:
        names = ["step", "traced"] if api else ["step"]
        assert program.children(outcome, invocation) == names
