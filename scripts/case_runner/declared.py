"""What a case asks for: its own command line, or the table in the README of its folder. Pure."""

from __future__ import annotations

import argparse
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Words of a "needs" cell that are no packages.
_SERVERS = frozenset(("sink", "moto", "moto server"))


@dataclass(frozen=True)
class Needs:
    """How a case is run.

    Attributes:
        handler: as Lambda's setting.
        timeout_s: the function's timeout in seconds.
        gap_s: seconds between the end of an invocation and the next one.
        framed: whether the runtime has Lambda's framed log descriptor.
        memory_mb: the function's memory setting.
        env: the function's variables.
        packages: what the function's Python has installed.
    """

    handler: str = "app.handler"
    timeout_s: float = 30
    gap_s: float = 0
    framed: bool = False
    memory_mb: int = 1769
    env: dict[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()


def from_cell(cell: str) -> Needs:
    """The needs that a cell such as ``boto3; --timeout 20; env A=b`` names."""
    needs = Needs()
    for part in cell.split(";"):
        # A remark stands apart; a bracket inside a value belongs to it.
        text = re.sub(r"(?:^|\s)\(.*?\)", "", part).strip()
        words = text.replace("--", "").split()
        if not words:
            continue
        if words[0] == "timeout":
            needs = replace(needs, timeout_s=float(words[1]))
            words = words[2:]
        if words and words[0] == "gap":
            needs = replace(needs, gap_s=float(words[1]))
        elif words and words[0] == "framed":
            needs = replace(needs, framed=True)
        elif words and words[0] == "handler":
            needs = replace(needs, handler=words[1])
        elif words and words[0] == "env":
            given = dict(word.split("=", 1) for word in text.split()[1:])
            needs = replace(needs, env={**needs.env, **given})
        elif words:
            names = (name.strip() for name in text.split(","))
            packages = tuple(name for name in names if name and name.lower() not in _SERVERS)
            needs = replace(needs, packages=needs.packages + packages)
    return needs


def from_readme(text: str) -> dict[str, tuple[Needs, str]]:
    """{case: (its needs, what is expected)} of a table ``case | issue | needs | expected``."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and re.fullmatch(r"\w+", cells[0]):
            found[cells[0]] = (from_cell(cells[2]), cells[3])
    found.pop("case", None)
    return found


def from_arguments(line: str | Sequence[str], needs: Needs) -> Needs:
    """`needs` changed by options: ``--timeout S --gap S --framed --handler H --env K=V``.

    Raises:
        ValueError: an option is unknown or its value cannot be used.
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--timeout", type=float, default=needs.timeout_s)
    parser.add_argument("--gap", type=float, default=needs.gap_s)
    parser.add_argument("--memory", type=int, default=needs.memory_mb)
    parser.add_argument("--framed", action=argparse.BooleanOptionalAction, default=needs.framed)
    parser.add_argument("--handler", default=needs.handler)
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--package", action="append", default=list(needs.packages))
    words = shlex.split(line) if isinstance(line, str) else list(line)
    try:
        known, unknown = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from None
    wrong = [*unknown, *(pair for pair in known.env if "=" not in pair)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no option of a case; see scripts/cases --help")
    return Needs(
        known.handler,
        known.timeout,
        known.gap,
        known.framed,
        known.memory,
        {**needs.env, **dict(pair.split("=", 1) for pair in known.env)},
        tuple(known.package),
    )
