"""Variables with our prefix that mean nothing, with what may have been meant; pure.

Loaded after the first /next, and only where a variable with our prefix is set.
"""

from __future__ import annotations

from serverless_instrument import declared_settings
from serverless_instrument.environment import PREFIX, shown
from serverless_instrument.forwarder.destinations.settings import destination_names, prefix_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LIST = "docs/settings.md lists all"
_ADD_DESTINATION = "add its destination to SERVERLESS_INSTRUMENT_DESTINATIONS"


def warnings(environ: Mapping[str, str]) -> list[str]:
    """A line for each unknown name, with the nearest one that is known."""
    prefixes = [f"{prefix_of(name)}_" for name in destination_names(environ)]
    known = declared_settings.known_names(prefixes)
    ours = [name for name in environ if name.startswith(PREFIX) and name not in known]
    return [
        f"{shown(name)} is not a known setting: "
        + (_ADD_DESTINATION if _is_of_unlisted(name, prefixes) else _nearest(name, known))
        for name in ours
    ]


def _is_of_unlisted(name: str, prefixes: Iterable[str]) -> bool:
    """Whether `name` is of a destination that is not among the listed ones."""
    if not name.startswith(declared_settings.DESTINATION) or name.startswith(tuple(prefixes)):
        return False
    return name.endswith(tuple(declared_settings.export_forms("_")))


def _nearest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # it imports re and collections: after a mistake only

    # Without what all have in common, which would make any name like any other.
    rests = sorted(other.removeprefix(PREFIX) for other in known if other.startswith(PREFIX))
    nearest = get_close_matches(name.removeprefix(PREFIX).upper(), rests, 1)
    return f"did you mean {PREFIX}{nearest[0]}?" if nearest else _LIST
