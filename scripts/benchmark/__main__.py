"""Runs one command: ``python -m benchmark NAME [ARGUMENT …]``, as ``scripts/bench`` does."""

from __future__ import annotations

import importlib
import pkgutil
import sys

from benchmark import command, commands


def main() -> None:
    """Run the command that is named first."""
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in names:
        print(f'bench: "{name}" is not one of {", ".join(names)}', file=sys.stderr)
        sys.exit(2)
    module = importlib.import_module(f"benchmark.commands.{name}")
    command.run(module.main, sys.argv[2:])


if __name__ == "__main__":
    main()
