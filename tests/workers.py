"""Which tests run on one worker, and in which order, when tests run side by side.

Tests that share what is dear, made once for a module or a session, stay together; so do those of a
module that are over in no time. Any other end-to-end test goes to whichever worker is free.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).parents[1]
# Fixtures of the session that are dear, as tests name them.
_SHARED = ("aws_endpoint: str", "installed_task: Path")
_OF_MODULE = 'scope="module"'
_END_TO_END = "pytest.mark.integration"


@cache
def _source(path: str) -> str:
    return (_ROOT / path).read_text()


def scope_of(nodeid: str) -> str:
    """The name that tests of one worker share."""
    path = nodeid.partition("::")[0]
    source = _source(path)
    for fixture in _SHARED:
        if fixture in source:
            return fixture
    if _OF_MODULE in source or _END_TO_END not in source:
        return path
    return nodeid


def rank(nodeid: str) -> int:
    """What begins early: first what takes long and is not divided, last what is over quickly."""
    if _END_TO_END not in _source(nodeid.partition("::")[0]):
        return 2
    return 1 if scope_of(nodeid) == nodeid else 0


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types for it
    """Gives whole scopes to workers."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
