"""What an object keeps alive, wherever it keeps it: bounds without a look at private attributes."""

from __future__ import annotations

import gc
import sys
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What belongs to the program and not to an object of it.
_SHARED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.FrameType)


def _reachable(root: object) -> Iterator[object]:
    seen = {id(root)}
    waiting: list[object] = [root]
    while waiting:
        found = waiting.pop()
        yield found
        for inner in gc.get_referents(found):
            if id(inner) not in seen and not isinstance(inner, _SHARED):
                seen.add(id(inner))
                waiting.append(inner)


def payload_bytes(root: object) -> int:
    """The length of all bytes objects that `root` keeps, each counted once."""
    return sum(len(found) for found in _reachable(root) if isinstance(found, bytes))


def memory_bytes(root: object) -> int:
    """The memory of all that `root` keeps, each object counted once."""
    return sum(map(sys.getsizeof, _reachable(root)))
