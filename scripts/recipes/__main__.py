"""Command line of ``scripts/new``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from recipes import setting, trigger
from recipes.source_list import RecipeError


def main() -> int:
    """Write what is asked for; 2 where that cannot be."""
    parser = argparse.ArgumentParser(
        prog="scripts/new", description="Start something new from a template."
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(__file__).resolve().parents[2],
        help="the checkout to write to (default: this one)",
    )
    kinds = parser.add_subparsers(dest="kind_of_thing", required=True, metavar="KIND")
    trigger.add_arguments(kinds.add_parser("trigger", help="an event source"))
    setting.add_arguments(kinds.add_parser("setting", help="an environment variable"))
    arguments = parser.parse_args()
    try:
        if arguments.kind_of_thing == "trigger":
            print(trigger.write(arguments.root, trigger.from_arguments(arguments)))
        else:
            print(setting.write(arguments.root, setting.from_arguments(arguments)))
    except RecipeError as error:
        print(f"new: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
