"""Command line of ``scripts/cases``."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from case_runner import comparison, declared, interpreters, servers, trial

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).resolve().parents[2]
_OPTIONS = "OPTIONS"


def main() -> int:
    """Run the cases that the command line names; 1 where a function differs from bare."""
    arguments, options = _parser().parse_known_args()
    try:
        declared.from_arguments(options, declared.Needs())
        cases = [case for folder in arguments.folders for case in _cases(folder)]
    except (OSError, ValueError) as error:
        print(f"cases: {error}", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        moto = stack.enter_context(servers.moto_server())
        return asyncio.run(_run_all(arguments, options, cases, moto))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/cases",
        description="Run cases bare and with the layer. A case is a folder with app.py and, if "
        "need be, events.json (a list; one invocation each) and a file OPTIONS.",
        epilog="Options of a case, in its file OPTIONS or here for all: --handler H, --timeout S, "
        "--gap S, --memory MB, --framed, --env NAME=VALUE, --package NAME. FAKE_AWS, SINK and MOTO "
        "in the function's environment are URLs of servers for it.",
    )
    parser.add_argument("folders", nargs="*", type=Path, default=[_ROOT / "tests" / "cases"])
    parser.add_argument("--layer", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--python", default=sys.executable, help="of the function")
    parser.add_argument("--quiet", action="store_true", help="only one line for each case")
    return parser


def _cases(folder: Path) -> Iterator[tuple[Path, declared.Needs, str]]:
    """(directory, needs, what is expected) of the case in `folder`, or of all below it."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    is_case = (folder / "events.json").exists() or list(folder.glob("*.py"))
    if is_case and not (folder / "README.md").exists():
        yield _case(folder)
        return
    below = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "_.")
    for directory in below:
        yield _case(directory)


def _case(directory: Path) -> tuple[Path, declared.Needs, str]:
    readme = directory.parent / "README.md"
    table = declared.from_readme(readme.read_text()) if readme.exists() else {}
    needs, expected = table.get(directory.name, (declared.Needs(), ""))
    options = directory / _OPTIONS
    if options.exists():
        needs = declared.from_arguments(options.read_text(), needs)
    return directory, needs, expected


async def _run_all(
    arguments: argparse.Namespace,
    options: list[str],
    cases: list[tuple[Path, declared.Needs, str]],
    moto: str,
) -> int:
    different = 0
    async with servers.answering() as sink:
        urls = {"SINK": sink, "FAKE_AWS": sink, "MOTO": moto}
        for number, (directory, needs, expected) in enumerate(cases, 1):
            print(f"==> {number} of {len(cases)}: {directory.name}", file=sys.stderr, flush=True)
            asked = declared.from_arguments(options, needs)
            try:
                said, found = await _run(directory, asked, arguments, urls)
            except (interpreters.InstallError, ValueError, OSError) as error:
                said, found = [f"  cannot be run: {error}"], ["not run"]
            print(f"{directory.name}: {', '.join(found) or 'as bare'}")
            if not arguments.quiet:
                print(f"  expected {expected}" if expected else "", *said, sep="\n", flush=True)
            different += bool(found)
    print(f"{len(cases)} cases, {different} differ from bare in answers or lines")
    return 1 if different else 0


async def _run(
    directory: Path, needs: declared.Needs, arguments: argparse.Namespace, urls: dict[str, str]
) -> tuple[list[str], list[str]]:
    python = interpreters.interpreter(needs.packages, _ROOT / ".cache", arguments.python)
    outcomes = []
    for instrumented in (False, True):
        with tempfile.TemporaryDirectory(prefix="case-") as scratch:
            # A copy: a function may write, and shared helpers stand beside the folders.
            task = Path(scratch) / directory.name
            shutil.copytree(directory, task)
            for helper in directory.parent.glob("*.py"):
                if not (task / helper.name).exists():
                    shutil.copy(helper, task)
            outcomes.append(
                await trial.run(
                    task, needs, python, arguments.layer, urls, instrumented=instrumented
                )
            )
    bare, ours = outcomes
    return comparison.report(bare, ours), comparison.differences(bare, ours)


if __name__ == "__main__":
    sys.exit(main())
