"""Numbers as a person reads them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_instrument.local.view import quantity

UNITS = ("s", "ms", "us", "ns", "min", "By", "MiBy", "1", "", "{order}", "EUR", "%", "By/s", "\n")


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.01666, "s", "16.7 ms"),
        (0.9996, "s", "1 s"),
        (0.00099996, "s", "1 ms"),
        (2.004, "s", "2 s"),
        (125, "s", "125 s"),
        (0.0000004, "s", "400 ns"),
        (3e-12, "s", "0.003 ns"),
        (0, "s", "0 s"),
        (-0.5, "s", "-500 ms"),
        (1500, "ms", "1.5 s"),
        (2, "min", "120 s"),
        (28311552, "By", "27 MB"),
        (1769 * 1024 * 1024, "By", "1,769 MB"),
        (10240 * 1024 * 1024, "By", "10,240 MB"),
        (1 << 40, "By", "1,024 GB"),
        (1536, "By", "1.5 KB"),
        (1023, "By", "1,023 B"),
        (0, "By", "0 B"),
        (3, "MiBy", "3 MB"),
        (9, "{order}", "9"),
        (9, "By{received}", "9 By"),
        (0.00000205, "{USD}", "2.05e-06 USD"),
        (12.5, "EUR", "12.5 EUR"),
        (0.25, "1", "0.25"),
        (1234567.8, "", "1,234,568"),
        (1e300, "", "1e+300"),
        (0.00001, "", "1e-05"),
        (99.99, "", "100"),
        (float("nan"), "", "nan"),
        (float("-inf"), "s", "-inf s"),
    ],
)
def test_readable(value: float, unit: str, shown: str) -> None:
    assert quantity.format_quantity(value, unit) == shown


def test_share() -> None:
    assert quantity.format_percent(0.018125) == "1.81 %"
    assert quantity.format_percent(1) == "100 %"


@given(st.floats(allow_nan=True), st.sampled_from(UNITS))
def test_any_number_is_shown_short(value: float, unit: str) -> None:
    shown = quantity.format_quantity(value, unit)
    assert len(shown) <= len("-999,999,999,999,999 ") + 4


@given(st.floats(1e-9, 1e6), st.sampled_from(["s", "ms", "By", "", "EUR"]))
def test_what_is_shown_is_within_half_a_percent(value: float, unit: str) -> None:
    shown = quantity.format_quantity(value, unit)
    found = re.fullmatch(r"([\d,.e+-]+) ?(\S*)", shown)
    assert found is not None
    sizes = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
    sizes |= {"B": 1, "KB": 2.0**10, "MB": 2.0**20, "GB": 2.0**30}
    size = sizes.get(found[2], 1.0) / (1e-3 if unit == "ms" else 1)
    assert float(found[1].replace(",", "")) * size == pytest.approx(value, rel=5.1e-3)
