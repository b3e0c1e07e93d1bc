"""What the commands share: their parser, what they say meanwhile, how they end."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def parser(name: str, description: str, *, layer: bool = False) -> argparse.ArgumentParser:
    """The parser of ``scripts/bench NAME``; with `layer` it has the layer's zip as ``--layer``."""
    made = argparse.ArgumentParser(
        prog=f"scripts/bench {name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if layer:
        made.add_argument(
            "--layer", type=Path, required=True, metavar="ZIP", help="the built layer"
        )
    return made


def need_layer(parser: argparse.ArgumentParser, layer: Path) -> None:
    """End with one line where `layer` is not there."""
    if not layer.is_file():
        parser.error(f"{layer}: no such layer; scripts/build-layer")


def say(step: str) -> None:
    """What is being done, beside the figures on standard output."""
    print(f"==> {step}", file=sys.stderr, flush=True)


def write_json(path: Path, data: object) -> None:
    """Write `data` with a line for each figure, not one for each number of it."""
    text = json.dumps(data, indent=1)
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
    path.write_text(f"{text}\n")


def run(main: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> None:
    """Exit with ``main(arguments)``; a signal ends it so that its processes are ended, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
