"""How a process finds the layer's modules: our own, and the packages that we vendor.

A module takes the import system 0.3 M instructions before its first line is executed: directories
are searched, a file is looked at, opened and read, and a start takes a hundred of them. The layer
has the bytecode of a package in one file (written by ``layer_build/bundles.py``) and this finder
for it, which gives exactly what the path would: where a package of the function's comes first, or
something else has put itself in between, the path is asked.

The vendored packages are in a folder of ours, ``vendor``, which is the last on ``sys.path``. Layers
are merged file by file below /opt, so a package that stood in /opt/python could be half ours and
half another layer's (https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html).
"""

from __future__ import annotations

import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, PathFinder, SourceFileLoader
from marshal import loads
from posix import O_CLOEXEC, O_RDONLY, close, listdir, pread, stat
from posix import open as open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, ModuleType

    # Where the code is in the file, its size in bytes, and is it a package's?
    Place = tuple[int, int, bool]

_PACKAGE = __file__.rpartition("/")[0]
_VENDOR = f"{_PACKAGE}/vendor"
_BUNDLES = f"{_PACKAGE}/bundles/{sys.implementation.cache_tag}"
_OURS = frozenset(("forwarder", "wrapper"))
_HEAD_BYTES = 8
# A bundle that cannot be read, or is no longer what it was: then the path has it all as source.
_DAMAGES = (OSError, EOFError, ValueError, TypeError)


class Bundles:
    """A meta path finder for the modules below some packages of one directory on ``sys.path``.

    Args:
        root: that directory.
        files: {top-level package: its bundle}.
    """

    def __init__(self, root: str, files: Mapping[str, str]) -> None:
        self._root = root
        self._files = files
        self._unread = set(files)
        self._places: dict[str, Place] = {}

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The import system's question; None for what is not in a bundle."""
        if path is None:
            return None
        place = self._place(name)
        if place is None:
            return None
        stem = f"{self._root}/{name.replace('.', '/')}"
        for first in path:
            if first == stem.rpartition("/")[0]:
                break
            found = PathFinder.find_spec(name, path, target)
            if found is None or found.origin not in (f"{stem}/__init__.py", f"{stem}.py"):
                return found
            break
        return self._spec(name, stem, place)

    def _place(self, name: str) -> Place | None:
        package = name.partition(".")[0]
        if package in self._unread:
            self._unread.remove(package)
            self._places.update(_index(self._files[package]))
        return self._places.get(name)

    def _spec(self, name: str, stem: str, place: Place) -> ModuleSpec:
        file = f"{stem}/__init__.py" if place[2] else f"{stem}.py"
        bundle = self._files[name.partition(".")[0]]
        spec = ModuleSpec(
            name, _Loader(name, file, bundle, place), origin=file, is_package=place[2]
        )
        spec.has_location = True
        spec.cached = bundle
        if place[2]:
            spec.submodule_search_locations = [stem]
        return spec

    def preload(self, package: str, group: str) -> None:
        """Execute the modules of a group, in order, by one reading and without the import system.

        That takes 0.1 M instructions for each module. A module that cannot be executed is left to
        the import statement that needs it, and with it the rest.
        """
        self._place(package)
        names: Sequence[str] = self._places.get(f"<{group}>", ())  # type: ignore[assignment] # these keys hold names
        places = [self._places[name] for name in names]
        if not places:
            return
        start, end = places[0][0], places[-1][0] + places[-1][1]
        try:
            data = _read(self._files[package], start, end - start)
            for name, place in zip(names, places, strict=True):
                if name not in sys.modules:
                    offset = place[0] - start
                    self._execute(name, place, loads(data[offset : offset + place[1]]))
        except Exception:
            return

    def _execute(self, name: str, place: Place, code: CodeType) -> None:
        spec = self._spec(name, f"{self._root}/{name.replace('.', '/')}", place)
        module = type(sys)(name)
        attributes = module.__dict__
        attributes["__file__"], attributes["__cached__"] = spec.origin, spec.cached
        attributes["__loader__"], attributes["__spec__"] = spec.loader, spec
        parent, _, child = name.rpartition(".")
        attributes["__package__"] = name if place[2] else parent
        if place[2]:
            attributes["__path__"] = spec.submodule_search_locations
        sys.modules[name] = module
        try:
            exec(code, attributes)
        except BaseException:
            del sys.modules[name]
            raise
        setattr(sys.modules[parent], child, module)
        if sys.flags.verbose:  # as the import system tells it under -v
            sys.stderr.write(f"import {name!r} # {spec.loader!r}\n")


class _Loader(SourceFileLoader):
    """Its code is in the bundle; all else, the source a traceback shows, is in its file."""

    def __init__(self, name: str, file: str, bundle: str, place: Place) -> None:
        super().__init__(name, file)
        self._bundle = bundle
        self._place = place

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, or what its source compiles to."""
        offset, size_bytes, _ = self._place
        try:
            code: CodeType = loads(_read(self._bundle, offset, size_bytes))
        except _DAMAGES:
            return super().get_code(fullname)
        return code


def _index(bundle: str) -> dict[str, Place]:
    """What is in a bundle; nothing where it is damaged or of another Python."""
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
    # Opened anew: a descriptor that is kept is the function's to close, and another file's then.
    descriptor = open_file(path, O_RDONLY | O_CLOEXEC)
    try:
        return pread(descriptor, size_bytes, offset)
    finally:
        close(descriptor)


# The finder of our own modules, if the layer has them in a bundle.
_own: list[Bundles] = []


def install(name: str) -> None:
    """Find our own modules in the bundle `name`, "wrapper" or "forwarder", if the layer has one."""
    bundle = f"{_BUNDLES}/{name}"
    try:
        stat(bundle)
    except OSError:
        return  # not in the layer, or of a Python that it has no bytecode for
    root, _, package = _PACKAGE.rpartition("/")
    _own.append(Bundles(root, {package: bundle}))
    sys.meta_path.insert(0, _own[0])


def preload(group: str) -> None:
    """Load the modules of ours that every start has in common, if they are in a bundle.

    Groups: "start" of the runtime; of the forwarder "next", before its first /next, and "idle".
    """
    if _own:
        _own[0].preload("serverless_instrument", group)


def append_vendored_to_path() -> None:
    """Let the function import what we vendor and nobody else provides."""
    try:
        stat(_VENDOR)
    except OSError:
        return
    if _VENDOR not in sys.path:
        sys.path.append(_VENDOR)


def install_vendored() -> None:
    """Find the modules of the vendored packages in their bundles."""
    try:
        names = listdir(_BUNDLES)
    except OSError:
        return
    files = {name: f"{_BUNDLES}/{name}" for name in names if name not in _OURS}
    sys.meta_path.insert(0, Bundles(_VENDOR, files))
