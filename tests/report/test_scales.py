"""Axes have few, round, well-told ticks and hold what they must; thinning loses no extreme."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.report.scales import (
    LARGEST,
    Axis,
    axis,
    clipped,
    finite,
    labels,
    log_ticks,
    round_step,
    strokes,
    thinned,
    ticks,
    worth_seeing,
)

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("span", "wanted", "step"),
    [(1, 5, 0.2), (400, 4, 100), (10, 5, 2), (11, 5, 5), (9.9, 1, 10), (3e-5, 6, 5e-6), (7e9, 7, 1e9), (0.6, 3, 0.2)],
)
def test_steps_are_one_two_five_times_a_power_of_ten(span, wanted, step):
    assert round_step(span, wanted) == pytest.approx(step)


@pytest.mark.parametrize(
    ("low", "high", "wanted", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (2.45, 4.6, 5, [2.5, 3, 3.5, 4, 4.5]),
        (-3, 3, 6, [-3, -2, -1, 0, 1, 2, 3]),
        (0, 83, 7, [0, 20, 40, 60, 80]),
        (1.1, 1.9, 2, [1.2, 1.4, 1.6, 1.8]),  # a half would be alone
        (999, 1001, 4, [999, 999.5, 1000, 1000.5, 1001]),
    ],
)
def test_ticks_are_round(low, high, wanted, expected):
    assert ticks(low, high, wanted) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "wanted", "expected"),
    [
        (0.15, 120, 5, [1, 10, 100]),
        (0.1, 1000, 5, [0.1, 1, 10, 100, 1000]),
        (1e-12, 1e12, 5, [1e-12, 1e-7, 1e-2, 1e3, 1e8]),
        (1.5, 30, 5, [2, 5, 10, 20]),
        (0.5, 20, 5, [0.5, 1, 2, 5, 10, 20]),
        (2.5, 4.5, 4, []),  # as on a straight axis
    ],
)
def test_a_logarithmic_axis_has_decades_or_what_lies_between(low, high, wanted, expected):
    assert log_ticks(low, high, wanted) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.5, 1], ["0", "0.5", "1.0"]),
        ([0, 0.005, 0.01], ["0", "0.005", "0.010"]),
        ([0, 500, 1000, 1500], ["0", "500", "1k", "1.5k"]),
        ([0, 2000, 4000], ["0", "2k", "4k"]),
        ([1e6, 1.5e6, 2e6], ["1M", "1.5M", "2M"]),
        ([1.2e6, 1.22e6], ["1.2M", "1.22M"]),
        ([2e9, 4e12], ["2G", "4T"]),
        ([0, 5e-5, 1e-4, 1.5e-4], ["0", "5e-5", "1e-4", "1.5e-4"]),
        ([0, 1e15, 2e15], ["0", "1e15", "2e15"]),
        ([-2, -1, 0, 1], ["-2", "-1", "0", "1"]),
        ([-1500, -1000], ["-1.5k", "-1k"]),
        ([100.2, 100.4], ["100.2", "100.4"]),
        ([7], ["7"]),
        ([0.1], ["0.1"]),
        ([], []),
    ],
)
def test_labels_are_short_and_tell_neighbours_apart(values, expected):
    assert labels(values) == expected


def number(label):
    """What a label says."""
    sizes = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    return float(label[:-1]) * sizes[label[-1]] if label[-1] in sizes else float(label)


VALUES = st.floats(-LARGEST, LARGEST)


@given(st.lists(VALUES, min_size=1, max_size=9), st.integers(2, 9), st.booleans())
def test_any_axis_holds_its_values_and_its_labels_say_where_its_ticks_are(values, wanted, log):
    values = [abs(value) + 1 / LARGEST * 2 for value in values] if log else values
    made = axis(values, wanted, log=log, margin=0.04)
    places = [made.place(tick) for tick, _ in made.ticks]
    assert all(-1e-9 <= made.place(value) <= 1 + 1e-9 for value in values)
    assert all(-1e-6 <= place <= 1 + 1e-6 for place in places)
    assert 2 <= len(places) <= 4 * wanted + 1
    assert places == sorted(places)
    names = [name for _, name in made.ticks]
    assert len(set(names)) == len(names)
    for tick, name in made.ticks:
        assert number(name) == pytest.approx(tick, rel=1e-6, abs=(made.high - made.low) * 1e-4)


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        ([5], (0, 10)),
        ([-5, -5], (-10, 0)),
        ([0], (0, 1)),
        ([2, 400], (0, 400)),  # zero is near
        ([2, 4], (2, 4)),  # and here it is not
        ([-1, 3], (-1, 3)),
    ],
)
def test_an_axis_begins_at_zero_where_that_is_near(values, bounds):
    found = axis(values, 5)
    assert (found.low, found.high) == bounds


def test_without_values_an_axis_claims_nothing():
    assert axis([], 5).ticks == ()


def test_places_are_linear_or_logarithmic():
    assert [Axis(2, 4, ()).place(value) for value in (2, 3, 4, 5)] == [0, 0.5, 1, 1.5]
    assert [Axis(1, 100, (), log=True).place(value) for value in (1, 10, 100)] == pytest.approx([0, 0.5, 1])


def test_what_cannot_be_drawn_is_left_out():
    points = [(1, 2), (NAN, 1), (1, NAN), (INF, 1), (1, -INF), (1, 1e200), (2, 0), (3, -1)]
    assert finite(points) == [(1, 2), (2, 0), (3, -1)]
    assert finite(points, log_y=True) == [(1, 2)]


def curve(heights):
    return list(enumerate(heights))


@pytest.mark.parametrize(
    ("heights", "highest"),
    [
        ([90, 50, 9] + [3] * 50 + [2] * 50, 3),  # five points of 103 need not be seen
        ([90, 50, 9, 9, 9, 9, 9] + [3] * 50 + [2] * 50, 9),  # the rest of 107 does
        ([3.5] * 5 + [3] * 50 + [2] * 50, 3.5),  # where nothing is squashed all is seen
        ([90, 50, 9] + [3] * 20, 90),  # short
        ([3] * 60 + [90] + [2] * 60, 90),  # not at the beginning
        ([90] * 100, 90),
        ([NAN] * 100, None),
    ],
)
def test_only_the_beginning_of_a_long_curve_may_leave_the_picture(heights, highest):
    assert max(worth_seeing([curve(heights)], log_y=False), default=None) == highest


def test_a_short_curve_is_seen_whole_beside_a_long_one():
    long, short = curve([90] + [2] * 200), curve([40, 2])
    assert max(worth_seeing([long, short], log_y=False)) == 40


def test_a_logarithmic_axis_holds_everything():
    assert max(worth_seeing([curve([90] + [2] * 200)], log_y=True)) == 90


def test_a_line_that_leaves_through_the_top_ends_there():
    assert clipped([(0, 3), (0.25, 2), (0.5, 0), (1, 2)]) == [None, None, (0.375, 1), (0.5, 0), (0.75, 1), None]
    assert clipped([(0, 0.5), None, (1, 1)]) == [(0, 0.5), None, (1, 1)]


POINTS = st.lists(st.one_of(st.none(), st.tuples(st.floats(0, 1), st.floats(0, 1))), min_size=0, max_size=400).map(
    lambda points: sorted_by_place(points)
)


def sorted_by_place(points):
    """The same, in the order of x, with its gaps where they were."""
    places = iter(sorted(point for point in points if point is not None))
    return [None if point is None else next(places) for point in points]


@given(POINTS, st.integers(1, 50))
def test_thinning_keeps_the_extremes_of_every_column(points, columns):
    found = thinned(points, columns)
    assert len(found) <= max(2 * columns, 4 * (columns + 1))
    kept = [point for point in found if point is not None]
    assert set(kept) <= set(points)

    def extremes(some):
        by_column = {}
        for x, y in (point for point in some if point is not None):
            by_column.setdefault(int(x * columns), []).append(y)
        return {column: (min(heights), max(heights)) for column, heights in by_column.items()}

    assert extremes(found) == extremes(points)
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)


def test_few_points_are_left_as_they_are():
    points = [(0.1, 0.5), None, (0.1, 0.2), (0.1, 0.9), (0.7, 0.1)]
    assert thinned(points, 3) == points


def test_a_gap_between_columns_stays_a_gap():
    points = [*[(0.1, 0.5)] * 50, None, *[(0.9, 0.5)] * 50]
    assert strokes(thinned(points, 4)) == [[(0.1, 0.5), (0.1, 0.5)], [(0.9, 0.5), (0.9, 0.5)]]


def test_strokes_are_what_lies_between_gaps():
    assert strokes([None, (0, 1), (1, 1), None, None, (2, 2)]) == [[(0, 1), (1, 1)], [(2, 2)]]
    assert strokes([]) == []
