"""Tables as Markdown; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def lines(titles: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> list[str]:
    """The lines of a table; the first `texts` columns are words, the others numbers.

    Raises:
        ValueError: a row has not as many cells as there are titles.
    """
    rules = ["---"] * texts + ["--:"] * (len(titles) - texts)
    found = [_line(titles), f"|{'|'.join(rules)}|"]
    for row in rows:
        if len(row) != len(titles):
            raise ValueError(f"{len(row)} cells under {len(titles)} titles: {', '.join(row)}")
        found.append(_line(row))
    return found


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")
