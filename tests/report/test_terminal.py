"""A drawing for a terminal has the size it was asked for, the axes of the chart, and nothing that steers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from charrnn.report.charts import Chart, Series
from charrnn.report.terminal import between, drawing

LINE = Series("line", ((0, 0.0), (10, 10.0)))
PAIR = Chart("Loss", "step", "bits", (
    Series("training", tuple((x, 4 - x / 50) for x in range(100)), colour=0),
    Series("validation", ((25, 3.7), (50, 3.2), (99, 2.4)), dashed=True, colour=0),
))  # fmt: skip
ESCAPE = re.compile(r"\x1b\[38;5;\d+m|\x1b\[0m")

BY_HAND = """\
Small: y
10 |                ****
   |          ******
 5 |    ******
 0 |****
   ++---------+--------+
    0         5       10
           x"""
IN_DOTS = """\
Small: y
10 ┤                ⢀⡠⠤⠒
   │          ⢀⣀⠤⠔⠒⠉⠁
 5 ┤     ⣀⡠⠤⠒⠊⠁
 0 ┤⣀⠤⠔⠊⠉
   └┬─────────┬────────┬
    0         5       10
           x"""


@pytest.mark.parametrize(("ascii_only", "expected"), [(True, BY_HAND), (False, IN_DOTS)])
def test_a_small_drawing_is_what_a_hand_would_draw(ascii_only, expected):
    assert drawing(Chart("Small", "x", "y", (LINE,)), width=24, height=8, ascii_only=ascii_only) == expected


def test_a_line_has_no_holes():
    assert list(between((0, 0), (4, 2))) == [(1, 0), (2, 1), (3, 2), (4, 2)]
    assert list(between((3, 3), (3, 1))) == [(3, 2), (3, 1)]
    assert list(between((5, 5), (5, 5))) == []


NUMBERS = st.floats(width=64)
SERIES = st.builds(
    Series,
    st.text(max_size=30),
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=30).map(tuple),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 20)),
)
CHARTS = st.builds(
    Chart, st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.lists(SERIES, max_size=9).map(tuple),
    st.booleans(),
)  # fmt: skip


@given(CHARTS, st.integers(-5, 130), st.integers(-5, 40), st.booleans(), st.booleans())
def test_any_chart_has_the_size_asked_for_and_steers_nothing(chart, width, height, ascii_only, colours):
    drawn = drawing(chart, width=width, height=height, ascii_only=ascii_only, colours=colours)
    plain = ESCAPE.sub("", drawn)
    assert len(plain.split("\n")) == max(height, 8)
    assert max(map(cell_len, plain.split("\n"))) <= max(width, 24)
    assert all(character.isprintable() or character == "\n" for character in plain)
    assert plain.isascii() or not ascii_only
    assert colours or plain == drawn
    for line in drawn.split("\n"):
        assert line.count("\x1b[38") == line.count("\x1b[0m")


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_point_stands_beside_its_tick(ascii_only):
    chart = Chart("Points", "x", "y", (Series("a", ((0, 0), (20, 4), (40, 2))), Series("b", ((60, 1),))))
    lines = drawing(chart, width=70, height=30, ascii_only=ascii_only).split("\n")
    for value, place, mark in ((4, 20, "*"), (2, 40, "*"), (1, 60, "o")):
        (row,) = (line for line in lines if re.match(rf" *{value}(\.0)? ", line))
        column = lines[-2].index(f"{place}") + 1
        assert lines[-3][column] in "┬+"
        assert row[column] == mark


@pytest.mark.parametrize("look", [{}, {"ascii_only": True}, {"colours": True}], ids=str)
def test_training_and_validation_are_told_apart(look):
    drawn = drawing(PAIR, width=80, height=20, **look).split("\n")
    rows = "\n".join(drawn[2:-3])
    assert "training" in drawn[1]
    assert "validation" in drawn[1]
    assert rows.count("o") == 3  # evaluations
    assert ("*" in rows) == ("colours" not in look)


def test_runs_have_colours_of_their_own():
    drawn = drawing(Chart("Two", "x", "y", (LINE, Series("b", ((0, 5.0), (10, 5.0))))), colours=True)
    assert len(set(ESCAPE.findall(drawn))) == 3  # two, and the end of both


def test_where_nothing_was_recorded_axes_stand_and_say_so():
    drawn = drawing(Chart("Loss", "step", "bits", (Series("training", ()), Series("validation", ()))))
    assert "nothing recorded" in drawn
    assert "training (nothing recorded)" in drawn
    assert "└──" in drawn


def test_a_name_is_shown_and_obeyed_by_nobody():
    chart = Chart("\x1b[31mred\n", "\u202estep", "\x9b", (LINE, Series("\x1b]0;owned\x07é…", LINE.points)))
    assert not set(drawing(chart)) & set("\x1b\x9b\x07\u202e")
    assert "\\xe9~" not in drawing(chart)
    assert "\\xe9\\u2026" in drawing(chart, ascii_only=True)
