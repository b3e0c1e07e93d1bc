"""The plots are well-formed, hold what they were given, and have colours for both schemes."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from rivals import contenders, figures, plot, report

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_bars_are_as_long_as_their_values() -> None:
    panel = plot.Panel("a & b", "ms", [plot.Bar("ours", 5.0, ours=True), plot.Bar("other", 10.0)])
    picture = plot.bars("title", [panel])
    first, second = ElementTree.fromstring(picture).iter(f"{SVG}rect")
    assert float(second.attrib["width"]) == pytest.approx(2 * float(first.attrib["width"]), abs=0.2)
    assert first.attrib["class"] == "ours"
    assert {"title", "a & b", "ours", "+5.00 ms", "other", "+10.0 ms"} <= set(texts(picture))
    assert "prefers-color-scheme: dark" in picture


def test_what_a_second_process_adds_is_a_paler_part() -> None:
    panel = plot.Panel(
        "p", "ms", [plot.Bar("ours", 5.0, ours=True, companion=15.0), plot.Bar("other", 10.0)]
    )
    picture = plot.bars("t", [panel])
    whole, own, other = ElementTree.fromstring(picture).iter(f"{SVG}rect")
    assert (whole.attrib["class"], own.attrib["class"]) == ("ours pale", "ours")
    widths = [float(each.attrib["width"]) for each in (whole, own, other)]
    assert widths == [pytest.approx(part * widths[0], abs=0.2) for part in (1, 0.25, 0.5)]
    assert "+5.00 ms, +20.0 ms with its extension" in texts(picture)


def test_what_was_not_measured_says_so() -> None:
    assert "not measured" in texts(plot.bars("t", [plot.Panel("p", "ms", [plot.Bar("x", None)])]))


def test_what_costs_less_than_nothing_is_still_drawn() -> None:
    picture = plot.bars("t", [plot.Panel("p", "ms", [plot.Bar("x", -1.0)])])
    assert "-1.00 ms" in texts(picture)
    ElementTree.fromstring(picture)


def test_proportional_growth_is_a_straight_line() -> None:
    picture = plot.lines("t", "n", "ms", [plot.Line("spans", [(10, 1), (100, 10), (1_000, 100)])])
    (line,) = ElementTree.fromstring(picture).iter(f"{SVG}polyline")
    (x0, y0), (x1, y1), (x2, y2) = (
        tuple(float(part) for part in pair.split(",")) for pair in line.attrib["points"].split()
    )
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2)


@pytest.mark.parametrize("points", [[], [(0.0, 1.0)], [(1.0, -1.0)]])
def test_a_logarithmic_scale_refuses_what_it_cannot_show(
    points: list[tuple[float, float]],
) -> None:
    with pytest.raises(ValueError, match="above 0"):
        plot.lines("t", "n", "ms", [plot.Line("x", points)])


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
