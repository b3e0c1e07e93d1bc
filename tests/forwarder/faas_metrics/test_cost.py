"""What an invocation costs."""

from __future__ import annotations

import pytest

from serverless_instrument.forwarder.faas_metrics.cost import SETTING, Prices

PROVISIONED = {"AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency"}


@pytest.mark.parametrize(
    ("architecture", "environ", "usd"),
    [
        # A million invocations of 100 ms with 1 GB, and their requests.
        ("x86_64", {}, 1.66667 + 0.20),
        ("aarch64", {}, 1.33334 + 0.20),
        ("x86_64", PROVISIONED, 0.97222 + 0.20),
        ("aarch64", PROVISIONED, 0.77778 + 0.20),
        ("x86_64", {SETTING: "0.00001"}, 1.0 + 0.20),
        ("x86_64", {SETTING: " 0.00002 , 0.000001 "}, 2.0 + 1.0),
        ("riscv64", {SETTING: "0.00001,0"}, 1.0),
    ],
)
def test_a_million_invocations(architecture: str, environ: dict[str, str], usd: float) -> None:
    prices = Prices(environ, architecture)
    cost = prices.of(100, 1024)
    assert cost is not None
    assert cost * 1e6 == pytest.approx(usd)
    assert prices.warnings == []


@pytest.mark.parametrize(
    "value", ["free", "-1", "0.1,0.1,0.1", "nan", "inf", "16.6", "0.00001,", "1e-5;2e-7"]
)
def test_what_is_no_price_is_named_and_the_list_price_stays(value: str) -> None:
    prices = Prices({SETTING: value}, "x86_64")
    assert prices.of(100, 1024) == Prices({}, "x86_64").of(100, 1024)
    (warning,) = prices.warnings
    assert f'{SETTING}="{value}" is no price' in warning
    assert "\n" not in warning


def test_an_architecture_without_a_price_costs_nothing_that_is_known() -> None:
    assert Prices({}, "riscv64").of(100, 1024) is None
