"""StatsD datagrams, well formed and not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.statsd import parse


def told(datagram: bytes) -> list[tuple[Any, ...]]:
    found, malformed = parse(datagram)
    assert malformed == 0
    return [
        (each.name, each.kind, each.unit, each.values, each.weight, each.attributes)
        for each in found
    ]


@pytest.mark.parametrize(
    ("datagram", "expected"),
    [
        (b"orders:3|c", ("orders", "counter", "", [3.0], 1.0, {})),
        (b"orders:3|c|@0.5", ("orders", "counter", "", [3.0], 2.0, {})),
        (b"level:0.5|g\n", ("level", "gauge", "", [0.5], 1.0, {})),
        (b"time:320|ms", ("time", "histogram", "ms", [320.0], 1.0, {})),
        (b"time:1:2:3|d|#a:b,c", ("time", "histogram", "", [1, 2, 3], 1.0, {"a": "b", "c": ""})),
        (b"n:1|c|#url:http://x|T1656581400", ("n", "counter", "", [1], 1.0, {"url": "http://x"})),
    ],
)
def test_a_line(datagram: bytes, expected: tuple[Any, ...]) -> None:
    assert told(datagram) == [expected]


def test_several_lines_of_which_one_is_malformed() -> None:
    found, malformed = parse(b"a:1|c\nnonsense\n\nb:2|g")
    assert ([each.name for each in found], malformed) == (["a", "b"], 1)


@pytest.mark.parametrize(
    "line",
    (
        b":1|c a|c a:|c a:1 a:1|x a:nan|c a:inf|g a:1_0|c a:+1|g a:1|c|@0 a:1|c|@2 a:1|c|@x u:5|s "
        b"_e{5,4}:title|text _sc|name|0"
    ).split(),
)
def test_what_is_malformed_is_counted(line: bytes) -> None:
    assert parse(line) == ([], 1)


@given(st.binary(max_size=200) | st.text("a:1|c@#,.\n-", max_size=60).map(str.encode))
def test_nothing_raises(datagram: bytes) -> None:
    found, malformed = parse(datagram)
    assert len(found) + malformed <= len(datagram)
