"""Trouble on the way to the backend: the function answers the same, and as fast."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.comparison import (
    ALLOWANCE_MS,
    INVOCATIONS,
    REQUEST,
    bare,
    instrumented,
    slowdown_ms,
)
from tests.integration.emulator import Emulators, billed_ms, invoke, spans
from tests.integration.scenario import (
    ABSENT,
    CUT_CONNECTIONS,
    HANGING,
    REFUSING,
    UNAVAILABLE,
    Outcome,
    Step,
)

pytestmark = pytest.mark.integration

# Accepts, sends what is no frame, and reads nothing.
GARBAGE_LISTENER = """
"$SERVERLESS_INSTRUMENT_LOCAL_PYTHON" -c '
import socket
listener = socket.socket(socket.AF_UNIX)
listener.bind("/tmp/.serverless-instrument/forwarder.sock")
listener.listen()
accepted = []
while True:
    connection, _ = listener.accept()
    connection.send(b"HTTP/1.1 200 OK\\r\\n\\r\\n" * 100)
    accepted.append(connection)
' &
while [ ! -S /tmp/.serverless-instrument/forwarder.sock ]; do sleep 0.01; done
"""
# A socket nobody accepts on any more, left behind.
DEAD_SOCKET = """
"$SERVERLESS_INSTRUMENT_LOCAL_PYTHON" -c '
import socket
socket.socket(socket.AF_UNIX).bind("/tmp/.serverless-instrument/forwarder.sock")
'
"""


# Open to everyone where the rights to give it away are missing, which is as bad.
FOREIGN = "chown 65534 /tmp/.serverless-instrument || chmod 0777 /tmp/.serverless-instrument"


@pytest.fixture(scope="module")
def troubles(emulators: Emulators) -> dict[str, Outcome]:
    """The same invocations under every kind of trouble, taken in turn."""
    steps = [invoke(REQUEST) for _ in range(INVOCATIONS)]
    environments = {
        "bare": bare(emulators, *steps),
        "no forwarder": instrumented(emulators, *steps, backend=ABSENT, extension=False),
        "socket directory missing": instrumented(
            emulators, *steps, extension=False, SERVERLESS_INSTRUMENT_SOCKET="/tmp/no/such/socket"
        ),
        "garbage at the socket": instrumented(
            emulators, *steps, extension=False, prepare=GARBAGE_LISTENER
        ),
        "dead socket": instrumented(emulators, *steps, extension=False, prepare=DEAD_SOCKET),
        "backend refuses": instrumented(emulators, *steps, backend=REFUSING),
        "backend hangs": instrumented(
            emulators, *steps, backend=HANGING, OTEL_EXPORTER_OTLP_TIMEOUT="500"
        ),
        "backend answers 503": instrumented(emulators, *steps, backend=UNAVAILABLE),
        "socket directory of another user": instrumented(emulators, *steps, prepare=FOREIGN),
        "no endpoint": instrumented(emulators, *steps, backend=ABSENT),
    }
    outcomes = emulators.run(*environments.values(), interleaved=True)
    return dict(zip(environments, outcomes, strict=True))


TROUBLES = (
    "socket directory of another user",
    "no forwarder",
    "socket directory missing",
    "garbage at the socket",
    "dead socket",
    "backend refuses",
    "backend hangs",
    "backend answers 503",
    "no endpoint",
)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_function_answers_as_without_us(troubles: dict[str, Outcome], trouble: str) -> None:
    answers = troubles[trouble].answers
    assert len(answers) == INVOCATIONS
    assert answers == troubles["bare"].answers
    assert json.loads(answers[-1].body)["body"] == REQUEST["rawPath"]
    assert troubles[trouble].stdout == troubles["bare"].stdout
    said = troubles[trouble].stderr.splitlines()
    assert len(said) == (trouble == "no forwarder")
    assert troubles[trouble].runtime_exits == ()


@pytest.mark.timing
@pytest.mark.parametrize("trouble", TROUBLES)
def test_function_is_as_fast_as_without_us(troubles: dict[str, Outcome], trouble: str) -> None:
    assert slowdown_ms(troubles[trouble], troubles["bare"]) < ALLOWANCE_MS


@pytest.mark.parametrize("trouble", ["backend refuses", "backend hangs", "backend answers 503"])
def test_forwarder_says_what_is_wrong_and_exits_0(
    troubles: dict[str, Outcome], trouble: str
) -> None:
    assert troubles[trouble].forwarder_exits == (0,)
    said = [line for line in troubles[trouble].emulator_log.splitlines() if "instrument:" in line]
    assert "the backend is out of reach" in said[0]
    kept = r"\(kept in /tmp in case of a restart\)"
    lost = rf"\d+ items were not delivered: \d+ metrics {kept}, {INVOCATIONS} traces {kept}(; |$)"
    assert re.match(f"serverless-instrument: {lost}", said[-1])
    # What hangs may have been taken all the same.
    assert ("may arrive twice" in said[-1]) == (trouble == "backend hangs")
    assert len(said) < 20


def test_directory_of_another_user_is_refused_in_one_line(troubles: dict[str, Outcome]) -> None:
    outcome = troubles["socket directory of another user"]
    (said,) = [line for line in outcome.emulator_log.splitlines() if "instrument:" in line]
    assert "/tmp/.serverless-instrument is not a directory of this user's" in said
    assert outcome.forwarder_exits == (0,)


@pytest.mark.parametrize(
    "trouble", ["socket directory of another user", "socket directory missing", "dead socket"]
)
def test_runtime_that_finds_no_forwarder_starts_one(
    troubles: dict[str, Outcome], trouble: str
) -> None:
    assert len(spans(troubles[trouble].exports)) == INVOCATIONS


def test_forwarder_that_the_runtime_started_says_what_is_missing(
    troubles: dict[str, Outcome],
) -> None:
    (said,) = troubles["no forwarder"].stderr.splitlines()
    assert "set OTEL_EXPORTER_OTLP_ENDPOINT" in said


def test_missing_endpoint_is_one_warning_with_the_remedy(troubles: dict[str, Outcome]) -> None:
    log = troubles["no endpoint"].emulator_log
    (said,) = [line for line in log.splitlines() if "serverless-instrument:" in line]
    assert "set OTEL_EXPORTER_OTLP_ENDPOINT" in said


def test_backend_that_hangs_costs_a_bounded_time(emulators: Emulators) -> None:
    steps = [invoke(REQUEST) for _ in range(20)]
    (outcome,) = emulators.run(instrumented(emulators, *steps, backend=HANGING))
    costs_ms = billed_ms(outcome)
    assert len(costs_ms) == 20
    # One flush is waited for, and an export's timeout is ten seconds.
    assert sum(costs_ms) < 5000


@pytest.mark.full
def test_memory_does_not_grow_without_a_forwarder(emulators: Emulators) -> None:
    look = invoke({"resident": True})
    steps = [invoke(REQUEST, times=1000), look, invoke(REQUEST, times=4000), look]
    (outcome,) = emulators.run(instrumented(emulators, *steps, backend=ABSENT, extension=False))
    assert len(outcome.answers) == 5002
    early_bytes, late_bytes = int(outcome.answers[1000].body), int(outcome.answers[-1].body)
    # A frame of an invocation is about 1 kB: kept, 4,000 of them would be 8 MB.
    assert late_bytes - early_bytes < 1_000_000


def test_connections_that_the_backend_has_dropped_cost_nothing(emulators: Emulators) -> None:
    cut = Step(CUT_CONNECTIONS)
    steps = [step for _ in range(20) for step in (invoke(REQUEST), cut)]
    (outcome,) = emulators.run(instrumented(emulators, *steps))
    assert len(spans(outcome.exports)) == 20
    assert "serverless-instrument:" not in outcome.emulator_log
    assert outcome.forwarder_exits == (0,)
