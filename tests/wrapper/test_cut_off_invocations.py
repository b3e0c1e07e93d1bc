"""Invocations whose start or end an exception of a signal handler's cuts off."""

from __future__ import annotations

from tests.wrapper import program

FUNCTION = """
import signal
from serverless_instrument import create_span
from serverless_instrument.wrapper import instrumentation

class Late(Exception): pass

def ring(*_):
    raise Late("time is up")

signal.signal(signal.SIGUSR1, ring)

def cut_off(method):
    shared = instrumentation._shared[0]
    def rung(*_):
        delattr(shared, method)
        signal.raise_signal(signal.SIGUSR1)
    setattr(shared, method, rung)

def handler(event, context):
    if event.get("cut off"):
        cut_off(event["cut off"])
    if event.get("leave open"):
        create_span("left open").__enter__()
    with create_span("step"):
        pass
    return "ok"
"""


def test_an_invocation_whose_end_is_cut_off_costs_only_itself() -> None:
    outcome = program.run(FUNCTION, [{"cut off": "end_invocation"}, {}, {}])
    assert outcome.results == [{"raised": "Late: time is up"}, "ok", "ok"]
    assert len(outcome.started) == 3
    told = [sent.span.span_id for sent in outcome.invocations]
    assert told == outcome.started[1:]
    assert [program.children(outcome, sent) for sent in outcome.invocations] == [["step"]] * 2


def test_an_invocation_whose_start_is_cut_off_is_told_as_it_ends() -> None:
    events = [{"cut off": "_watch_deadline"}, {}, {}]
    outcome = program.run(FUNCTION, events)
    # It is the second one's start that the first has prepared.
    assert outcome.results == ["ok", {"raised": "Late: time is up"}, "ok"]
    assert [sent.span.span_id for sent in outcome.invocations] == outcome.started
    assert len(outcome.started) == 3
    _, cut_off, last = outcome.invocations
    assert cut_off.attributes["error.type"] == "app.Late"
    assert program.children(outcome, last) == ["step"]


def test_a_span_left_open_is_no_parent_in_the_next_invocation() -> None:
    outcome = program.run(FUNCTION, [{"leave open": True}, {}])
    assert program.children(outcome, outcome.invocations[1]) == ["step"]
