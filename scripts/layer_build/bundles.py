"""Bytecode of a package's modules in one file, as ``serverless_instrument.bundles`` reads it.

A head (the magic number of the bytecode, the length of the index), the index ({module name:
(offset, length in bytes, is it a package?)}, marshalled), and the code of each module. Modules that
every start loads stand together, in the order in which they can be executed: the index has their
names under ``<group>``.

Of our own modules each process has a bundle. Outside are what is loaded before the finder is, and
the top-level modules of the vendored packages, which the path finds. One file compresses better
than many, too, and has one entry in the zip.
"""

from __future__ import annotations

import importlib.util
import marshal
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

VENDOR = "serverless_instrument/vendor/"
_OURS = "serverless_instrument/"
# Loaded before a bundle is looked for.
_BEFORE_THE_FINDER = re.compile(
    r"serverless_instrument/(__init__|bundles|wire|wrapper/__init__"
    r"|forwarder/(__init__|__main__|start|bare_next|http1|runtime_socket|extensions_api))\.py"
)
_VENDORED_TOP_LEVEL = re.compile(r"\w+(/__init__)?\.py")
# Also with a file of its own: OpenTelemetry's API, which a process without our finder, a child of
# the function's, may import.
_API = re.compile(
    r"opentelemetry/(attributes|baggage|context|environment_variables|propagate|propagators"
    r"|trace|util|version)/"
)
_HEAD_BYTES = 8
# Without references, whose number and so whose length follows from what else exists.
_PLAIN = 2


def bundles_of(path: str) -> tuple[str, ...]:
    """Names of the bundles that have the module at `path`, relative to the layer's python/."""
    if path.startswith(VENDOR):
        name = path.removeprefix(VENDOR)
        return () if _VENDORED_TOP_LEVEL.fullmatch(name) else (name.partition("/")[0],)
    if _BEFORE_THE_FINDER.fullmatch(path):
        return ()
    process = path.removeprefix(_OURS).partition("/")[0]
    return (process,) if process in ("forwarder", "wrapper") else ("forwarder", "wrapper")


def has_own_file(path: str) -> bool:
    """Whether the module has a pyc."""
    return not bundles_of(path) or bool(_API.match(path.removeprefix(VENDOR)))


def write(
    directory: Path, codes: Mapping[str, bytes], groups: Mapping[str, Mapping[str, Sequence[str]]]
) -> None:
    """Write the bundles of `codes`, {path: marshalled code}, into `directory`.

    `groups` is {bundle: {group: names of modules, in order}}; a module is in one group at most.
    """
    bundled: dict[str, dict[str, bytes]] = {}
    for path, code in codes.items():
        for name in bundles_of(path):
            bundled.setdefault(name, {})[_module_name(path)] = code
    directory.mkdir(parents=True)
    packages = {_module_name(path) for path in codes if path.endswith("/__init__.py")}
    for name, modules in bundled.items():
        wanted = {
            group: [module for module in members if module in modules]
            for group, members in groups.get(name, {}).items()
        }
        first = [module for members in wanted.values() for module in members]
        ordered = {module: modules[module] for module in (*first, *modules)}
        (directory / name).write_bytes(_packed(ordered, wanted, packages))


def _module_name(path: str) -> str:
    name = path.removeprefix(VENDOR).removesuffix(".py").removesuffix("/__init__")
    return name.replace("/", ".")


def _packed(
    codes: Mapping[str, bytes], groups: Mapping[str, Sequence[str]], packages: set[str]
) -> bytes:
    # Offsets count from the file's start, so that the length of the index must be known before:
    # it is, since all integers are of one size.
    index = _index(codes, groups, packages, 0)
    start = _HEAD_BYTES + len(marshal.dumps(index, _PLAIN))
    dumped = marshal.dumps(_index(codes, groups, packages, start), _PLAIN)
    head = importlib.util.MAGIC_NUMBER + len(dumped).to_bytes(4, "little")
    return b"".join([head, dumped, *codes.values()])


def _index(
    codes: Mapping[str, bytes],
    groups: Mapping[str, Sequence[str]],
    packages: set[str],
    offset: int,
) -> dict[str, object]:
    index: dict[str, object] = {f"<{group}>": tuple(names) for group, names in groups.items()}
    for name, code in codes.items():
        index[name] = (offset, len(code), name in packages)
        offset += len(code)
    return index
