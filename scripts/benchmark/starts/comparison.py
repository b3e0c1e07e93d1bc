"""A figure of the bare process beside ours; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark import markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterable


class Row(NamedTuple):
    """One comparison.

    `budget` bounds `ours - bare` when `relative`, else `ours`; None where there is none. A `stable`
    figure is the same in every run, so that exceeding its budget is a failure and not weather.
    """

    what: str
    unit: str
    bare: float
    ours: float
    budget: float | None = None
    relative: bool = False
    stable: bool = False

    @property
    def difference(self) -> float:
        """What ours costs over the bare one."""
        return self.ours - self.bare

    @property
    def is_over(self) -> bool:
        """Is the budget exceeded?"""
        judged = self.difference if self.relative else self.ours
        return self.budget is not None and judged > self.budget


def table(rows: Iterable[Row]) -> list[str]:
    """The lines of a Markdown table."""
    titles = ["", "unit", "bare", "ours", "difference", "budget", ""]
    return markdown_table.lines(titles, [_cells(row) for row in rows], texts=2)


def _cells(row: Row) -> list[str]:
    sign = "+" if row.relative else ""
    budget = "" if row.budget is None else f"{sign}{row.budget:.3g}"
    verdict = "" if row.budget is None else "**over**" if row.is_over else "ok"
    figures = [f"{row.bare:.1f}", f"{row.ours:.1f}", f"{row.difference:+.1f}"]
    return [row.what, row.unit, *figures, budget, verdict]


def data(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The same, ready for json.dump."""
    return [{**row._asdict(), "difference": row.difference, "over": row.is_over} for row in rows]
