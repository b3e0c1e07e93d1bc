"""urllib3: instrumented at the first request that no AWS or requests span covers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serverless_instrument.wrapper.hooks.first_call import at_first_call

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


def hook(module: ModuleType, load: Callable[..., None]) -> None:
    """`module` is urllib3.connectionpool."""
    at_first_call(module.HTTPConnectionPool, "urlopen", load)
