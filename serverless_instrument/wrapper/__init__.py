"""The runtime side, inside the Lambda runtime process; and the finder of the layer's modules.

Importing a module takes 0.3 M instructions before its first line runs, because directories are
searched and a file is stat'ed, opened and read; a start imports a hundred. The layer therefore has
the bytecode of each package in one file, a bundle (written by ``layer_build/bundles.py``). The
finder here finds exactly what the path would: where the function has a package of that name earlier
on the path, or another finder or path entry interferes, it asks the path.
"""

from __future__ import annotations

import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, PathFinder, SourceFileLoader
from marshal import loads
from posix import O_CLOEXEC, O_RDONLY, close, listdir, pread
from posix import open as open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

    # Offset of the code in the file, its size in bytes, whether it is a package's.
    Place = tuple[int, int, bool]

_HEAD_BYTES = 8
# Raised where a bundle cannot be read or is damaged; the source on the path is used then.
_DAMAGES = (OSError, EOFError, ValueError, TypeError)


class Bundles:
    """A meta path finder for the modules below the packages of the layer.

    Args:
        root: the layer's directory on sys.path.
        directory: of the bundles of this Python version, with a slash at its end.
        packages: the top-level packages that have a bundle there.
    """

    def __init__(self, root: str, directory: str, packages: Sequence[str]) -> None:
        self._root = root
        self._directory = directory
        self._unread = set(packages)
        self._places: dict[str, Place] = {}

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The spec of module `name`; None if it is not in a bundle. The import system calls it."""
        if path is None:
            return None
        package = name.partition(".")[0]
        if package in self._unread:
            self._unread.remove(package)
            self._places.update(_index(self._directory + package))
        place = self._places.get(name)
        if place is None:
            return None
        stem = f"{self._root}/{name.replace('.', '/')}"
        file = f"{stem}/__init__.py" if place[2] else f"{stem}.py"
        for first in path:
            if first == stem.rpartition("/")[0]:
                break
            found = PathFinder.find_spec(name, path, target)
            if found is None or found.origin != file:
                return found
            break
        bundle = self._directory + package
        spec = ModuleSpec(
            name, _Loader(name, file, bundle, place), origin=file, is_package=place[2]
        )
        spec.has_location = True
        spec.cached = bundle
        if place[2]:
            spec.submodule_search_locations = [stem]
        return spec


class _Loader(SourceFileLoader):
    """Loads a module's code from the bundle, and the source for tracebacks from its file."""

    def __init__(self, name: str, file: str, bundle: str, place: Place) -> None:
        super().__init__(name, file)
        self._bundle = bundle
        self._place = place

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code from the bundle; compiled from its source if the bundle is damaged."""
        offset, size_bytes, _ = self._place
        try:
            code: CodeType = loads(_read(self._bundle, offset, size_bytes))
        except _DAMAGES:
            return super().get_code(fullname)
        return code


def _index(bundle: str) -> dict[str, Place]:
    """Module names to places in a bundle; {} if it is damaged or of another Python version."""
    try:
        head = _read(bundle, 0, _HEAD_BYTES)
        if head[:4] == MAGIC_NUMBER:
            size_bytes = int.from_bytes(head[4:], "little")
            places: dict[str, Place] = loads(_read(bundle, _HEAD_BYTES, size_bytes))
            return places
    except _DAMAGES:
        pass
    return {}


def _read(path: str, offset: int, size_bytes: int) -> bytes:
    # Opened for each read: the function may close a descriptor that is kept, whose number may then
    # be another file's.
    descriptor = open_file(path, O_RDONLY | O_CLOEXEC)
    try:
        return pread(descriptor, size_bytes, offset)
    finally:
        close(descriptor)


def _install() -> None:
    package = __path__[0].rpartition("/")[0]
    directory = f"{package}/bundles/{sys.implementation.cache_tag}/"
    try:
        packages = listdir(directory)
    except OSError:
        return  # not in the layer, or the layer has no bytecode for this Python version
    sys.meta_path.insert(0, Bundles(package.rpartition("/")[0], directory, packages))


_install()
