"""The forwarder dies or stalls while the function works: the function never notices."""

from __future__ import annotations

import json
import signal

import pytest

from tests.integration.comparison import (
    ALLOWANCE_MS,
    INVOCATIONS,
    REQUEST,
    REQUEST_SPAN,
    bare,
    instrumented,
    pause,
    slowdown_ms,
)
from tests.integration.emulator import Emulators, attributes, invoke, spans
from tests.integration.scenario import AWAIT_SPANS, SIGNAL_FORWARDER, Outcome, Step

pytestmark = pytest.mark.integration

BEFORE = 20
LARGE_BYTES = 100_000
LOOK = invoke({"resident": True})

# The real forwarder, but not as an extension: the platform ends the whole environment with one.
# The address is nobody's, so that it does not register.
FORWARDER = """
AWS_LAMBDA_RUNTIME_API=127.0.0.1:1 "$SERVERLESS_INSTRUMENT_LOCAL_PYTHON" -I -S \
    /opt/python/serverless_instrument/forwarder/__main__.py &
echo "$!" >> "$TEST_SCRATCH/forwarder-pids"
while [ ! -S /tmp/.serverless-instrument/forwarder.sock ]; do sleep 0.01; done
"""


@pytest.fixture(scope="module")
def lost_forwarders(emulators: Emulators) -> dict[str, Outcome]:
    """A forwarder that is killed, or stopped until the socket is full, between two invocations."""
    before = [invoke(REQUEST) for _ in range(BEFORE)]
    # Their spans hold the message three times: 60 MB, where channel and socket hold 12.
    large = [invoke({"fail_bytes": LARGE_BYTES}) for _ in range(200)]
    after = [invoke(REQUEST) for _ in range(INVOCATIONS)]

    def steps(first: Step, last: Step) -> list[Step]:
        return [*before, first, *large, LOOK, *after, last]

    environments = {
        "bare": bare(emulators, *steps(pause(), pause())),
        "killed": instrumented(
            emulators,
            *steps(Step(SIGNAL_FORWARDER, signal=signal.SIGKILL), pause()),
            extension=False,
            prepare=FORWARDER,
        ),
        "stopped": instrumented(
            emulators,
            *steps(
                Step(SIGNAL_FORWARDER, signal=signal.SIGSTOP),
                Step(SIGNAL_FORWARDER, signal=signal.SIGCONT),
            ),
            Step(AWAIT_SPANS, REQUEST_SPAN, count=len(before) + len(after)),
            extension=False,
            prepare=FORWARDER,
        ),
    }
    outcomes = emulators.run(*environments.values(), interleaved=True)
    return dict(zip(environments, outcomes, strict=True))


@pytest.mark.parametrize("fate", ["killed", "stopped"])
def test_function_outlives_its_forwarder(lost_forwarders: dict[str, Outcome], fate: str) -> None:
    lost, alone = lost_forwarders[fate], lost_forwarders["bare"]

    def documents(outcome: Outcome) -> list[dict[str, object]]:
        found = [json.loads(answer.body) for answer in outcome.answers]
        return [{**document, "requestId": ""} for document in found if isinstance(document, dict)]

    assert documents(lost) == documents(alone)
    assert lost.stdout == alone.stdout
    assert lost.stderr == ""
    assert lost.runtime_exits == ()


@pytest.mark.timing
@pytest.mark.parametrize("fate", ["killed", "stopped"])
def test_function_does_not_wait_for_its_forwarder(
    lost_forwarders: dict[str, Outcome], fate: str
) -> None:
    assert slowdown_ms(lost_forwarders[fate], lost_forwarders["bare"]) < ALLOWANCE_MS


def test_function_keeps_a_bounded_part_of_what_waits(lost_forwarders: dict[str, Outcome]) -> None:
    resident_bytes = {
        fate: json.loads(answer.body)
        for fate, outcome in lost_forwarders.items()
        for answer in outcome.answers
        if answer.body.isdecimal()
    }
    # The package itself is 3 MB.
    assert resident_bytes["killed"] - resident_bytes["bare"] < 12_000_000
    assert resident_bytes["stopped"] - resident_bytes["bare"] < 24_000_000


def test_forwarder_that_goes_on_finds_whole_frames(lost_forwarders: dict[str, Outcome]) -> None:
    outcome = lost_forwarders["stopped"]
    assert "closed a connection" not in outcome.emulator_log
    found = [span for _, _, span in spans(outcome.exports)]
    # The oldest were dropped for want of room, never the last; what went to disk meanwhile comes
    # after what is younger.
    assert len(found) < len(outcome.answers)
    assert len([span for span in found if span.name == REQUEST_SPAN]) == BEFORE + INVOCATIONS


def test_environment_starts_again_after_its_forwarder_was_killed(emulators: Emulators) -> None:
    kill = Step(SIGNAL_FORWARDER, signal=signal.SIGKILL)
    (outcome,) = emulators.run(
        instrumented(emulators, invoke(REQUEST), kill, invoke(REQUEST), invoke(REQUEST))
    )
    # The platform resets the environment, in the invocation that meets the loss.
    assert outcome.answers[2] == outcome.answers[0]
    assert outcome.forwarder_exits == (128 + signal.SIGKILL, 0)
    coldstarts = [
        attributes(span.attributes)["faas.coldstart"] for _, _, span in spans(outcome.exports)
    ]
    assert (coldstarts[0], coldstarts[-1]) == (True, True)
    assert len(coldstarts) >= 2
