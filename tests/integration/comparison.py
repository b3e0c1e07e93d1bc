"""One plain function, bare and instrumented: same answers wanted, and durations close together."""

from __future__ import annotations

from statistics import median

from tests.integration.emulator import FUNCTIONS, WRAPPER, Emulators, durations_ms
from tests.integration.events import event
from tests.integration.scenario import ABSENT, AWAIT_SPANS, RECORDING, Environment, Outcome, Step

# Medians over INVOCATIONS, taken in turn with the bare function's, differ by 0.4 to 0.8 ms on an
# idle machine of two processors, on which platform, forwarder and backend run as well, and by up to
# three times that on a busy one. A runtime that waited for anything would be far above.
INVOCATIONS = 200
ALLOWANCE_MS = 3.0

REQUEST = event("http_api_v2")
REQUEST_SPAN = "GET /items/{id}"


def bare(emulators: Emulators, *steps: Step) -> Environment:
    return Environment(
        "plain.handler", str(FUNCTIONS / "web"), str(emulators.layer.empty), steps, backend=ABSENT
    )


def instrumented(
    emulators: Emulators,
    *steps: Step,
    backend: str = RECORDING,
    extension: bool = True,
    prepare: str = "",
    **environ: str,
) -> Environment:
    opt = emulators.layer.full if extension else emulators.layer.no_extension
    return Environment(
        "plain.handler",
        str(FUNCTIONS / "web"),
        str(opt),
        steps,
        {"AWS_LAMBDA_EXEC_WRAPPER": WRAPPER, **environ},
        backend,
        prepare,
    )


def pause() -> Step:
    """Does nothing, so that environments stay in step."""
    return Step(AWAIT_SPANS, count=0)


def slowdown_ms(outcome: Outcome, alone: Outcome) -> float:
    """Difference of the medians of the last INVOCATIONS."""
    ours, bares = durations_ms(outcome)[-INVOCATIONS:], durations_ms(alone)[-INVOCATIONS:]
    assert len(ours) == len(bares) == INVOCATIONS
    return median(ours) - median(bares)
