from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from serverless_instrument import wire
from serverless_instrument.wrapper import bootstrap
from tests.wrapper import decoded
from tests.wrapper.invocations import REQUEST_ID, end_span, start_span
from tests.wrapper.runtime import OURS, Function, invoke
from tests.wrapper.triggers import events

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.wrapper.peer import Connection, Peer

ECHO = "def handler(event, context): return event"


def spans(connection: Connection, invocations: int) -> list[tuple[Span, Span]]:
    """(START's span, END's span) of each invocation, after HELLO."""
    (kind, _), *frames = connection.read(1 + 2 * invocations)
    assert kind == wire.HELLO
    pairs = [wire.frame(*each) for each in frames]
    both = zip(pairs[::2], pairs[1::2], strict=True)
    return [(start_span(start), end_span(end)) for start, end in both]


def test_an_http_request_from_event_to_frames(function: Function, peer: Peer) -> None:
    function.write("def handler(event, context): return {'statusCode': 201, 'body': 'made'}")
    handler = function.load()
    connection = peer.accept()
    (_, hello), *_ = connection.read(1)
    pid, token, resource = wire.unpack_hello(hello)
    assert (pid, token) == (os.getpid(), b"")
    assert b"service.name\x12\x06\x0a\x04shop" in resource
    assert invoke(handler, events.load("http_api_v2")) == {"statusCode": 201, "body": "made"}
    ((start, end),) = spans(connection, 1)
    assert start.span_id == end.span_id
    assert end.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    attributes = decoded.attributes(end.attributes)
    assert attributes["http.response.status_code"] == 201
    assert attributes["faas.invocation_id"] == REQUEST_ID


def test_the_first_invocation_alone_is_a_cold_start(function: Function, peer: Peer) -> None:
    function.write(ECHO)
    handler = function.load()
    for _ in range(3):
        invoke(handler)
    found = [decoded.attributes(end.attributes) for _, end in spans(peer.accept(), 3)]
    assert [attributes["faas.coldstart"] for attributes in found] == [True, False, False]


