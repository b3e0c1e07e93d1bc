"""Warm-up pings of serverless-plugin-warmup and of lambda-warmer.

https://github.com/juanjoDiaz/serverless-plugin-warmup
https://github.com/jeremydaly/lambda-warmer
"""

from __future__ import annotations

from serverless_instrument.wrapper.events import source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from serverless_instrument.wrapper.events.base import Facts, Json

outcome = source.outcome


def infer(event: object) -> bool:
    """The marks that the handlers of those two look for."""
    return isinstance(event, dict) and (
        event.get("source") == "serverless-plugin-warmup" or event.get("warmer") is True
    )


def facts(event: Json, known_methods: frozenset[str]) -> Facts:  # noqa: ARG001 - as every trigger's
    """No work, only a start."""
    return source.facts("warmup")
