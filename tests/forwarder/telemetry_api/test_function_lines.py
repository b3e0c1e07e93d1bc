"""The platform's lines less the runtime's: each once, with its request, in order."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument import wire
from serverless_instrument.forwarder.telemetry_api.function_lines import HOLD_S, FunctionLines
from serverless_instrument.forwarder.telemetry_api.line_attribution import Context
from serverless_instrument.forwarder.telemetry_api.platform_events import EXTENSION, FUNCTION, Event


def digests(*texts: str) -> bytes:
    return b"".join([wire.line_digest(text.encode()) for text in texts])


def line(lines: FunctionLines, record: str | dict[str, object], now_s: float = 0.0) -> None:
    lines.add_line(Event(FUNCTION, 100, record), now_s)


def left(lines: FunctionLines) -> list[tuple[str, str]]:
    """(request id, text) of what goes on."""
    return [(one.request_id, one.text) for one in lines.take_all_lines()]


def started(*request_ids: str) -> FunctionLines:
    lines = FunctionLines()
    for number, request_id in enumerate(request_ids, 1):
        lines.contexts.record_start(request_id, Context(b"t", b"s", b"r", number))
        lines.record_platform_start(request_id)
    return lines


def test_what_the_runtime_has_sent_does_not_go_on() -> None:
    lines = started("a")
    lines.record_announcement("a", digests("one", "two"))
    for text in ("one\n", "from C", "two\r\n"):
        line(lines, text)
    assert left(lines) == [("a", "from C")]


def test_the_same_line_is_counted() -> None:
    lines = started("a")
    lines.record_announcement("a", digests("same", "same"))
    for _ in range(3):
        line(lines, "same")
    assert left(lines) == [("a", "same")]


def test_an_announcement_may_come_after_its_line() -> None:
    lines = started("a")
    for text in ("one", "two", "one"):
        line(lines, text)
    lines.record_announcement("a", digests("one"))
    assert left(lines) == [("a", "two"), ("a", "one")]
    lines.record_announcement("a", digests("late"))
    line(lines, "late")
    assert left(lines) == []


def test_a_line_is_held_for_a_while_and_no_longer() -> None:
    lines = started("a")
    assert lines.release_at_s == float("inf")
    line(lines, "x", now_s=10.0)
    assert lines.release_at_s == 10.0 + HOLD_S
    assert lines.take_due_lines(10.0 + HOLD_S / 2) == []
    assert [one.text for one in lines.take_due_lines(10.0 + HOLD_S)] == ["x"]
    assert lines.release_at_s == float("inf")


def test_lines_keep_their_order_and_memory_its_bound() -> None:
    lines = started("a")
    for number in range(80):
        line(lines, f"{number:04}" + "x" * 100_000, now_s=0.0)
    early = [one.text[:4] for one in lines.take_due_lines(0.0)]
    late = [one.text[:4] for one in lines.take_all_lines()]
    assert early
    assert early + late == [f"{number:04}" for number in range(80)]


def test_lines_without_a_runtime_all_go_on() -> None:
    lines = FunctionLines()
    line(lines, "init")
    lines.record_platform_start("a")
    line(lines, "in a")
    lines.record_platform_start("b")
    line(lines, "in b")
    assert left(lines) == [("", "init"), ("a", "in a"), ("b", "in b")]
    assert lines.contexts.context_of("a") is None


def test_without_platform_start_the_time_of_the_runtimes_counts() -> None:
    lines = FunctionLines()
    lines.contexts.record_start("a", Context(b"", b"", b"", 50))
    lines.contexts.record_start("b", Context(b"", b"", b"", 150))
    line(lines, "at 100")
    assert left(lines) == [("a", "at 100")]


def test_a_new_init_phase_belongs_to_no_request() -> None:
    lines = started("a")
    lines.record_platform_start("")
    lines.record_announcement("", digests("imported"))
    line(lines, "imported")
    line(lines, "from C")
    # By time it could be the request's; it is init's no more once the next one begins.
    assert [text for _, text in left(lines)] == ["from C"]


def test_a_line_may_name_its_request() -> None:
    lines = started("a", "b")
    line(lines, "[INFO]\t2026-08-20T12:00:00.000Z\ta\tlate for a")
    line(lines, "[INFO]\t2026-08-20T12:00:00.000Z\tnobody\tx")
    line(lines, {"requestId": "a", "message": "json"})
    line(lines, '{"requestId": "a", "message": "json as text"}')
    line(lines, "{ no json")
    line(lines, '{"requestId": 7}')
    assert [request_id for request_id, _ in left(lines)] == ["a", "b", "a", "a", "b", "b"]


def test_overlapping_invocations_are_told_apart_by_what_lines_say() -> None:
    lines = FunctionLines(concurrent=True)
    for request_id in ("a", "b"):
        lines.contexts.record_start(request_id, Context(b"", b"", b"", 1))
        lines.record_platform_start(request_id)
    line(lines, {"function_request_id": "a", "message": "json"})
    line(lines, "nameless")
    lines.record_announcement("a", digests("captured"))
    line(lines, "captured")
    assert left(lines) == [
        ("a", '{"function_request_id": "a", "message": "json"}'),
        ("", "nameless"),
    ]


def test_of_overlapping_invocations_a_nameless_line_is_the_only_running_ones() -> None:
    lines = FunctionLines(concurrent=True)
    ms = 1_000_000
    for request_id, start_ms, end_ms in (("a", 10, 40), ("b", 30, 60), ("c", 80, 0)):
        lines.contexts.record_start(request_id, Context(b"", b"", b"", start_ms * ms))
        if end_ms:
            lines.contexts.record_end(request_id, end_ms * ms)
    lines.contexts.record_end("nobody", 1)
    for time_ms in (5, 20, 35, 50, 70, 90):
        lines.add_line(Event(FUNCTION, time_ms * ms, f"at {time_ms}"), 0.0)
    assert [request_id for request_id, _ in left(lines)] == ["", "a", "", "b", "", "c"]


def test_a_line_of_another_request_than_here_is_still_the_runtimes() -> None:
    lines = started("a", "b")
    lines.record_announcement("a", digests("at the end"))
    line(lines, "at the end")
    assert left(lines) == []


RECORD: dict[str, object] = {"level": "INFO", "message": "grüß dich", "n": [1, 2.5, None, True]}


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize("sort_keys", [True, False])
def test_a_json_line_comes_as_an_object(
    separators: tuple[str, str], ensure_ascii: bool, sort_keys: bool
) -> None:
    lines = started("a")
    written = json.dumps(
        dict(reversed(RECORD.items())) if sort_keys else RECORD,
        separators=separators,
        ensure_ascii=ensure_ascii,
        sort_keys=sort_keys,
    )
    lines.record_announcement("a", digests(written, "other"))
    line(lines, RECORD)
    assert left(lines) == []
    line(lines, RECORD)
    assert len(left(lines)) == 1


@pytest.mark.parametrize("size", [100_000, 1_000_000])
@pytest.mark.parametrize("cut_bytes", [65_536, 262_144])
def test_a_line_that_the_platform_cuts_is_one_line(size: int, cut_bytes: int) -> None:
    lines = started("a")
    whole = "".join([f"{number:07}" for number in range(size // 7)])
    lines.record_announcement("a", digests("before", whole, "after"))
    line(lines, "before")
    for start in range(0, len(whole), cut_bytes):
        line(lines, whole[start : start + cut_bytes])
    line(lines, "after")
    line(lines, "from C")
    assert left(lines) == [("a", "from C")]


def test_pieces_wait_for_the_rest_beyond_the_end_of_an_invocation() -> None:
    lines = started("a")
    lines.record_announcement("a", digests("x" * 50_000 + "y" * 50_000))
    line(lines, "from C")
    line(lines, "x" * 50_000)
    assert [one.text for one in lines.take_whole_lines()] == ["from C"]
    line(lines, "y" * 50_000)
    assert lines.take_whole_lines() == lines.take_all_lines() == []
    line(lines, "z" * 50_000, now_s=1.0)
    assert lines.take_due_lines(1.0 + HOLD_S) == lines.take_whole_lines() == []
    assert [len(one.text) for one in lines.take_due_lines(10.0)] == [50_000]


@pytest.mark.parametrize("last", [5, 40_000])
def test_a_line_may_be_announced_after_all_its_pieces(last: int) -> None:
    lines = started("a")
    line(lines, "x" * 50_000)
    line(lines, "y" * last)
    line(lines, "from C")
    lines.record_announcement("a", digests("x" * 50_000 + "y" * last))
    assert left(lines) == [("a", "from C")]


def test_pieces_that_nobody_has_sent_go_on() -> None:
    lines = started("a")
    for number in range(3):
        line(lines, str(number) * 40_000)
    line(lines, "end")
    assert [len(text) for _, text in left(lines)] == [40_000, 40_000, 40_000, 3]


def test_what_the_invocation_before_left_without_a_newline() -> None:
    lines = started("a")
    lines.record_announcement("a", digests("first", "unfinished"))
    line(lines, "first")
    lines.record_platform_start("b")
    lines.record_announcement("b", digests("next", "last"))
    line(lines, "unfinishednext")
    line(lines, "last")
    assert left(lines) == []


def test_an_unfinished_line_from_elsewhere_is_told_from_the_runtimes() -> None:
    lines = started("a")
    lines.record_platform_start("b")
    lines.record_announcement("b", digests("printed", "last"))
    line(lines, "from Cprinted")
    line(lines, "last")
    assert left(lines) == [("a", "from C")]


def test_a_line_from_elsewhere_after_an_unfinished_one() -> None:
    lines = started("a")
    lines.record_announcement("a", digests("unfinished"))
    lines.record_platform_start("b")
    line(lines, "unfinishedfrom C")
    line(lines, "unfinished")
    assert left(lines) == [("b", "from C"), ("b", "unfinished")]


def test_empty_lines_are_no_news_and_extensions_lines_are_never_the_runtimes() -> None:
    lines = started("a")
    line(lines, "\n")
    lines.record_announcement("a", digests("same"))
    lines.add_line(Event(EXTENSION, 0, "same"), 0.0)
    line(lines, "same")
    assert left(lines) == [("a", "same")]


def test_what_is_remembered_is_bounded() -> None:
    lines = FunctionLines()
    for number in range(1000):
        lines.contexts.record_start(str(number), Context(b"", b"", b"", 1))
        lines.record_announcement(str(number), digests(str(number)))
    assert lines.contexts.context_of("0") is None
    assert lines.contexts.context_of("999") is not None
    line(lines, "999")
    line(lines, "0")
    assert [text for _, text in left(lines)] == ["0"]
    lines.record_announcement("big", digests("x") * 200_000)
    line(lines, "x")
    assert [text for _, text in left(lines)] == ["x"]


TEXTS = st.lists(st.text("ab", min_size=1, max_size=2), max_size=12)


@given(TEXTS, TEXTS, st.randoms(use_true_random=False))
def test_every_line_arrives_once(captured: list[str], others: list[str], random: object) -> None:
    """Whatever the order in which announcements and copies come, in one invocation."""
    lines = started("a")
    line(lines, "the first")
    happenings = [("sent", text) for text in captured]
    happenings += [("line", text) for text in [*captured, *others]]
    random.shuffle(happenings)  # type: ignore[attr-defined] # hypothesis' own Random
    for what, text in happenings:
        if what == "sent":
            lines.record_announcement("a", digests(text))
        else:
            line(lines, text)
    assert Counter([text for _, text in left(lines)]) == Counter(["the first", *others])
