"""Command line of ``scripts/build-layer``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from layer_build import (
    archive,
    bundles,
    bytecode,
    dependencies,
    freshness,
    interpreters,
    notices,
    tree,
)
from layer_build.errors import BuildError
from layer_build.start_groups import RECORDED

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = _ROOT / tree.PACKAGE
_LAUNCHER = _ROOT / "layer" / "extensions" / "serverless-instrument"
_REQUIREMENTS = _ROOT / "layer" / "requirements.txt"
_LICENSE = _ROOT / "LICENSE"

# CONTRIBUTING.md, "Budgets"
BUDGET_ONE_PYTHON_BYTES = 2_000_000
BUDGET_ALL_BYTES = 5_000_000


def main() -> int:
    """Build the layer as the command line says; the exit status."""
    arguments = _parser().parse_args()
    try:
        _build(arguments.python, arguments.output, if_stale=arguments.if_stale)
    except BuildError as error:
        print(f"build-layer: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(f"build-layer: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/build-layer",
        description="Build the Lambda layer, byte for byte reproducibly.",
    )
    parser.add_argument(
        "--python",
        default=interpreters.running(),
        metavar="VERSION",
        help=f"whose bytecode to include: one of {', '.join(interpreters.SUPPORTED)}, or all of "
        "them that are found (default: the running one, %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=_ROOT / "dist" / "serverless-instrument-layer.zip",
        metavar="FILE",
        help="the zip to write (default: dist/serverless-instrument-layer.zip)",
    )
    parser.add_argument(
        "--if-stale", action="store_true", help="do nothing when FILE is what would be written"
    )
    return parser


def _build(asked: str, output: Path, *, if_stale: bool) -> None:
    chosen, missing = interpreters.chosen(asked, os.environ)
    inputs = [_PACKAGE, _LAUNCHER, _REQUIREMENTS, _LICENSE, RECORDED, Path(__file__).parent]
    current = freshness.fingerprint(inputs, chosen)
    if if_stale and freshness.is_fresh(output, current):
        return
    for version in missing:
        print(f"python{version} not found: no pyc for it; it still works, slower")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="layer-") as scratch:
        opt = Path(scratch) / "opt"
        _lay_out(opt)
        _say(f"compiling for Python {', '.join(chosen)}")
        bytecode.compile_tree(opt / "python", chosen)
        _say(f"writing {output}")
        archive.write(opt, output)
    freshness.remember(output, current)
    _report(output, time.monotonic() - started)
    budget_bytes = BUDGET_ALL_BYTES if asked == "all" else BUDGET_ONE_PYTHON_BYTES
    _hold_budget(output, budget_bytes, missing)


def _lay_out(opt: Path) -> None:
    _say("fetching the pinned packages")
    wheels = dependencies.wheels(_REQUIREMENTS, _ROOT / ".cache")
    _say(f"laying out {len(wheels)} packages and {tree.PACKAGE}")
    python = opt / "python"
    tree.add_wheels(python / bundles.VENDOR, wheels)
    tree.add_package(python, _PACKAGE)
    tree.add_entry_points(opt, _PACKAGE, _LAUNCHER)
    licence = _LICENSE.read_text("utf-8")
    (python / tree.PACKAGE / "LICENSE").write_text(licence, "utf-8")
    third_party = notices.third_party(wheels, licence)
    (python / tree.PACKAGE / "THIRD-PARTY-NOTICES").write_text(third_party, "utf-8")


def _say(step: str) -> None:
    print(f"==> {step}", file=sys.stderr, flush=True)


def _report(output: Path, elapsed_s: float) -> None:
    sizes = archive.sizes(output)
    print(f"{'part':<24}{'files':>7}{'zip bytes':>12}{'unzipped':>12}")
    for size in sizes:
        print(f"{size.part:<24}{size.files:>7}{size.zip_bytes:>12,}{size.unzipped_bytes:>12,}")
    print(
        f"{output}: {output.stat().st_size:,} bytes, "
        f"{sum(size.unzipped_bytes for size in sizes):,} unzipped, in {elapsed_s:.1f} s"
    )


def _hold_budget(output: Path, budget_bytes: int, missing: Sequence[str]) -> None:
    """Raise BuildError where the zip is too large, or would be with the Pythons not found.

    Each of them is taken for as large as the largest of those that were.
    """
    size_bytes = output.stat().st_size
    also = ""
    if missing:
        size_bytes += len(missing) * max(archive.bytecode_bytes(output).values())
        also = f" with Python {', '.join(missing)}, as large as the largest of the others"
        print(f"{output}: about {size_bytes:,} bytes{also}")
    if size_bytes > budget_bytes:
        raise BuildError(
            f"{output} has {size_bytes:,} bytes{also}, over its budget of {budget_bytes:,}; "
            "drop dead weight (layer_build/tree.py)"
        )


if __name__ == "__main__":
    sys.exit(main())