@pytest.mark.parametrize(
    ("kind", "coldstart"),
    [
        ("on-demand", True),
        ("snap-start", True),
        ("provisioned-concurrency", False),
        ("lambda-managed-instances", False),
    ],
)
def test_an_environment_made_ahead_has_no_cold_start(
    function: Function, peer: Peer, monkeypatch: pytest.MonkeyPatch, kind: str, coldstart: bool
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", kind)
    function.write(ECHO)
    invoke(function.load())
    ((_, end),) = spans(peer.accept(), 1)
    assert decoded.attributes(end.attributes)["faas.coldstart"] is coldstart


@pytest.mark.usefixtures("peer")
class TestEnvironment:
    def test_the_user_finds_it_as_it_was_set(self, function: Function) -> None:
        function.write(
            "import os\n"
            "names = '_HANDLER', 'SERVERLESS_INSTRUMENT_HANDLER'\n"
            "at_import = [os.environ.get(name) for name in names]\n"
            "def handler(event, context):\n"
            "    return at_import, [os.environ.get(name) for name in names]\n",
            "sub/module",
        )
        expected = ["sub/module.handler", None]
        assert invoke(function.load("sub/module.handler")) == [expected, expected]

    def test_a_handler_given_in_handler_alone(
        self, function: Function, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        function.write(ECHO)
        function.load()
        vars(bootstrap).pop("handler")
        monkeypatch.setenv("_HANDLER", "function.handler")
        assert bootstrap.handler("event", None) == "event"

    def test_a_handler_that_is_ours_is_refused_in_one_line(
        self, monkeypatch: pytest.MonkeyPatch, function: Function
    ) -> None:
        monkeypatch.delenv("SERVERLESS_INSTRUMENT_HANDLER", raising=False)
        document = function.run(OURS, instrumented=True)
        assert document["errorMessage"] == (
            f'_HANDLER="{OURS}" names no function; set SERVERLESS_INSTRUMENT_HANDLER to yours'
        )


def test_without_the_runtime_client_the_handler_is_imported(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    function.write(ECHO, "package/module")
    monkeypatch.delitem(sys.modules, "awslambdaric.bootstrap")
    monkeypatch.setenv("SERVERLESS_INSTRUMENT_HANDLER", "package/module.handler")
    assert bootstrap.handler("event", None) == "event"
    with pytest.raises(ZeroDivisionError):  # nothing to take our frame out of
        bootstrap.instrument(divmod, bootstrap.Instrumentation())(1, 0)


def test_the_module_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError, match=r"bootstrap' has no attribute 'handle'"):
        _ = bootstrap.handle


def test_disabled_is_bare(function: Function, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    function.write(ECHO)
    handler = function.load()
    assert handler is sys.modules["function"].handler
    assert os.environ["_HANDLER"] == "function.handler"
    peer.listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        peer.accept()


def test_a_broken_installation_leaves_the_function_bare_with_one_warning(
    function: Function, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "serverless_instrument.wrapper.channel", None)
    function.write(ECHO)
    handler = function.load()
    assert handler is sys.modules["function"].handler
    output = capsys.readouterr()
    (line,) = output.err.splitlines()
    assert line.startswith("serverless-instrument: the function runs without instrumentation: ")
    assert "serverless_instrument.wrapper.channel" in line
    assert output.out == ""


@pytest.mark.usefixtures("peer")
def test_settings_that_cannot_be_used_are_one_line_each(
    function: Function, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "maybe\nnot")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "nonsense")
    function.write(ECHO)
    assert invoke(function.load(), "event") == "event"
    name = "serverless-instrument"
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        f'{name}: OTEL_SPAN_LINK_COUNT_LIMIT="maybe?not" is not a whole number from 0 up, using 128'
    )
    assert (
        second == f'{name}: OTEL_RESOURCE_ATTRIBUTES: "nonsense" is not key=value; it is left out'
    )


def test_a_child_that_the_handler_forks_ends_nothing(function: Function, peer: Peer) -> None:
    function.write(
        "import os, sys\n"
        "def handler(event, context):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        if event['raises']: raise SystemExit(7)\n"
        "        return 'child'\n"
        "    return os.waitpid(child, 0)[1] >> 8\n"
    )
    handler = function.load()
    connection = peer.accept()
    parent = os.getpid()
    for raises in (True, False):
        try:
            result = handler({"raises": raises}, None)
        except SystemExit as error:
            os._exit(int(str(error.code)))
        finally:
            if os.getpid() != parent and not raises:
                os._exit(8)
        assert result == (7 if raises else 8)
    pairs = spans(connection, 2)
    assert len({end.span_id for _, end in pairs}) == 2
    function.close()
    assert len(connection.read_to_end()) == 5
    peer.listener.settimeout(0)
    with pytest.raises(BlockingIOError):  # nor does it connect
        peer.accept()


BURN = """
import time
def handler(event, context):
    began_s = time.process_time()
    while time.process_time() - began_s < 0.05:
        pass
    if event:
        raise ValueError("burnt out")
"""


def cpu_s(connection: Connection) -> tuple[float, float]:
    """CPU time that START and END have told of one invocation, after HELLO."""
    _, (_, start), (_, end) = connection.read(3)
    return wire.cpu_ns(start) / 1e9, wire.cpu_ns(end) / 1e9


@pytest.mark.parametrize("event", [{}, {"fail": True}])
def test_the_process_tells_its_cpu_time(
    function: Function, peer: Peer, event: dict[str, object]
) -> None:
    function.write(BURN)
    handler = function.load()
    before_s = time.process_time()
    with contextlib.suppress(ValueError):
        invoke(handler, event)
    after_s = time.process_time()
    start_s, end_s = cpu_s(peer.accept())
    assert before_s <= start_s <= end_s - 0.05 <= after_s - 0.05


def test_nobody_tells_it_where_metrics_are_not_wanted(
    function: Function, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    function.write(BURN)
    invoke(function.load(), {})
    assert cpu_s(peer.accept()) == (0, 0)
