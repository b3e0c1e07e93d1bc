"""Variables with our prefix that mean nothing, with what may have been meant. Pure.

Loaded after the first /next, and only where a variable with our prefix is set. What the known ones
mean is declared in scripts/declared_settings.py, which is no part of the layer; a test holds that
the names here are those (tests/test_declared_settings.py).
"""

from __future__ import annotations

from serverless_instrument.environment import LOG_RULES, PREFIX, shown
from serverless_instrument.forwarder.destinations.destination import SIGNALS
from serverless_instrument.forwarder.destinations.settings import destination_names, prefix_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

KNOWN = frozenset(LOG_RULES) | {
    PREFIX + rest
    for rest in (
        "CAPTURE_PAYLOAD",
        "CAPTURE_PAYLOAD_BYTES",
        "CAPTURE_PAYLOAD_DEPTH",
        "CAPTURE_PAYLOAD_REDACT",
        "CONTEXT_EXTRACTOR",
        "DESTINATIONS",
        "DEV_MODE",
        "EMF",
        "ENHANCED_METRICS",
        "EXTENSION_ID",
        "EXTENSION_LOGS",
        "FLUSH",
        "HANDLER",
        "HEADERS_SECRET_ARN",
        "LOCAL_OPT",
        "LOCAL_PYTHON",
        "NEXT_WRAPPER",
        "PATH_ENTRY",
        "PLATFORM_LOGS",
        "PRICES",
        "QUEUE_BYTES",
        "RECEIVER",
        "SHELL_VARIABLES",
        "SOCKET",
        "SOCKET_FD",
        "SPOOL_BYTES",
        "STATSD",
    )
}
# What may follow OTEL_EXPORTER_OTLP, and so the prefix of a destination, with or without a signal.
EXPORT = (
    "ENDPOINT",
    "HEADERS",
    "TIMEOUT",
    "COMPRESSION",
    "PROTOCOL",
    "CERTIFICATE",
    "CLIENT_CERTIFICATE",
    "CLIENT_KEY",
)
_DESTINATION = PREFIX + "DESTINATION_"
_LIST = "docs/settings.md lists all"
_ADD_DESTINATION = f"add its destination to {PREFIX}DESTINATIONS"


def warnings(environ: Mapping[str, str]) -> list[str]:
    """A line for each unknown name, with the nearest one that is known."""
    prefixes = tuple([f"{prefix_of(name)}_" for name in destination_names(environ)])
    known = KNOWN.union(*[destination_forms(prefix) for prefix in prefixes])
    return [
        f"{shown(name)} is not a known setting: "
        + (_ADD_DESTINATION if _is_of_unlisted(name, prefixes) else _nearest(name, known))
        for name in environ
        if name.startswith(PREFIX) and name not in known
    ]


def destination_forms(prefix: str) -> Iterator[str]:
    """The variables of a destination, which begin with `prefix`."""
    yield f"{prefix}HEADERS_SECRET_ARN"
    for rest in EXPORT:
        yield prefix + rest
        for signal in SIGNALS:
            yield f"{prefix}{signal.upper()}_{rest}"


def _is_of_unlisted(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether `name` is of a destination that is not among the listed ones."""
    if not name.startswith(_DESTINATION) or name.startswith(prefixes):
        return False
    return name.endswith(tuple([f"_{rest}" for rest in (*EXPORT, "HEADERS_SECRET_ARN")]))


def _nearest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # it imports re and collections: after a mistake only

    # Without what all have in common, which would make any name like any other.
    rests = sorted([other.removeprefix(PREFIX) for other in known])
    nearest = get_close_matches(name.removeprefix(PREFIX).upper(), rests, 1)
    return f"did you mean {PREFIX}{nearest[0]}?" if nearest else _LIST
