"""How a symbol is chosen: tables worked out by hand, and properties of every distribution."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from charrnn.generation.choose import distribution, draw, softmax

P = [0.4, 0.1, 0.3, 0.2]
ROOTS = [16 / 30, 1 / 30, 9 / 30, 4 / 30]  # at temperature 2: 4, 1, 3 and 2 tenths
JUST_BELOW_ONE = np.nextafter(1.0, 0.0)


def logits_of(probabilities):
    """Logits with these probabilities, away from zero mean so that nothing relies on it."""
    return np.log(np.array([probabilities])) + 3.0


def assert_distribution(found, expected):
    np.testing.assert_allclose(found, [expected], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([0.0, math.log(2), math.log(5)], [1 / 8, 2 / 8, 5 / 8]),
        ([7.0, 7.0], [1 / 2, 1 / 2]),
        ([1000.0, 1000.0 + math.log(3), -1e300], [1 / 4, 3 / 4, 0.0]),
        ([-1000.0, -1000.0 - math.log(4)], [4 / 5, 1 / 5]),
        ([5.0], [1.0]),
    ],
)
def test_softmax_of_numbers_worked_out_by_hand(logits, expected):
    assert_distribution(softmax(np.array([logits])), expected)


def test_softmax_is_taken_in_float64():
    found = softmax(np.array([[0.0, -30.0]], dtype=np.float32))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[0, 1], math.exp(-30) / (1 + math.exp(-30)), rtol=1e-12)


@pytest.mark.parametrize(
    ("logits", "first"),
    [([1, 3, 3, 2], 1), ([3, 3, 3, 3], 0), ([-5, -4, -6, -4], 1), ([0, 0, 0, 1e-6], 3)],
)
@pytest.mark.parametrize("filters", [{}, {"top_k": 2}, {"top_p": 0.3}, {"min_p": 0.9}])
def test_temperature_zero_takes_the_likeliest_and_the_first_of_equals(logits, first, filters):
    found = distribution(np.array([logits], dtype=np.float64), temperature=0, **filters)
    assert_distribution(found, np.eye(4)[first])


def test_temperature_divides_the_logits():
    """p^(1/t): squares at t = 1/2, square roots at t = 2."""
    assert_distribution(distribution(logits_of(P), temperature=0.5), np.array([16, 1, 9, 4]) / 30)
    assert_distribution(distribution(logits_of([9 / 14, 4 / 14, 1 / 14]), temperature=2.0), np.array([3, 2, 1]) / 6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_temperatures_stay_finite(dtype):
    logits = np.array([[1.0, 3.0, 3.0, -2e4]], dtype=dtype)
    assert_distribution(distribution(logits, temperature=1e-30), [0, 0.5, 0.5, 0])
    assert_distribution(distribution(logits, temperature=5e-324), [0, 0.5, 0.5, 0])
    assert_distribution(distribution(logits, temperature=1e30), [0.25] * 4)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [0.4, 0.1, 0.3, 0.2]),
        ({"top_k": 1}, [1, 0, 0, 0]),
        ({"top_k": 2}, [4 / 7, 0, 3 / 7, 0]),
        ({"top_k": 4}, [0.4, 0.1, 0.3, 0.2]),
        ({"top_k": 99}, [0.4, 0.1, 0.3, 0.2]),
        ({"top_p": 0.01}, [1, 0, 0, 0]),
        ({"top_p": 0.39}, [1, 0, 0, 0]),
        ({"top_p": 0.41}, [4 / 7, 0, 3 / 7, 0]),
        ({"top_p": 0.69}, [4 / 7, 0, 3 / 7, 0]),
        ({"top_p": 0.71}, [4 / 9, 0, 3 / 9, 2 / 9]),
        ({"top_p": 0.91}, [0.4, 0.1, 0.3, 0.2]),
        ({"top_p": 1.0}, [0.4, 0.1, 0.3, 0.2]),
        ({"min_p": 0.2}, [0.4, 0.1, 0.3, 0.2]),  # a symbol must reach 0.08
        ({"min_p": 0.3}, [4 / 9, 0, 3 / 9, 2 / 9]),  # 0.12
        ({"min_p": 0.7}, [4 / 7, 0, 3 / 7, 0]),  # 0.28
        ({"min_p": 0.8}, [1, 0, 0, 0]),  # 0.32
        ({"min_p": 1.0}, [1, 0, 0, 0]),
    ],
)
def test_each_filter_keeps_what_a_table_worked_out_by_hand_says(filters, expected):
    assert_distribution(distribution(logits_of(P), **filters), expected)


@pytest.mark.parametrize(
    ("probabilities", "filters", "expected"),
    [
        pytest.param(P, {"temperature": 0.5, "top_p": 0.5}, [1, 0, 0, 0], id="temperature before top-p"),
        pytest.param(ROOTS, {"temperature": 2.0, "min_p": 0.6}, [4 / 7, 0, 3 / 7, 0], id="temperature before min-p"),
        pytest.param(P, {"top_k": 2, "top_p": 0.55}, [1, 0, 0, 0], id="top-k before top-p"),
        pytest.param(P, {"top_p": 0.5, "min_p": 0.6}, [4 / 7, 0, 3 / 7, 0], id="top-p before min-p"),
    ],
)
def test_filters_act_in_their_order(probabilities, filters, expected):
    """In the opposite order each of these would keep one symbol more, or fewer."""
    assert_distribution(distribution(logits_of(probabilities), **filters), expected)


def test_top_k_keeps_symbols_exactly_as_likely_as_the_kth():
    logits = np.array([[2.0, 1.0, 1.0, 0.0, 1.0]])
    e = math.e
    assert_distribution(distribution(logits, top_k=1), [1, 0, 0, 0, 0])
    for k in (2, 3, 4):
        assert_distribution(distribution(logits, top_k=k), np.array([e, 1, 1, 0, 1]) / (e + 3))


def test_top_p_takes_the_first_of_equals_and_stops_when_the_sum_is_reached():
    assert_distribution(distribution(np.zeros((1, 4)), top_p=0.5), [0.5, 0.5, 0, 0])
    assert_distribution(distribution(np.zeros((1, 4)), top_p=0.51), [1 / 3, 1 / 3, 1 / 3, 0])
    many = np.tile([-99.0, 0.0], 128)  # so many that only a stable sort keeps equals in order
    assert np.flatnonzero(distribution(many[None], top_p=12 / 128)).tolist() == list(range(1, 24, 2))


def test_min_p_of_one_keeps_all_that_are_likeliest():
    assert_distribution(distribution(np.array([[1.0, 0.0, 1.0]]), min_p=1.0), [0.5, 0, 0.5])


FILTERS = st.fixed_dictionaries(
    {
        "temperature": st.floats(0, 1e3),
        "top_k": st.none() | st.integers(1, 8),
        "top_p": st.none() | st.floats(0.001, 1),
        "min_p": st.none() | st.floats(0, 1),
    }
)
LOGITS = arrays.arrays(np.float32, (3, 6), elements=st.floats(-1e4, 1e4, width=32))


@given(logits=LOGITS, filters=FILTERS)
@settings(deadline=None)
def test_filters_only_drop_the_least_likely_and_scale_the_rest(logits, filters):
    found, whole = distribution(logits, **filters), distribution(logits, filters["temperature"])
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=0, atol=1e-12)
    for kept, all_of_it in zip(found, whole, strict=True):
        left = kept > 0
        np.testing.assert_allclose(kept[left] * all_of_it[left].sum(), all_of_it[left], rtol=1e-12, atol=1e-300)
        assert all_of_it[left].min() >= all_of_it[~left].max(initial=0)


@given(logits=LOGITS, filters=FILTERS)
@settings(deadline=None)
def test_lanes_are_filtered_one_by_one(logits, filters):
    together = distribution(logits, **filters)
    alone = [distribution(row[None], **filters)[0] for row in logits]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-15)


def test_draws_are_as_frequent_as_their_probabilities():
    """100,000 draws from PCG64(0); every frequency within 6 sigma of its probability."""
    probabilities = np.array([0.0, 0.5, 0.3, 0.0, 0.15, 0.049, 0.001, 0.0])
    n = 100_000
    symbols = draw(np.broadcast_to(probabilities, (n, 8)), np.random.default_rng(0).random(n))
    frequencies = np.bincount(symbols, minlength=8) / n
    bound = 6 * np.sqrt(probabilities * (1 - probabilities) / n)
    assert (np.abs(frequencies - probabilities) <= bound).all()


@pytest.mark.parametrize(
    ("uniform", "symbol"),
    [(0.0, 0), (0.2499, 0), (0.25, 1), (0.7499, 1), (0.75, 2), (JUST_BELOW_ONE, 2)],
)
def test_draw_takes_the_symbol_at_which_the_sum_passes_the_uniform_number(uniform, symbol):
    assert draw(np.array([[0.25, 0.5, 0.25]]), np.array([uniform])).tolist() == [symbol]


@pytest.mark.parametrize("uniform", [0.0, 5e-324, 1e-17, 0.5, JUST_BELOW_ONE])
@given(
    weights=st.lists(st.just(0.0) | st.floats(1e-12, 1), min_size=1, max_size=40).filter(any),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
)
@settings(deadline=None)
def test_impossible_symbols_are_never_drawn(uniform, weights, before, after):
    """Also where rounding leaves the sum below or above one, and with impossible symbols at both ends."""
    weights = np.array([0.0] * before + weights + [0.0] * after)
    (symbol,) = draw((weights / weights.sum())[None], np.array([uniform]))
    assert weights[symbol] > 0


def test_each_lane_is_drawn_with_its_own_number():
    probabilities = np.array([[1.0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]])
    assert draw(probabilities, np.array([0.9, 0.4, 0.6])).tolist() == [0, 1, 2]
