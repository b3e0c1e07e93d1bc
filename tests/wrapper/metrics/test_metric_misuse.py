"""`serverless_instrument.metric` with any argument, from any thread, never raises."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import cost
from tests.wrapper.program import Outcome, run

# Invalid arguments, also of types that raise; none may raise in the function.
HOSTILE = """
    from collections import UserDict
    from decimal import Decimal
    from fractions import Fraction
    from types import MappingProxyType
    from serverless_instrument import metric

    def refuse(self, *arguments):
        raise RuntimeError("not to be asked")

    class Sullen:
        __str__ = __repr__ = __hash__ = __eq__ = __bool__ = __float__ = __lt__ = __format__ = refuse
        __len__ = __iter__ = __getitem__ = refuse
        keys = items = values = refuse

    class SullenText(str):
        __str__ = __repr__ = __hash__ = __eq__ = __format__ = encode = refuse

    class SullenMap(dict):
        __iter__ = __len__ = __bool__ = keys = items = values = __repr__ = refuse

    class LateKey(str):
        late = False
        def __hash__(self):
            return refuse(self) if self.late else str.__hash__(self)

    class Whole(int):
        __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = refuse

    loop = []
    loop.append(loop)
    deep = loop
    for _ in range(10_000):
        deep = [deep]
    TEXTS = [None, 5, b"bytes", "", "a\\n\\x1b[2J", "\\ud800", "x" * 100_000, loop, {}, Sullen(),
             SullenText("name"), object]
    VALUES = [float("nan"), float("inf"), float("-inf"), True, False, None, "3", b"3", 10**400,
              -10**400, 1e308, -1e308, 2**63, -2**63, 2**64, Decimal("1.5"), Fraction(1, 3), 1j, [],
              Sullen(), Whole(3), int, 5e-324]
    MAPS = [[], "text", 5, True, Sullen(), SullenMap(a=1), {1: 2}, {None: 1}, {"a": None}, {"": 1},
            {"a": Sullen()}, {"a": {"b": {"c": loop}}}, {"a": loop}, {"a": deep}, {"a": [1, "b"]},
            {"a": float("nan")}, {"a": 2**70}, {"\\ud800": "\\ud800"}, {"a": b"b"},
            {"x" * 70_000: 1}, {"a": "x" * 3_000_000}, {LateKey("a"): 1}, {Sullen: 1}, {("t",): 1},
            {str(n): n for n in range(5000)}, UserDict(a=1), MappingProxyType({"a": 1}), [("a", 1)]]
    LateKey.late = True
    raised = []

    def tried(*arguments, **options):
        try:
            metric(*arguments, **options)
        except BaseException as error:
            raised.append(f"{type(error).__name__} {options.keys()}")
