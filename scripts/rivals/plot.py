"""Bars and lines as SVG, readable on a light page and on a dark one; pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 760
_LABEL = 190
_BAR = 16
_GAP = 8
# GitHub shows an SVG of a README in an <img>, where the reader's colour scheme still reaches it.
_STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 15px; }
.small { font-size: 11px; fill: #59636e; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.ours { fill: #1a7f37; } .other { fill: #818b98; } .pale { opacity: 0.35; }
.line { fill: none; stroke-width: 2; }
.c0 { stroke: #0969da; fill: #0969da; } .c1 { stroke: #bc4c00; fill: #bc4c00; }
.c2 { stroke: #1a7f37; fill: #1a7f37; } .line.c0, .line.c1, .line.c2 { fill: none; }
text.c0, text.c1, text.c2 { stroke: none; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .small { fill: #9198a1; } .grid { stroke: #3d444d; }
.ours { fill: #3fb950; } .other { fill: #6e7681; }
.c0 { stroke: #4493f8; fill: #4493f8; } .c1 { stroke: #f0883e; fill: #f0883e; }
.c2 { stroke: #3fb950; fill: #3fb950; }
}
</style>"""


class Bar(NamedTuple):
    """One bar; `value` None means that it was not measured.

    With `companion` it is the first part of a longer, paler one: what a second process adds.
    """

    label: str
    value: float | None
    ours: bool = False
    companion: float = 0.0


class Panel(NamedTuple):
    """Bars under a title; `unit` stands behind each figure."""

    title: str
    unit: str
    bars: Sequence[Bar]


class Line(NamedTuple):
    """Points (x, y) of one series, both above 0."""

    label: str
    points: Sequence[tuple[float, float]]


def bars(title: str, panels: Sequence[Panel]) -> str:
    """Horizontal bars, one panel below the other, each with a scale of its own."""
    parts, y = [_text(0, 18, title, "title")], 34
    for panel in panels:
        y += 18
        parts.append(_text(0, y, panel.title))
        y += _GAP
        longest = max(((bar.value or 0) + bar.companion for bar in panel.bars), default=0) or 1
        for bar in panel.bars:
            parts.append(_text(_LABEL - 8, y + 13, bar.label, anchor="end"))
            parts.append(_bar(bar, longest, y, panel.unit))
            y += _BAR + _GAP
    return _document(y + 4, parts, title)


def _bar(bar: Bar, longest: float, y: int, unit: str) -> str:
    if bar.value is None:
        return _text(_LABEL, y + 13, "not measured", "small")
    scale = (_WIDTH - _LABEL - 170) / longest
    kind = "ours" if bar.ours else "other"
    parts = []
    right, figure = 0.0, ""
    for value, style, end in (
        (bar.value + bar.companion, f"{kind} pale", " with its extension"),
        (bar.value, kind, ""),
    ):
        if style == kind or bar.companion:
            width = max(1.0, value * scale)
            right = max(right, width)
            parts.append(
                f'<rect class="{style}" x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR}"/>'
            )
            shown = f"{value:+,.{_digits(value)}f} {unit}{end}"
            figure = f"{shown}, {figure}" if figure else shown
    return "".join(parts) + _text(_LABEL + right + 6, y + 13, figure, "small")


def _digits(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


def lines(title: str, x_title: str, y_title: str, series: Sequence[Line]) -> str:
    """Lines on two logarithmic scales: what grows linearly rises at 45 degrees.

    Raises:
        ValueError: a point is not above 0, or there are none.
    """
    left, top, right, bottom = 70.0, 34.0, _WIDTH - 32.0, 380.0
    points = [point for line in series for point in line.points]
    if not points or min(min(point) for point in points) <= 0:
        raise ValueError("a logarithmic scale needs points above 0")
    x_range = _decades([x for x, _ in points])
    y_range = _decades([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (math.log10(x) - x_range[0]) / (x_range[1] - x_range[0]) * (right - left),
            bottom - (math.log10(y) - y_range[0]) / (y_range[1] - y_range[0]) * (bottom - top),
        )

    parts = [_text(0, 18, title, "title")]
    for power in range(x_range[0], x_range[1] + 1):
        x = place(10.0**power, 10.0 ** y_range[0])[0]
        parts.append(f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>')
        parts.append(_text(x, bottom + 16, _power(power), "small", "middle"))
    for power in range(y_range[0], y_range[1] + 1):
        y = place(10.0 ** x_range[0], 10.0**power)[1]
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(_text(left - 6, y + 4, _power(power), "small", "end"))
    for number, line in enumerate(series):
        parts += _line(number, line, [place(x, y) for x, y in line.points])
    axes = f"{x_title}; upwards: {y_title}"
    parts.append(_text((left + right) / 2, bottom + 36, axes, "small", "middle"))
    return _document(int(bottom) + 48, parts, title)


def _line(number: int, line: Line, places: Sequence[tuple[float, float]]) -> list[str]:
    colour = f"c{number % 3}"
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
    key = _text(84, 52 + 18 * number, line.label, colour)
    return [f'<polyline class="line {colour}" points="{path}"/>', *dots, key]


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low = math.floor(math.log10(min(values)))
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def _power(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{name}>{escape(text)}</text>'


def _document(height: int, parts: Sequence[str], title: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">'
    )
    return "\n".join([head, _STYLE, *parts, "</svg>", ""])
