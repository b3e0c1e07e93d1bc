"""Bars and lines as SVG, readable on a light page and on a dark one.

Drawn with matplotlib (the extra ``bench``). The same figures give the same bytes: no date, ids
from a fixed salt, text as text. https://matplotlib.org/stable/users/explain/customizing.html
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

# Colours on a light page, and in their place on a dark one.
_TEXT, _SMALL, _GRID = "#1f2328", "#59636e", "#d1d9e0"
_OURS, _OTHER = "#1a7f37", "#818b98"
_SERIES = ("#0969da", "#bc4c00", "#1a7f37")
_DARK = {
    _TEXT: "#f0f6fc",
    _SMALL: "#9198a1",
    _GRID: "#3d444d",
    _OURS: "#3fb950",
    _OTHER: "#6e7681",
    _SERIES[0]: "#4493f8",
    _SERIES[1]: "#f0883e",
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "serverless-instrument",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": _TEXT,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _SMALL,
    "axes.titlecolor": _TEXT,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _SMALL,
    "ytick.color": _SMALL,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}
# 760 pixels of 96 to the inch.
_WIDTH_IN = 760 / 96
_BAR_IN = 0.24
_PANEL_IN = 0.4
_TITLE_IN = 0.3
_BOTTOM_IN = 0.08
# What a bar leaves for its figures.
_ROOM = 1.42


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
    heights_in = [_PANEL_IN + _BAR_IN * max(1, len(panel.bars)) for panel in panels]
    height_in = _TITLE_IN + sum(heights_in) + _BOTTOM_IN
    with _styled() as figure_of:
        figure = figure_of(height_in)
        top_in = height_in - _TITLE_IN
        for panel, panel_in in zip(panels, heights_in, strict=True):
            bottom, height = (top_in - panel_in) / height_in, (panel_in - _PANEL_IN) / height_in
            _draw_panel(figure.add_axes((0.22, bottom, 0.78, height)), panel)
            top_in -= panel_in
        return _svg(figure, title, height_in)


def _draw_panel(axes: Any, panel: Panel) -> None:
    longest = max(((bar.value or 0) + bar.companion for bar in panel.bars), default=0) or 1
    axes.set_title(panel.title)
    axes.set_xlim(0, longest * _ROOM)
    axes.set_ylim(len(panel.bars) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks(range(len(panel.bars)), [bar.label for bar in panel.bars], color=_TEXT)
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    for position, bar in enumerate(panel.bars):
        if bar.value is None:
            axes.text(longest * 0.01, position, "not measured", **_figures_style())
            continue
        colour = _OURS if bar.ours else _OTHER
        whole = bar.value + bar.companion
        shown = _figure(bar.value, panel.unit)
        if bar.companion:
            axes.barh(position, whole, 0.68, color=colour, alpha=0.35, gid=f"pale-{position}")
            shown += f", {_figure(whole, panel.unit)} with its extension"
        axes.barh(position, max(bar.value, 0), 0.68, color=colour, gid=f"bar-{position}")
        axes.text(max(whole, 0) + longest * 0.01, position, shown, **_figures_style())


def _figures_style() -> dict[str, Any]:
    return {"color": _SMALL, "fontsize": 8.5, "va": "center_baseline"}


def _figure(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:+,.{digits}f} {unit}"


def lines(title: str, x_title: str, y_title: str, series: Sequence[Line]) -> str:
    """Lines on two logarithmic scales: what grows linearly rises as steeply as the scales do.

    Raises:
        ValueError: a point is not above 0, or there are none.
    """
    points = [point for line in series for point in line.points]
    if not points or min(min(point) for point in points) <= 0:
        raise ValueError("a logarithmic scale needs points above 0")
    height_in = 4.4
    with _styled() as figure_of:
        figure = figure_of(height_in)
        axes = figure.add_axes((0.1, 0.12, 0.88, 0.79))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(visible=True)
        axes.set_axisbelow(True)
        axes.minorticks_off()
        for number, line in enumerate(series):
            colour = _SERIES[number % len(_SERIES)]
            xs, ys = zip(*line.points, strict=True)
            axes.plot(
                xs,
                ys,
                marker="o",
                markersize=4,
                color=colour,
                label=line.label,
                gid=f"line-{number}",
            )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _position: f"{value:,.10g}")
        axes.set_xlabel(x_title)
        axes.set_ylabel(y_title)
        axes.legend(frameon=False, loc="upper left")
        return _svg(figure, title, height_in)


class _styled:  # noqa: N801 - a context manager is called like a function
    """Context manager: matplotlib with this module's style; gives a maker of figures."""

    def __enter__(self) -> Any:
        import matplotlib as mpl
        from matplotlib.figure import Figure

        self._context = mpl.rc_context(_STYLE)
        self._context.__enter__()
        return lambda height_in: Figure(figsize=(_WIDTH_IN, height_in))

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)


def _svg(figure: Any, title: str, height_in: float) -> str:
    figure.text(0, 1 - 0.08 / height_in, title, fontsize=12, fontweight="bold", va="top")
    written = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Title": title}
    figure.savefig(written, format="svg", transparent=True, metadata=metadata)
    picture = written.getvalue()
    # The family that the layout was made with is perhaps not the reader's.
    picture = picture.replace("'DejaVu Sans', sans-serif", "system-ui, sans-serif")
    picture = re.sub(r'style="([^"]*)"', _with_classes, picture)
    return re.sub(r"<svg [^>]*>", lambda head: f"{head[0]}\n{_style_sheet()}", picture, count=1)


def _with_classes(style: re.Match[str]) -> str:
    """A style attribute with its colours as classes, which the style sheet gives a colour each."""
    kept, classes = [], []
    for declaration in style[1].split("; "):
        what, _, colour = declaration.partition(": ")
        if colour in _DARK:
            classes.append(f"{what}-{colour[1:]}")
        else:
            kept.append(declaration)
    parts = [f'class="{" ".join(classes)}"'] * bool(classes)
    return " ".join([*parts, *[f'style="{"; ".join(kept)}"'] * bool(kept)])


def _style_sheet() -> str:
    """A colour for each class, and another where the reader's scheme is dark.

    A Markdown page shows the picture in an <img>, which the reader's scheme still reaches.
    """
    light = [_rules(colour, colour) for colour in _DARK]
    dark = [_rules(*pair) for pair in _DARK.items()]
    rules = [*light, "@media (prefers-color-scheme: dark) {", *dark, "}"]
    return "\n".join(["<style>", *rules, "</style>"])


def _rules(name: str, colour: str) -> str:
    return " ".join(f".{what}-{name[1:]} {{ {what}: {colour} }}" for what in ("fill", "stroke"))
