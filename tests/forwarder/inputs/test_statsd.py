"""StatsD datagrams, well formed and not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.forwarder.inputs import statsd
from serverless_instrument.forwarder.inputs.statsd import parse_datagram


def told(datagram: bytes) -> list[tuple[Any, ...]]:
    found, malformed, others = parse_datagram(datagram)
    assert (malformed, others) == ([], 0)
    return [
        (each.name, each.kind, each.unit, each.values, each.weight, each.attributes)
        for each in found
    ]


@pytest.mark.parametrize(
    ("datagram", "expected"),
    [
        (b"orders:3|c", ("orders", "counter", "", [3.0], 1.0, {})),
        (b"orders:3|c|@0.5", ("orders", "counter", "", [3.0], 2.0, {})),
        (b"orders:-1|c\r\n", ("orders", "counter", "", [-1.0], 1.0, {})),
        (b"level:0.5|g\n", ("level", "gauge", "", [0.5], 1.0, {})),
        (b"time:320|ms", ("time", "histogram", "ms", [320.0], 1.0, {})),
        (b"time:1:2:3|d|#a:b,c", ("time", "histogram", "", [1, 2, 3], 1.0, {"a": "b", "c": ""})),
        (b"n:1|c|#url:http://x|c:ab", ("n", "counter", "", [1], 1.0, {"url": "http://x"})),
        (b"n:1|c|#:v,,a:b, c:d,a:e", ("n", "counter", "", [1], 1.0, {"a": "e", "c": "d"})),
        # Of a later version of the protocol, as of one that is not known yet.
        (b"n:1|c|e:it-false,cn-x|card:low|z9", ("n", "counter", "", [1], 1.0, {})),
        (b"n:1|c|T", ("n", "counter", "", [1], 1.0, {})),
        ("ä:1e3|h|#k:v\u2028w".encode(), ("ä", "histogram", "", [1e3], 1.0, {"k": "v\u2028w"})),
    ],
)  # fmt: skip
def test_a_line(datagram: bytes, expected: tuple[Any, ...]) -> None:
    assert told(datagram) == [expected]


def test_a_set_has_a_member_of_any_characters() -> None:
    ((found,), _, _) = parse_datagram(b"users:a:b c|s|#k:v")
    assert (found.kind, found.members, found.attributes) == ("set", ["a:b c"], {"k": "v"})


def test_a_time_is_in_seconds() -> None:
    ((found,), _, _) = parse_datagram(b"n:1|c|T1656581400")
    assert found.time_unix_ns == 1_656_581_400_000_000_000


@pytest.mark.parametrize(
    ("datagram", "relative"),
    [
        (b"level:5|g", [False]),
        (b"level:+5|g", [True]),
        (b"level:-5|g", [True]),
        (b"level:1:+5:-5|g", [False, True, True]),
        # DogStatsD has no changes: a client with tags means a number below zero.
        (b"level:-5|g|#k:v", [False]),
        (b"level:-5|g|T1656581400", [False]),
        (b"level:+5|g|#k:v", [True]),
    ],
)
def test_a_sign_makes_a_change_of_a_gauge(datagram: bytes, relative: list[bool]) -> None:
    ((found,), _, _) = parse_datagram(datagram)
    assert found.relative == relative


def test_several_lines_of_which_one_is_malformed() -> None:
    found, malformed, others = parse_datagram(
        b"a:1|c\nnonsense\n\nb:2|g\n_e{5,4}:title|text\n_sc|name|0"
    )
    assert ([each.name for each in found], malformed, others) == (["a", "b"], ["nonsense"], 2)


MALFORMED = (
    b":1|c a|c a:|c a:1 a:1|x a:nan|c a:inf|g a:1_0|c a:x|ms a:1|c|@0 a:1|c|@2 a:1|c|@x "
    b"a:1|c|@1e-300 a:1|c|@nan a:1e200|c a:1:|c a:1::2|d a:|g \xff\xfe\x00 "
    b"a:99999999999999999999999999999999e99999|c"
).split()
TOO_LONG = [b"n" * 256 + b":1|c", b"n:1|c|#k:" + b"v" * 8192]


@pytest.mark.parametrize("line", [*MALFORMED, *TOO_LONG, "a:\u0661|c".encode()])
def test_what_is_malformed_is_counted(line: bytes) -> None:
    found, malformed, others = parse_datagram(line)
    assert (found, len(malformed), others) == ([], 1, 0)


@given(st.binary(max_size=200) | st.text("a:1|c@#gsTe,.\n-+", max_size=60).map(str.encode))
def test_nothing_raises(datagram: bytes) -> None:
    found, malformed, others = parse_datagram(datagram)
    assert len(found) + len(malformed) + others <= len(datagram)
    for each in found:
        assert all(abs(value) <= 2.0**360 for value in each.values)
        assert 1 <= each.weight <= 1e6
        assert each.values or each.kind == statsd.SET
