"""What an invocation costs by AWS's list prices. Pure.

https://aws.amazon.com/lambda/pricing/: the first price tier of us-east-1 in US dollars. The free
tier, lower tiers, other regions, ephemeral storage over 512 MB, what provisioned concurrency and
SnapStart cost while nothing runs, and discounts are left out; the setting replaces the prices.
"""

from __future__ import annotations

from serverless_instrument import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SETTING = "SERVERLESS_INSTRUMENT_PRICES"
_PER_REQUEST = 0.20 / 1_000_000
# (architecture as uname says it, whether concurrency is provisioned) -> price of a GB-second
_PER_GB_S = {
    ("x86_64", False): 0.0000166667,
    ("aarch64", False): 0.0000133334,
    ("x86_64", True): 0.0000097222,
    ("aarch64", True): 0.0000077778,
}
_MB_PER_GB = 1024
# Above any price of AWS: that of a million, of a thousand or of a month was set.
_HIGHEST = 1.0


class Prices:
    """US dollars, or whatever the setting's prices are in, of a GB-second and of a request.

    Both are None where the architecture has no price. `warnings` say what is wrong with the
    setting.
    """

    __slots__ = ("per_gb_s", "per_request", "warnings")

    def __init__(self, environ: Mapping[str, str], architecture: str) -> None:
        provisioned = environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "provisioned-concurrency"
        self.per_gb_s = _PER_GB_S.get((architecture, provisioned))
        self.per_request: float | None = _PER_REQUEST
        self.warnings: list[str] = []
        value = environment.value_of(environ, SETTING)
        if value:
            self._override(value)

    def _override(self, value: str) -> None:
        prices = [_price(part) for part in value.split(",")]
        if len(prices) > 2 or None in prices:
            environment.warn(
                self.warnings,
                SETTING,
                value,
                "is no price, AWS's list prices are used: set it to US dollars for a GB-second and "
                'for a request, like "0.0000166667,0.0000002"',
            )
            return
        self.per_gb_s = prices[0]
        if len(prices) == 2:
            self.per_request = prices[1]

    def of(self, billed_ms: float, memory_mb: float) -> float | None:
        """The cost of an invocation; None where there is no price for it."""
        if self.per_gb_s is None or self.per_request is None:
            return None
        gb_s = billed_ms / 1000 * memory_mb / _MB_PER_GB
        return gb_s * self.per_gb_s + self.per_request


def _price(text: str) -> float | None:
    try:
        price = float(text)
    except ValueError:
        return None
    return price if 0 <= price <= _HIGHEST else None
