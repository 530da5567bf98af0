"""A chart is well-formed, shows every number where it belongs, and is as safe to put into a page as its text."""

import math
import random
import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from rich.cells import cell_len

from charrnn.report.charts import DARK, LIGHT, STYLE, Chart, Series, standalone, svg

NAN = math.nan
HOSTILE = (
    "</svg><script>alert(1)</script>\"'&amp;]]>\0\x01\x1b[31m\x7f\x9b\u202e\u2066\ud800\ufffe\uffff<!-- \r\n\t🙂é日本"
)
LINE = Series("line", ((0, 1.0), (1, 2.0), (2, 4.0)))


def noisy(number, seed=0):
    """A loss curve of many points with one spike down and one up."""
    draw = random.Random(seed)  # noqa: S311 - noise
    heights = [1 + 6 * math.exp(-place / number * 30) + draw.gauss(0, 0.1) for place in range(number)]
    heights[number // 2], heights[number // 3] = 0.01, 2.9
    return tuple(enumerate(heights))


ZOO = {
    "nothing": Chart("Nothing", "step", "bits", ()),
    "an empty series": Chart("Empty", "step", "bits", (Series("none", ()), LINE)),
    "only gaps": Chart("Gaps", "step", "bits", (Series("none", ((1, NAN), (NAN, 1), (math.inf, math.inf))),)),
    "a point": Chart("Point", "step", "bits", (Series("one", ((5, 2.0),)),)),
    "a line": Chart("Line", "step", "bits", (LINE,)),
    "a constant": Chart("Constant", "step", "bits", (Series("same", ((0, 2.0), (9, 2.0))),)),
    "hostile text": Chart(HOSTILE, HOSTILE, HOSTILE, (Series(HOSTILE, LINE.points), Series(HOSTILE * 99, ()))),
    "huge numbers": Chart("Huge", "x", "y", (Series("a", ((-1e149, -1e149), (1e149, 1e149), (1e308, -1e308))),)),
    "tiny numbers": Chart("Tiny", "x", "y", (Series("a", ((5e-324, 5e-324), (1e-140, 3e-140))),)),
    "close numbers": Chart("Close", "x", "y", (Series("a", ((1e9, 1e9), (1e9 + 1e-6, 1e9 + 2))),)),
    "logarithmic": Chart("Log", "x", "y", (Series("a", ((0, 0.0), (1, 1e-9), (2, 1e9), (3, -1.0), (4, 5.0))),), True),
    "many points": Chart("Many", "x", "y", (Series("a", noisy(100_000)),)),
    "many series": Chart("Many", "x", "y", tuple(Series("x" * n, LINE.points, n % 2 > 0) for n in range(1, 41))),
}  # fmt: skip


@pytest.fixture(params=ZOO, ids=str)
def chart(request):
    return ZOO[request.param]


def parsed(text):
    return ElementTree.fromstring(text)  # noqa: S314 - written above


def named(element):
    return element.tag.rpartition("}")[2]


def subpaths(element):
    """The points of a path, one list for each time the pen is set down."""
    found = []
    for piece in re.findall(r"M[^M]*", element.get("d")):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", piece.split("h")[0].split("H")[0].split("V")[0])]
        found.append(list(zip(numbers[::2], numbers[1::2], strict=False)))
    return found


def curves(text):
    """The paths of a chart's series: what stands in its legend left out."""
    return [path for path in parsed(text) if named(path) == "path" and len(path)]


def test_a_fragment_is_well_formed_and_made_of_harmless_elements_only(chart):
    root = parsed(svg(chart))
    assert {named(element) for element in root.iter()} <= {"svg", "title", "path", "text"}
    allowed = {"class", "role", "aria-label", "viewBox", "d", "x", "y", "transform", "font-family", "font-size",
               "font-weight", "fill", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linejoin",
               "stroke-linecap", "text-anchor"}  # fmt: skip
    assert {name for element in root.iter() for name in element.attrib} <= allowed
    assert all(re.fullmatch("chart(-[a-z0-9]+)?", element.get("class", "chart")) for element in root.iter())
    assert (root.get("role"), root.get("viewBox")) == ("img", "0 0 720 320")
    assert root.get("aria-label")
    assert named(root[0]) == "title"


def test_a_file_is_well_formed_and_holds_every_chart_and_the_style(chart):
    root = parsed(standalone([chart, ZOO["a line"]]).encode())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox") == "0 0 720 640"
    assert [element.text.strip() for element in root if named(element) == "style"] == [STYLE.strip()]
    assert [element.get("transform") for element in root if named(element) == "g"] == [
        "translate(0 0)",
        "translate(0 320)",
    ]
    assert standalone([])


def test_text_is_shown_as_it_is_but_for_what_no_page_may_hold():
    title = parsed(svg(ZOO["hostile text"]))[0].text
    assert title.startswith("</svg><script>alert(1)</script>\"'&amp;]]>\\x00\\x01\\x1b[31m\\x7f\\x9b\\u202e")
    assert not re.search("[\0-\x08\x0e-\x1f\x7f-\x9f\u202e\u2066\ud800-\udfff]", svg(ZOO["hostile text"]))
    svg(ZOO["hostile text"]).encode()


def test_nothing_runs_out_of_the_picture(chart):
    root = parsed(svg(chart))
    for element in root.iter():
        if named(element) == "path":
            for x, y in (point for stroke in subpaths(element) for point in stroke):
                assert 0 <= x <= 720, element.attrib
                assert 0 <= y <= 320, element.attrib
        if named(element) == "text":
            width = cell_len(element.text) * 12 * 0.64 * (1.2 if element.get("font-weight") else 1)
            x, y = float(element.get("x")), float(element.get("y"))
            share = {"middle": 0.5, "end": 1}.get(element.get("text-anchor"), 0)
            along, longest = (y, 320) if element.get("transform") else (x, 720)
            assert along - share * width >= 0, element.text
            assert along + (1 - share) * width <= longest, element.text


def test_points_stand_at_their_numbers():
    """A tick and a point of the same value have the same place."""
    root = parsed(svg(Chart("Line", "x", "y", (Series("a", ((0, 1), (50, 3), (100, 2))),))))
    (line, dots) = curves(svg(Chart("Line", "x", "y", (Series("a", ((0, 1), (50, 3), (100, 2))),))))
    points = subpaths(line)[0]
    assert [stroke[0] for stroke in subpaths(dots)] == points
    ticks = {element.text: element for element in root if named(element) == "text"}
    across = [float(ticks[name].get("x")) for name in ("0", "50", "100") if name in ticks]
    assert across[0] == points[0][0]
    assert across[-1] == points[2][0]
    up = [float(ticks[name].get("y")) - 4 for name in ("1.0", "3.0", "2.0")]
    assert up == pytest.approx([y for _, y in points], abs=0.11)


def test_what_is_not_finite_is_a_gap_and_a_lone_point_is_a_dot():
    points = ((0, 1), (1, 2), (2, NAN), (3, 2), (4, math.inf), (5, 1), (6, 2))
    line, dots = curves(svg(Chart("Gaps", "x", "y", (Series("a", points),))))
    assert [len(stroke) for stroke in subpaths(line)] == [2, 2]
    assert len(subpaths(dots)) == 5
    many = tuple((x, NAN if x in (500, 502) else x % 7) for x in range(1000))
    line, dots = curves(svg(Chart("Gaps", "x", "y", (Series("a", many),))))
    assert len(subpaths(line)) == 2
    assert len(subpaths(dots)) == 1


@pytest.mark.parametrize("name", ["nothing", "only gaps"])
def test_where_nothing_was_recorded_axes_stand_and_say_so(name):
    root = parsed(svg(ZOO[name]))
    assert "nothing recorded" in [element.text for element in root if named(element) == "text"]
    assert [path.get("class") for path in root if named(path) == "path"] == ["chart-axis"]
    assert curves(svg(ZOO[name])) == []


def test_a_legend_names_several_series_and_the_empty_ones():
    texts = [element.text for element in parsed(svg(ZOO["an empty series"])) if named(element) == "text"]
    assert "none (nothing recorded)" in texts
    assert "line" in texts
    assert "line" not in [element.text for element in parsed(svg(ZOO["a line"])) if named(element) == "text"]


@pytest.mark.parametrize(("number", "dashed"), [(1, False), (1, True), (4, True), (9, False)])
def test_a_hundred_thousand_points_are_few_bytes_and_keep_their_extremes(number, dashed):
    chart = Chart(
        "Many", "x", "y", tuple(Series(f"run {n}", noisy(100_000 // number, n), dashed) for n in range(number))
    )
    text = svg(chart)
    assert len(text.encode()) < 60_000
    _, y = chart.axes(7, 7)
    (frame,) = [
        path.get("d") for path in parsed(text) if path.get("fill") == "none" and path.get("class") == "chart-axis"
    ]
    top, bottom = map(float, re.match(r"M\d+ (\d+)V(\d+)H", frame).groups())
    assert len(curves(text)) == number
    for path in curves(text):
        heights = {height for stroke in subpaths(path) for _, height in stroke}
        for extreme in (0.01, 2.9):
            place = bottom - y.place(extreme) * (bottom - top)
            assert min(abs(height - place) for height in heights) < 0.06


def test_alternating_gaps_are_few_bytes_too():
    points = tuple((x, NAN if x % 2 else x % 13) for x in range(100_000))
    assert len(svg(Chart("Gaps", "x", "y", (Series("a", points), Series("b", points))))) < 60_000


def test_the_beginning_of_a_long_loss_leaves_through_the_top_and_nothing_else_is_hidden():
    heights = [80.0, 40.0, *(2 + 1 / (1 + x) for x in range(200))]
    (path,) = curves(svg(Chart("Loss", "x", "y", (Series("a", tuple(enumerate(heights))),))))
    (stroke,) = subpaths(path)
    assert stroke[0][1] == 34  # the upper edge
    assert 192 < len(stroke) < 202  # the crossing, and nineteen in twenty of the points
    short = Series("a", tuple(enumerate(heights[:30])))
    assert len(subpaths(curves(svg(Chart("Loss", "x", "y", (short,))))[0])[0]) == 30


# Colours


def linear(colour):
    values = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def luminance(colour):
    return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))


def contrast(one, other):
    """Of WCAG 2."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


SEEN = {  # Machado, Oliveira and Fernandes 2009, on linear RGB
    "with all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "without red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "without green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "without blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def oklab(colour, eye):
    """Ottosson 2020; a distance of 0.02 is just seen."""
    first = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
    second = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]

    def times(matrix, vector):
        return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]

    seen = [min(1.0, max(0.0, value)) for value in times(SEEN[eye], linear(colour))]
    return times(second, [value ** (1 / 3) for value in times(first, seen)])


@pytest.mark.parametrize(("palette", "papers"), [(LIGHT, ["#ffffff", "#f6f8fa"]), (DARK, ["#111111", "#1c2128"])])
def test_every_colour_is_legible_on_its_paper(palette, papers):
    assert min(contrast(colour, paper) for colour in palette for paper in papers) >= 2.8
    assert min(contrast(colour, papers[0]) for colour in palette) >= 3


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("eye", SEEN)
def test_colours_are_told_apart_by_any_eye(palette, eye):
    assert min(math.dist(oklab(a, eye), oklab(b, eye)) for a, b in combinations(palette, 2)) >= 0.08


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_first_four_colours_are_told_apart_in_print(palette):
    grey = [oklab(colour, "with all cones")[0] for colour in palette[:4]]
    assert min(abs(a - b) for a, b in combinations(grey, 2)) >= 0.05


def test_the_first_two_dozen_series_all_look_different():
    series = tuple(Series(str(n), LINE.points) for n in range(24))
    looks = {
        (p.get("stroke"), p.get("stroke-dasharray"))
        for p in curves(svg(Chart("", "", "", series)))
        if "h" not in p.get("d")
    }
    assert len(looks) == 24


def test_a_run_has_one_colour_for_both_its_curves():
    solid, dashed = curves(svg(Chart("", "", "", (Series("a", noisy(50), colour=3), Series("b", noisy(50), True, 3)))))
    assert solid.get("stroke") == dashed.get("stroke") == LIGHT[3]
    assert solid.get("class") == "chart-3"
    assert solid.get("stroke-dasharray") is None
    assert dashed.get("stroke-dasharray")


def test_the_style_knows_every_class_by_day_and_by_night():
    used = {element.get("class") for element in parsed(standalone(list(ZOO.values())).encode()).iter()} - {
        None,
        "chart",
    }
    assert {name for name in used if f".{name}{{" in STYLE} == used
    day, night = STYLE.split("@media")
    assert all(colour in day for colour in LIGHT)
    assert all(colour in night for colour in DARK)
    assert "prefers-color-scheme:dark" in night
