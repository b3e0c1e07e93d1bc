"""The plots are well-formed, hold what they were given, and have colours for both schemes."""

from __future__ import annotations

import importlib.util
import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from benchmark import command, markdown_table, plot
from benchmark.commands import plots
from benchmark.rivals import contenders, figures, report

from tests.integration.availability import missing

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def _drawing() -> None:
    if importlib.util.find_spec("matplotlib") is None:
        missing("matplotlib is not installed, which draws: scripts/bench plots")


drawing = pytest.mark.usefixtures("_drawing")


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def points(picture: str, gid: str) -> list[tuple[float, float]]:
    """The corners of what has the id `gid`."""
    (group,) = (each for each in ElementTree.fromstring(picture).iter() if each.get("id") == gid)
    path = next(group.iter(f"{SVG}path")).attrib["d"]
    numbers = [float(number) for number in re.findall(r"[\d.]+", path)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def width(picture: str, gid: str) -> float:
    xs = [x for x, _ in points(picture, gid)]
    return max(xs) - min(xs)


@drawing
def test_bars_are_as_long_as_their_values() -> None:
    panel = plot.Panel("a & b", "ms", [plot.Bar("ours", 5.0, ours=True), plot.Bar("other", 10.0)])
    picture = plot.bars("title", [panel])
    assert width(picture, "bar-1") == pytest.approx(2 * width(picture, "bar-0"), abs=0.2)
    assert {"title", "a & b", "ours", "+5.00 ms", "other", "+10.0 ms"} <= set(texts(picture))


@drawing
def test_every_colour_has_another_on_a_dark_page() -> None:
    bars = [plot.Bar("a", 1.0, ours=True, companion=1.0), plot.Bar("b", None)]
    line = plot.Line("x", [(1, 1), (10, 10)])
    for picture in (
        plot.bars("t", [plot.Panel("p", "ms", bars)]),
        plot.lines("t", "n", "ms", [line, line, line]),
    ):
        sheet, _, drawn = picture.partition("</style>")
        light, _, dark = sheet.partition("@media (prefers-color-scheme: dark)")
        used = set(re.findall(r"(?:fill|stroke)-[0-9a-f]{6}", drawn))
        assert used
        for name in used:
            assert f".{name} {{" in light
            assert f".{name} {{" in dark
        assert not re.findall(r": #[0-9a-f]{6}", drawn), "a colour beside the classes"


@drawing
def test_the_same_figures_give_the_same_bytes() -> None:
    line = plot.Line("spans", [(10, 1), (100, 10)])
    assert plot.lines("t", "n", "ms", [line]) == plot.lines("t", "n", "ms", [line])


@drawing
def test_what_a_second_process_adds_is_a_paler_part() -> None:
    panel = plot.Panel(
        "p", "ms", [plot.Bar("ours", 5.0, ours=True, companion=15.0), plot.Bar("other", 10.0)]
    )
    picture = plot.bars("t", [panel])
    widths = [width(picture, gid) for gid in ("pale-0", "bar-0", "bar-1")]
    assert widths == [pytest.approx(part * widths[0], abs=0.2) for part in (1, 0.25, 0.5)]
    assert "+5.00 ms, +20.0 ms with its extension" in texts(picture)


@drawing
def test_what_was_not_measured_says_so() -> None:
    assert "not measured" in texts(plot.bars("t", [plot.Panel("p", "ms", [plot.Bar("x", None)])]))


@drawing
def test_what_costs_less_than_nothing_is_still_drawn() -> None:
    picture = plot.bars("t", [plot.Panel("p", "ms", [plot.Bar("x", -1.0)])])
    assert "-1.00 ms" in [text.replace("\N{MINUS SIGN}", "-") for text in texts(picture)]


@drawing
def test_proportional_growth_is_a_straight_line() -> None:
    picture = plot.lines("t", "n", "ms", [plot.Line("spans", [(10, 1), (100, 10), (1_000, 100)])])
    (x0, y0), (x1, y1), (x2, y2) = points(picture, "line-0")
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2)


@pytest.mark.parametrize("points", [[], [(0.0, 1.0)], [(1.0, -1.0)]])
def test_a_logarithmic_scale_refuses_what_it_cannot_show(
    points: list[tuple[float, float]],
) -> None:
    with pytest.raises(ValueError, match="above 0"):
        plot.lines("t", "n", "ms", [plot.Line("x", points)])


@drawing
def test_the_pictures_of_the_docs_are_drawn_from_the_figures_there(tmp_path: Path) -> None:
    for name in ("benchmark.json", "growth.json"):
        (tmp_path / name).write_text((command.DOCS / name).read_text())
    assert plots.main(["--docs", str(tmp_path)]) == 0
    for name in ("cold-start.svg", "per-call.svg", "growth.svg"):
        drawn, kept = (texts((place / name).read_text()) for place in (tmp_path, command.DOCS))
        assert drawn == kept, f"docs/{name} is not of the figures there: scripts/bench plots"


def test_json_has_a_line_for_each_figure(tmp_path: Path) -> None:
    data = {"a": {"b": [1, 2.5], "c": [[3, 4], [5, 6]]}}
    command.write_json(tmp_path / "x.json", data)
    written = (tmp_path / "x.json").read_text()
    assert json.loads(written) == data
    assert '"b": [1, 2.5]' in written


def test_a_table_has_words_then_numbers() -> None:
    assert markdown_table.lines(["", "ms"], [["a", "1"], ["b", ""]]) == [
        "| | ms |",
        "|---|--:|",
        "| a | 1 |",
        "| b | |",
    ]


def test_a_row_that_does_not_fit_its_table_is_refused() -> None:
    with pytest.raises(ValueError, match="1 cells under 2 titles: a"):
        markdown_table.lines(["", "ms"], [["a"]])


def test_the_tables_name_everybody_and_why_somebody_is_missing() -> None:
    figure = figures.Figure(20.0, 19.0, 21.0, 10.0, 2.0)
    results: report.Results = {
        "hello": {name: {"init_cpu": figure} for name in (contenders.BARE, contenders.OURS, "adot")}
    }
    text = report.markdown(
        results,
        contenders.CONTENDERS,
        {"adot": "aws-opentelemetry-distro 1"},
        {"adot": 4_700_000},
        {"lumigo": "pip: no network"},
        {"Python": "3.11.7"},
    )
    assert "| ADOT | +10.0 ± 1.00 | n/a |" in text
    assert "| bare runtime | 20.0 ± 1.00 | n/a |" in text
    assert "- Lumigo: could not be measured: pip: no network; has no API for spans" in text
    assert "| Cold start: hello, CPU ms | +10.0 | +10.0 (ADOT) | 1.00 | +10.0 (ADOT) |" in text
    for contender in contenders.CONTENDERS:
        assert f"{contender.title}" in text
