"""Whatever goes wrong in us, and however long it goes on, the function does not notice."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from serverless_instrument.wrapper import instrumentation
from serverless_instrument.wrapper.channel import Channel
from tests.wrapper.runtime import Function, invoke
from tests.wrapper.triggers import events

if TYPE_CHECKING:
    from tests.wrapper.peer import Peer

CODE = """
def handler(event, context):
    if event == "raise":
        raise ValueError("the user's own")
    return {"statusCode": 200, "event": event}
"""


class Ugly(Exception):  # noqa: N818 - it is not about its name
    def __str__(self) -> str:
        raise RuntimeError("not even text")


@pytest.mark.parametrize(
    "fault", [ValueError("two\nlines"), Ugly(), MemoryError(), RecursionError()]
)
def test_a_fault_of_ours_costs_telemetry_and_one_warning(
    function: Function,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: Exception,
) -> None:
    def send(_channel: Channel, _data: bytes) -> None:
        raise fault

    monkeypatch.setattr(Channel, "send", send)
    function.write(CODE)
    handler = function.load()
    for _ in range(3):
        assert handler("ok", None) == {"statusCode": 200, "event": "ok"}
        with pytest.raises(ValueError, match="the user's own"):
            handler("raise", None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("serverless-instrument: telemetry of an invocation was lost: ")
    assert type(fault).__name__ in line


@pytest.mark.parametrize("event", ["ok", "raise"])
def test_a_fault_at_the_end_alone(
    function: Function,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    event: str,
) -> None:
    function.write(CODE)
    handler = function.load()
    original, sent = Channel.send, []

    def send(channel: Channel, data: bytes) -> None:
        sent.append(data)
        if len(sent) % 2 == 0:
            raise OSError("no room")
        original(channel, data)

    monkeypatch.setattr(Channel, "send", send)
    for _ in range(2):
        if event == "ok":
            assert handler(event, None) == {"statusCode": 200, "event": "ok"}
        else:
            with pytest.raises(ValueError, match="the user's own"):
                handler(event, None)
    assert capsys.readouterr().err.splitlines() == [
        "serverless-instrument: telemetry of an invocation was lost: OSError: no room"
    ]


def test_a_warning_that_cannot_be_written_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", None)
        instrumentation.warn("nobody hears this")
    assert capfd.readouterr() == ("", "")


def test_no_forwarder_at_all(function: Function) -> None:
    function.write(CODE)
    handler = function.load()
    for _ in range(100):
        assert invoke(handler, "ok") == {"statusCode": 200, "event": "ok"}
        assert invoke(handler, "raise")["errorMessage"] == "the user's own"


def test_an_event_is_handed_on_untouched(function: Function, peer: Peer) -> None:
    function.write("def handler(event, context):\n    return event")
    handler = function.load()
    event, context = events.load("rest_v1"), object()
    assert handler(event, context) is event
    assert event == events.load("rest_v1")
    assert len(peer.accept().read(3)) == 3


def test_ten_thousand_invocations_leave_nothing_behind(function: Function, peer: Peer) -> None:
    function.write(CODE)
    handler = function.load()
    connection = peer.accept()
    ended = threading.Event()

    def read() -> None:
        while connection.socket.recv(1 << 20):
            continue
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    event = events.load("http_api_v2")

    def invoke_many(count: int) -> None:
        for number in range(count):
            if number % 10 == 0:
                try:
                    handler("raise", None)
                except ValueError:
                    continue
            handler(event, None)

    invoke_many(1000)
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        invoke_many(10_000)
        grown = sys.getallocatedblocks() - before
        cyclic = gc.collect()
    finally:
        gc.enable()
        function.close()
        reader.join()
    assert ended.is_set()
    assert grown < 1000  # one block an invocation would be ten times that
    assert cyclic < 100


def test_an_exception_dies_with_its_last_reference(function: Function, peer: Peer) -> None:
    function.write("class Own(Exception): pass\ndef handler(event, context):\n    raise Own")
    handler = function.load()
    gc.disable()
    try:
        try:
            handler(None, None)
        except Exception as error:
            reference = weakref.ref(error)
        assert reference() is None
    finally:
        gc.enable()
    assert len(peer.accept().read(3)) == 3
