"""The zip, the same bytes for the same content wherever and whenever it is written."""

from __future__ import annotations

import os
import re
import stat
import tempfile
import zipfile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The earliest time a zip entry can hold.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
# What an entry takes besides its content and, twice, its name (APPNOTE.TXT, 4.3.7 and 4.3.12).
_ENTRY_BYTES = 30 + 46
# https://peps.python.org/pep-3147/
_TAG = re.compile(r"cpython-3\d+")


class Size(NamedTuple):
    """One top-level part of the layer."""

    part: str
    files: int
    zip_bytes: int
    unzipped_bytes: int


def write(opt: Path, output: Path) -> None:
    """Write the tree `opt` as the zip `output`, in one rename.

    Entries are sorted; modes are 755 for directories and executables, 644 otherwise, whatever the
    umask: the function's user is not the one who unpacks the layer.

    Raises:
        OSError: `output` cannot be written.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=output.parent, prefix=".layer-", suffix=".zip")
    try:
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            for path in sorted(opt.rglob("*")):
                _add(archive, path, path.relative_to(opt).as_posix())
        os.chmod(partial, 0o644)
        os.replace(partial, output)
    except BaseException:
        os.unlink(partial)
        raise


def sizes(output: Path) -> list[Size]:
    """Compressed and unpacked size of each top-level part of the zip `output`."""
    with zipfile.ZipFile(output) as archive:
        return list(_sizes(archive.infolist()))


def bytecode_bytes(output: Path) -> dict[str, int]:
    """{cache tag: what the bytecode of that Python takes in the zip `output`}."""
    found: dict[str, int] = {}
    with zipfile.ZipFile(output) as archive:
        for entry in archive.infolist():
            if tag := _TAG.search(entry.filename):
                taken = entry.compress_size + _ENTRY_BYTES + 2 * len(entry.filename)
                found[tag[0]] = found.get(tag[0], 0) + taken
    return found


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    if path.is_dir():
        entry = zipfile.ZipInfo(name + "/", _TIMESTAMP)
        mode = stat.S_IFDIR | 0o755
        content = b""
    else:
        entry = zipfile.ZipInfo(name, _TIMESTAMP)
        mode = stat.S_IFREG | (0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        content = path.read_bytes()
    entry.create_system = _UNIX
    entry.external_attr = mode << 16
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED if content else zipfile.ZIP_STORED, 9)


def _sizes(entries: list[zipfile.ZipInfo]) -> Iterator[Size]:
    for part in sorted({entry.filename.partition("/")[0] for entry in entries}):
        files = [
            entry
            for entry in entries
            if entry.filename.partition("/")[0] == part and not entry.is_dir()
        ]
        yield Size(
            part,
            len(files),
            sum(entry.compress_size for entry in files),
            sum(entry.file_size for entry in files),
        )
