"""Writes lean bytecode (`lean_syntax`), for the Python that runs this module.

compileall drops docstrings only together with assertions, and under another file name
(https://docs.python.org/3/using/cmdline.html#cmdoption-OO).
"""

from __future__ import annotations

import ast
import importlib.util
import marshal
import re
import sys
from pathlib import Path

from layer_build import bundles
from layer_build.inlined_conventions import inline_conventions
from layer_build.late_imports import late_modules, put_off_imports
from layer_build.lean_syntax import lean
from layer_build.start_groups import start_groups

# https://peps.python.org/pep-0552/: the pyc is hash-based; its source is not looked at.
_HEAD = importlib.util.MAGIC_NUMBER + (0b01).to_bytes(4, "little")
_MAIN = "serverless_instrument/forwarder/main.py"
# Tables of names: each name an assignment, then enumerations that hardly anybody uses.
_NAMES = re.compile(r"/opentelemetry/semconv/(_incubating/)?attributes/\w+\.py$")
_USES_NAMES = re.compile(r"/vendor/opentelemetry/(?!semconv/)")


def code(source: bytes, shown_as: str) -> bytes:
    """Marshalled code of `source`, which names the file `shown_as`; raises SyntaxError."""
    tree = lean(ast.parse(source, shown_as), names_only=bool(_NAMES.search(shown_as)))
    if _USES_NAMES.search(shown_as):
        inline_conventions(tree)
    put_off_imports(tree, late_modules(shown_as))
    return marshal.dumps(compile(tree, shown_as, "exec", dont_inherit=True))


def main() -> int:
    """Compile every module below a directory; 1 where one does not compile.

    Arguments: the directory, where it will be, a pattern of the modules to leave as source.
    """
    top, shown_below, source_only = Path(sys.argv[1]), sys.argv[2], re.compile(sys.argv[3])
    sys.path.insert(0, f"{top}/{bundles.VENDOR}")  # for the values of the conventions
    bundled: dict[str, bytes] = {}
    status = 0
    for path in sorted(top.rglob("*.py")):
        name, source = path.relative_to(top).as_posix(), path.read_bytes()
        if source_only.search(path.as_posix()):
            continue
        try:
            compiled = code(source, f"{shown_below}/{name}")
        except SyntaxError as error:
            print(f"SyntaxError: {path}: {error}")
            status = 1
            continue
        if bundles.bundles_of(name):
            bundled[name] = compiled
        if bundles.has_own_file(name):
            target = Path(importlib.util.cache_from_source(str(path)))
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(_HEAD + importlib.util.source_hash(source) + compiled)
    if bundled:
        tag = str(sys.implementation.cache_tag)
        groups = start_groups(top) if (top / _MAIN).exists() else {}
        bundles.write(top / "serverless_instrument" / "bundles" / tag, bundled, groups)
    return status


if __name__ == "__main__":
    sys.exit(main())
