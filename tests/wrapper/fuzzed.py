"""A function into whose every step in our code exceptions are thrown; run by Python 3.12 or later.

Arguments: the number of invocations, the file for the findings, and "api" to use OpenTelemetry's.
"""

from __future__ import annotations

import json
import logging
import random
import sys
from typing import Any

from serverless_instrument import create_span, metric
from serverless_instrument.wrapper import bootstrap
from serverless_instrument.wrapper.instrumentation import shared

monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore] # since 3.12
_EVENTS = monitoring.events
_OURS = bootstrap.__file__.rpartition("/")[0]
# The place where exceptions are judged; tests of its own have the rest.
_GUARDS = ("/records/guards.py", "/records/__init__.py")


class Own(Exception):  # noqa: N818 - the function's
    """An exception of the function's."""


class OwnBase(BaseException):
    """Another, which no guard catches."""


KINDS = (Own, OwnBase, TimeoutError, SystemExit, KeyboardInterrupt)
armed: list[type[BaseException]] = []
steps_left = [0]
thrown: list[str] = []


def step(code: Any, offset: int, *_: object) -> None:
    """Throw what is armed once its steps have passed."""
    if not armed or not code.co_filename.startswith(_OURS) or code.co_filename.endswith(_GUARDS):
        return
    steps_left[0] -= 1
    if steps_left[0] < 0:
        thrown.append(f"{code.co_filename.rpartition('/')[2]}:{code.co_name}:{offset}")
        raise armed.pop()("time is up")


class Context:
    """Of one invocation."""

    def __init__(self, number: int) -> None:
        self.aws_request_id = f"request-{number}"

    def get_remaining_time_in_millis(self) -> int:
        """A minute."""
        return 60_000


logger = logging.getLogger("shop")
logger.setLevel("INFO")
# Not one that has `logging` handle its failures.
sink = logging.Handler()
sink.handle = lambda record: bool(sys.stdout.write(f"{record.getMessage()}\n"))  # type: ignore[method-assign] # as above
logger.addHandler(sink)


def work() -> None:
    """Everything that is interrupted."""
    print("working", 1)  # noqa: T201 - is what is tested
    logger.info("working %s", 2)
    with create_span("step", {"key": 1}) as span:
        span.set_attribute("other", 2)
    metric("orders.total", 2.5, attributes={"key": "value"})
    if tracer is not None:
        with tracer.start_as_current_span("traced", attributes={"key": 1}) as traced:
            traced.set_attribute("other", 2)


tracer: Any = None
if "api" in sys.argv:
    from opentelemetry import trace

    tracer = trace.get_tracer("shop")

lost: list[str] = []


def handler(event: Any, _context: object) -> str:
    """Work with an exception in its middle, or without."""
    if event == "plain":
        work()
        return "ok"
    kind = random.choice(KINDS)
    before = len(thrown)
    try:
        steps_left[0] = random.randrange(int(event))
        armed.append(kind)
        work()
        if len(thrown) > before:
            lost.append(f"{kind.__name__} at {thrown[-1]}")
    except kind:
        pass
    finally:
        armed.clear()
    return "ok"


def main() -> None:
    """Run the invocations; every tenth is not interrupted."""
    instrumentation = shared(bootstrap.__file__)
    assert instrumentation is not None
    instrumented: Any = bootstrap.instrument(handler, instrumentation)
    instrumented("plain", Context(0))  # what the first one loads is not interrupted
    monitoring.use_tool_id(4, "fuzzer")
    events = (_EVENTS.PY_START, _EVENTS.JUMP, _EVENTS.C_RETURN)
    for event in events:
        monitoring.register_callback(4, event, step)
    monitoring.set_events(4, _EVENTS.PY_START | _EVENTS.JUMP | _EVENTS.CALL)
    # How many steps there are.
    steps_left[0] = 1 << 30
    armed.append(Own)
    work()
    armed.clear()
    steps = (1 << 30) - steps_left[0]
    count, wrong = int(sys.argv[1]), []
    for number in range(1, count + 1):
        event = "plain" if number % 10 == 0 else str(steps)
        if instrumented(event, Context(number)) != "ok":
            wrong.append(number)
        steps_left[0] = 1 << 30
    with open(sys.argv[2], "w") as file:
        json.dump({"steps": steps, "thrown": len(thrown), "lost": lost, "wrong": wrong}, file)


if __name__ == "__main__":
    main()
