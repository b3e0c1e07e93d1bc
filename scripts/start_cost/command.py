"""How the measurements are run as commands: what they say meanwhile, and how they end."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path


def say(step: str) -> None:
    """What is being done, beside the figures on standard output."""
    print(f"==> {step}", file=sys.stderr, flush=True)


def need_layer(parser: argparse.ArgumentParser, layer: Path) -> None:
    """End with one line where `layer` is not there."""
    if not layer.is_file():
        parser.error(f"{layer}: no such layer; scripts/build-layer")


def run(main: Callable[[], int]) -> None:
    """Exit with ``main()``; a signal ends it so that processes and control groups are removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
