"""Bytecode of a package's modules in one file, as ``serverless_instrument.wrapper`` reads it.

A head (the magic number of the bytecode, the length of the index), the index ({module name:
(offset, length in bytes, is it a package?)}, marshalled), and the code of each module.

Outside are the modules at the top, which the path finds, what is loaded before the finder is, and
the forwarder's. One file compresses better than many, too, and has one entry in the zip.
"""

from __future__ import annotations

import importlib.util
import marshal
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PACKAGES = re.compile(r"(opentelemetry|packaging|serverless_instrument|wrapt)/.")
_OUTSIDE = re.compile(r"\w+/__init__\.py|serverless_instrument/(wrapper/__init__\.py|forwarder/)")
# In both: what the forwarder loads as well; and OpenTelemetry's API, which a process without our
# finder, a child of the function's, may import.
_IN_BOTH = re.compile(
    r"serverless_instrument/(?!api)\w+\.py"
    r"|opentelemetry/(attributes|baggage|context|environment_variables|propagate|propagators"
    r"|trace|util|version)/"
)
_HEAD_BYTES = 8
# Without references, whose number and so whose length follows from what else exists.
_PLAIN = 2


def is_bundled(path: str) -> bool:
    """Does the module at `path`, relative to the layer's python/, go into a bundle?"""
    return bool(_PACKAGES.match(path)) and not _OUTSIDE.match(path)


def has_own_file(path: str) -> bool:
    """Has it a pyc?"""
    return not is_bundled(path) or bool(_IN_BOTH.match(path))


def write(directory: Path, codes: Mapping[str, bytes]) -> None:
    """Write the bundles of `codes`, {path: marshalled code}, into `directory`."""
    packages: dict[str, dict[str, bytes]] = {}
    for path, code in codes.items():
        packages.setdefault(path.partition("/")[0], {})[path] = code
    directory.mkdir(parents=True)
    for package, modules in packages.items():
        (directory / package).write_bytes(_packed(modules))


def _packed(codes: Mapping[str, bytes]) -> bytes:
    # Offsets count from the file's start, so that the length of the index must be known before:
    # it is, since all integers are of one size.
    index = _index(codes, 0)
    start = _HEAD_BYTES + len(marshal.dumps(index, _PLAIN))
    dumped = marshal.dumps(_index(codes, start), _PLAIN)
    head = importlib.util.MAGIC_NUMBER + len(dumped).to_bytes(4, "little")
    return b"".join([head, dumped, *codes.values()])


def _index(codes: Mapping[str, bytes], offset: int) -> dict[str, tuple[int, int, bool]]:
    places = {}
    for path, code in codes.items():
        is_package = path.endswith("/__init__.py")
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        places[name] = (offset, len(code), is_package)
        offset += len(code)
    return places
