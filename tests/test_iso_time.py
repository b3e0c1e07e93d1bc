from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.iso_time import unix_ns

NOW_UNIX_NS = 1_704_164_645_500_000_000  # 2024-01-02T03:04:05.5Z


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)),
    st.integers(-23 * 60, 23 * 60),
)
def test_times_are_those_of_the_standard_library(local: datetime, offset_minutes: int) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    delta = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    expected = (delta // timedelta(microseconds=1)) * 1000
    assert unix_ns(moment.isoformat()) == expected
    assert unix_ns(moment.isoformat(" ", "microseconds").replace(".", ",")) == expected
    utc = moment.astimezone(timezone.utc).isoformat()
    assert unix_ns(utc.replace("+00:00", "Z")) == unix_ns(utc.replace("+00:00", "z")) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_704_164_645, 1_704_164_645_000_000_000),
        (1_704_164_645_500, NOW_UNIX_NS),
        (1_704_164_645_500_000, NOW_UNIX_NS),
        (NOW_UNIX_NS, NOW_UNIX_NS),
        (1_704_164_645.5, NOW_UNIX_NS),
        (7, 0),
        (float("nan"), 0),
        (float("inf"), 0),
        (10**30, 0),
        (True, 0),
        (None, 0),
        ("2024-01-02T03:04:05", 0),  # of no zone
        ("2024-01-02", 0),
        ("2024-01-02T03:04:05Z", NOW_UNIX_NS - 500_000_000),
        ("2024-01-02T03:04:05.5Z", NOW_UNIX_NS),
        ("2024-01-02T03:04:05.5000000019Z", NOW_UNIX_NS + 1),
        ("2024-01-02T03:04:05.5000000019+00:00", NOW_UNIX_NS + 1),
        ("2024-01-02T03:04:05.500000000000000Z", NOW_UNIX_NS),
        ("2024-01-02T04:04:05.5+01:00", NOW_UNIX_NS),
        ("2024-01-02T03:04:05.Z", 0),
        ("2024-01-02T03:04:05.5", 0),
        ("2024-01-02T03:04Z", 0),
        ("2024-01-02T03-04-05Z", 0),
        ("2024-01-02T03:61:05Z", 0),
        ("2024-01-02T03:04:62Z", 0),
        ("2024-01-32T03:04:05Z", 0),
        ("2024-00-02T03:04:05Z", 0),
        ("1700-01-02T03:04:05Z", 0),
        ("1969-12-31T23:59:59Z", 0),
        ("9999-12-31T23:59:59Z", 0),
        ("٢٠٢٦-08-20T12:00:00Z", 0),
        ("", 0),
        ("Z", 0),
        ("T" * 100 + "Z", 0),
        ("2024-13-02T03:04:05Z", 0),
        ("2024-01-02T24:04:05Z", 0),
    ],
)
def test_other_times(value: object, expected: int) -> None:
    assert unix_ns(value) == expected


@given(st.text(max_size=40) | st.from_regex(r"[0-9TtZz:., +-]{10,35}"))
def test_any_text_is_a_time_or_none(text: str) -> None:
    assert unix_ns(text) >= 0