"""


def of(outcome: Outcome, name: str) -> list[float]:
    """Values of a counter, one for each invocation."""
    found = []
    for metric in outcome.metrics:
        if metric.name == name:
            found += [point.as_int or point.as_double for point in metric.sum.data_points]
    return found


@pytest.mark.parametrize(
    "calls",
    [
        "for text in TEXTS: tried(text, 1)",
        "for text in TEXTS: tried('m', 1, unit=text)",
        "for text in TEXTS: tried('m', 1, kind=text)",
        "for value in VALUES: tried('m', value)",
        "for value in VALUES: tried('m', value, kind='counter')",
        "for value in VALUES: tried('m', value, kind='gauge')",
        "for told in MAPS: tried('m', 1, attributes=told)",
        "for told in MAPS: tried('m', 1, attributes=told, kind='counter')",
        "for told in MAPS: tried('m', 1, attributes=told, kind='gauge')",
    ],
)
def test_it_never_raises_and_the_rest_arrives(calls: str) -> None:
    outcome = run(
        [
            HOSTILE,
            f"""
            def handler(event, context):
                metric("before", 1, kind="counter")
                {calls}
                metric("after", 1, kind="counter")
                return raised
            """,
        ],
        [{}, {}],
        log=None,
    )
    assert outcome.results == [[], []]
    assert len(outcome.invocations) == 2
    assert of(outcome, "before") == of(outcome, "after") == [1, 1]
    ours = [line for line in outcome.log if "metric" in line]
    assert outcome.log == ours
    # One short warning for each mistake, not for each invocation.
    assert len(set(ours)) == len(ours)
    assert len(ours) <= 20
    assert max(map(len, ours), default=0) < 400


def test_a_value_that_is_left_out_is_said_once() -> None:
    outcome = run(
        """
        from decimal import Decimal
        from serverless_instrument import metric
        def handler(event, context):
            for _ in range(100):
                metric("price", Decimal("1.5"))
                metric("price", float("nan"))
        """,
        [{}, {}],
        log=None,
    )
    (line,) = outcome.log
    assert 'metric "price"' in line
    assert "finite number" in line
    assert outcome.metrics == []


def test_attributes_that_change_afterwards_are_as_they_were() -> None:
    outcome = run(
        """
        from serverless_instrument import metric
        def handler(event, context):
            told = {"kind": "book"}
            for number in range(3):
                metric("orders", 1, attributes=told, kind="counter")
                told["kind"] = f"changed {number}"
        """
    )
    points = [point for metric in outcome.metrics for point in metric.sum.data_points]
    kinds = [point.attributes[0].value.string_value for point in points]
    assert sorted(kinds) == ["book", "changed 0", "changed 1"]


def test_at_import_before_any_invocation_and_after_the_last() -> None:
    outcome = run(
        """
        import atexit
        from serverless_instrument import metric
        metric("imports", 1, kind="counter")
        atexit.register(metric, "exits", 1)
        def handler(event, context):
            metric("calls", 1, kind="counter")
        """,
        [{}, {}],
    )
    assert of(outcome, "imports") == [1]
    assert of(outcome, "calls") == [1, 1]


def test_from_threads() -> None:
    outcome = run(
        """
        from threading import Barrier, Thread
        from serverless_instrument import metric
        def work(barrier, number):
            barrier.wait()
            for value in range(500):
                metric("calls", 1, kind="counter", attributes={"worker": number % 2})
                metric("size", value)
        def handler(event, context):
            barrier = Barrier(8)
            threads = [Thread(target=work, args=(barrier, number)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        """,
        [{}, {}],
    )
    assert sum(of(outcome, "calls")) == 2 * 8 * 500
    assert sorted(of(outcome, "calls")) == [2000] * 4
    sizes = [metric.histogram.data_points[0] for metric in outcome.metrics if metric.name == "size"]
    assert [(point.count, point.sum) for point in sizes] == [(4000, 8 * 124_750)] * 2


def test_from_threads_that_go_on_after_the_invocation() -> None:
    outcome = run(
        """
        from threading import Thread
        from serverless_instrument import metric
        count, stop = 0, False
        def work():
            global count
            while not stop:
                metric("calls", 1, kind="counter")
                count += 1
                if count % 100 == 0:
                    import time; time.sleep(0.0005)
        thread = Thread(target=work)
        def handler(event, context):
            global stop
            if event["n"] == 0:
                thread.start()
            if event["n"] == 19:
                stop = True
                thread.join()
            return count
        """,
        [{"n": number} for number in range(20)],
    )
    # Each value arrives once: none is lost between two invocations, none is sent twice.
    assert sum(of(outcome, "calls")) == outcome.results[-1]


def test_in_a_forked_child_the_parents_values_are_not_told_again() -> None:
    outcome = run(
        """
        import os
        from serverless_instrument import metric
        def handler(event, context):
            metric("calls", 1, kind="counter")
            child = os.fork()
            if not child:
                try:
                    metric("in.the.child", 1, kind="counter")
                finally:
                    os._exit(0)
            return os.waitpid(child, 0)[1]
        """,
        [{}, {}],
    )
    assert outcome.results == [0, 0]
    assert of(outcome, "calls") == [1, 1]


def test_a_loop_of_a_hundred_thousand_calls_costs_the_function_little() -> None:
    outcome = run(
        (
            cost.SOURCE,
            """
            from serverless_instrument import metric
            def work():
                for value in range(100_000):
                    metric("calls", 1, kind="counter", attributes={"kind": "book"})
            def handler(event, context):
                return reference_ms(work, times=1)
            """,
        ),
        [{}, {}],
        log=None,
    )
    for cost_ms in outcome.results:
        assert isinstance(cost_ms, float)
        assert cost_ms < 100_000 * 0.020
    assert [line for line in outcome.log if "Traceback" in line] == []
    assert sum(of(outcome, "calls")) == 200_000


def test_outside_lambda_it_does_nothing_but_say_what_is_wrong() -> None:
    source = """
import sys
from serverless_instrument import metric
for value in (1, float("nan"), None):
    for kind in ("counter", "gauge", "histogram"):
        metric("calls", value if kind == "gauge" else 1, kind=kind)
print(sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""
    completed = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert (completed.returncode, completed.stdout) == (0, "[]\n"), completed.stderr
    (line,) = completed.stderr.splitlines()
    assert line.startswith('serverless-instrument: metric "calls": value nan is left out')
