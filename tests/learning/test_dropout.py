"""Dropout's masks: their values, their share of zeros, what they depend on and what they do not, what they leave out.

All bounds are 6 standard deviations of what independent draws would give: one check in 5 * 10^8 fails by chance.
"""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import RunConfig
from charrnn.learning.dropout import UNITS, WEIGHTS, dropout_mask
from charrnn.learning.learner import Learner
from charrnn.learning.schedule import RAISE, dropped
from charrnn.text.lanes import Window

SIGMAS = 6
ROWS, COLUMNS = 500, 1000  # half a million draws: shares are seen to 0.4 %, correlations to 0.9 %


def mask(rate=0.5, *, seed=0, step=0, layer=0, what=UNITS, rows=ROWS, columns=COLUMNS):
    return dropout_mask(rows, columns, rate, seed=seed, step=step, layer=layer, what=what)


def correlation(one, other):
    return abs(np.corrcoef((one > 0).ravel(), (other > 0).ravel())[0, 1])


def bound(draws):
    return SIGMAS / draws**0.5


@pytest.mark.parametrize("dropout", [0.0, 1e-6, 0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_values_are_exactly_zero_or_what_keeps_the_mean(dropout):
    values = mask(dropout)
    assert values.dtype == np.float32
    assert set(np.unique(values)) <= {np.float32(0), np.float32(1 / (1 - dropout))}
    assert dropout < 1e-3 or len(np.unique(values)) == 2


@pytest.mark.parametrize("dropout", [1e-4, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_share_of_zeros_is_the_dropout(dropout, seed):
    zeros = (mask(dropout, seed=seed) == 0).mean()
    assert abs(zeros - dropout) < SIGMAS * (dropout * (1 - dropout) / (ROWS * COLUMNS)) ** 0.5


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_share_of_zeros_is_the_dropout_in_every_lane_and_for_every_unit(dropout):
    zeros = mask(dropout) == 0
    for axis, draws in ((0, ROWS), (1, COLUMNS)):
        spread = (dropout * (1 - dropout) / draws) ** 0.5
        assert np.abs(zeros.mean(axis=axis) - dropout).max() < SIGMAS * spread


@pytest.mark.parametrize("dropout", [0.0, 1e-12, 2**-18])
def test_hardly_any_dropout_leaves_every_unit(dropout):
    """What is below half of 1/65536 is none at all."""
    values = mask(dropout, seed=1)
    assert (values == np.float32(1 / (1 - dropout))).all()


@pytest.mark.parametrize("dropout", [1 - 2**-18, 1 - 1e-12, float(np.nextafter(1, 0))])
def test_almost_all_dropout_leaves_nothing_and_no_odd_number(dropout):
    assert (mask(dropout) == 0).all()


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 41),
    rate=st.floats(0, 0.999),
    place=st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1), st.integers(0, 999)),
    what=st.sampled_from([UNITS, WEIGHTS]),
)
def test_same_place_has_the_same_mask_whatever_was_drawn_before(rows, columns, rate, place, what):
    """In any shape, also one that is no multiple of what a generator draws at a time."""
    seed, step, layer = place
    asked = {"seed": seed, "step": step, "layer": layer, "what": what, "rows": rows, "columns": columns}
    one = mask(rate, **asked)
    mask(rate)
    again = mask(rate, **asked)
    assert one.shape == (rows, columns)
    np.testing.assert_array_equal(one, again)


def test_masks_leave_the_hidden_generators_alone():
    np.random.seed(3)
    torch.manual_seed(3)
    expected = np.random.random(), torch.rand(1).item()
    np.random.seed(3)
    torch.manual_seed(3)
    mask()
    assert (np.random.random(), torch.rand(1).item()) == expected


PLACES = [*itertools.product((0, 1, 2), (0, 1, 2), (0, 1, 2)), (2**32, 0, 0), (2**32 + 1, 0, 0), (0, 2**31 - 1, 0)]


def test_masks_of_different_places_are_unlike_each_other():
    """Every pair of (seed, step, layer, what), also with the numbers swapped: no more alike than chance makes them."""
    places = [(*place, what) for place in PLACES for what in (UNITS, WEIGHTS)]
    masks = [mask(seed=s, step=i, layer=n, what=what, rows=50, columns=400) for s, i, n, what in places]
    for one, other in itertools.combinations(range(len(places)), 2):
        assert correlation(masks[one], masks[other]) < bound(50 * 400), (places[one], places[other])


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_neighbouring_units_lanes_and_steps_have_nothing_to_do_with_each_other(dropout):
    values = mask(dropout)
    most = bound(ROWS * COLUMNS) * 1.01
    for apart in (1, 2, 3, 4, 8):
        assert correlation(values[:, apart:], values[:, :-apart]) < most
        assert correlation(values[apart:], values[:-apart]) < most
        assert correlation(values, mask(dropout, step=apart)) < most
        assert correlation(values, mask(dropout, layer=apart)) < most


def test_one_unit_over_many_steps_is_dropped_as_often_as_it_should_be_and_without_memory():
    steps = np.array([mask(0.3, step=step, rows=2, columns=5) == 0 for step in range(4000)])
    assert np.abs(steps.mean(axis=0) - 0.3).max() < SIGMAS * (0.21 / 4000) ** 0.5
    for apart in (1, 2, 5):
        pairs = (steps[apart:] & steps[:-apart]).mean(axis=0)
        assert np.abs(pairs - 0.09).max() < SIGMAS * (0.09 * 0.91 / (4000 - apart)) ** 0.5 * 1.5  # pairs overlap


# In training ---------------------------------------------------------------------------------------------------------


def learner(**changes):
    values = {"cell": "gru", "layers": 2, "hidden": 37, "embedding": 6, "dropout": 0.5, "weight_drop": 0.5}
    values |= {"dropout_start": 1.0, "corpus": ["-"], "validation_fraction": 0.1, "batch_size": 1, "seq_length": 5}
    values |= {"steps": 11, "learning_rate": 0.01, "warmup": 0, "eval_every": 5, "save_every": 5, "sample_every": 5}
    return Learner(RunConfig(**(values | {"device": "cpu", "precision": "float32", "threads": 1} | changes)), 7)


def made_step(index, **changes):
    """A learner after one step, with the gradients of that step."""
    torch.set_num_threads(1)
    made, ids = learner(**changes), np.array([0, 1, 2, 3, 4, 1])
    made.step(Window(ids, np.arange(6)[:, None], np.ones(1, bool), np.full(1, 6)), index)
    return made


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("index", [0, 3])
def test_what_is_dropped_learns_nothing_and_everything_else_does(precision, index):
    """A unit of the one lane is dropped at all steps, so its column of the head gets no gradient; a weight likewise."""
    made = made_step(index, precision=precision)
    place = {"seed": 0, "step": index, "layer": 1}
    units = dropout_mask(1, 37, 0.5, **place)[0] == 0
    silent = (made.network.head.weight.grad == 0).all(dim=0).numpy()
    np.testing.assert_array_equal(silent, units)
    weights = dropout_mask(3 * 37, 37, 0.5, **place, what=WEIGHTS) == 0
    silent = (made.network.layers[1].cell.weight_hh_l0.grad == 0).numpy()
    assert silent[weights].all()
    assert silent[~weights].mean() < 0.05
    assert 0.3 < units.mean() < 0.7


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_masks_in_training_are_those_of_the_step_at_the_rate_of_the_step(cell):
    made = learner(cell=cell, batch_size=3, dropout=0.6, weight_drop=0.4, dropout_start=0.5, seed=9)
    rows = made.network.layers[0].cell.weight_hh_l0.shape[0]
    for index, share in ((0, 0.5), (5, 0.75), (10, 1.0)):
        for layer, found in enumerate(made._masks(index, 3, slice(0, 3))):
            place = {"seed": 9, "step": index, "layer": layer, "columns": 37}
            units = mask(0.6 * share, **place, rows=3)
            weights = mask(0.4 * share, **place, rows=rows, what=WEIGHTS)
            for mine, expected in ((found.units, units), (found.weights, weights)):
                np.testing.assert_allclose(mine.numpy(), expected, rtol=1e-6)


def test_without_dropout_there_are_no_masks():
    """Also at a step at which none of it is in force yet."""
    for index, changes, units, weights in (
        (3, {"dropout": 0.0, "weight_drop": 0.0}, False, False),
        (3, {"dropout": 0.0}, False, True),
        (3, {"weight_drop": 0.0}, True, False),
        (0, {"dropout_start": 0.0}, False, False),
        (1, {"dropout_start": 0.0}, True, True),
    ):
        for found in learner(**changes)._masks(index, 3, slice(0, 3)):
            assert (found.units is not None, found.weights is not None) == (units, weights)


# The share in force --------------------------------------------------------------------------------------------------


@given(start=st.floats(0, 1), steps=st.integers(1, 10**6), data=st.data())
def test_share_goes_straight_from_its_start_to_all_and_stays_there(start, steps, data):
    step = data.draw(st.integers(0, 2 * steps))
    share = dropped(1.0, step, start=start, steps=steps)
    assert start - 1e-12 <= share <= 1
    assert dropped(1.0, 0, start=start, steps=steps) == pytest.approx(start, abs=1e-12)
    if steps > 1:
        assert dropped(1.0, steps - 1, start=start, steps=steps) == pytest.approx(1, abs=1e-12)
        assert share == pytest.approx(start + (1 - start) * min(step, steps - 1) / (steps - 1), abs=1e-12)


@given(rate=st.floats(0, 0.99), start=st.floats(0, 1), steps=st.integers(1, 1000), step=st.integers(0, 1000))
def test_a_raise_drops_a_third_of_what_was_kept_from_its_step_on(rate, start, steps, step):
    when = {"start": start, "steps": steps}
    without = dropped(rate, step, **when)
    assert dropped(rate, step, **when, raised=[step + 1]) == without
    assert 1 - dropped(rate, step, **when, raised=[step]) == pytest.approx((1 - without) * (1 - RAISE))
    assert 1 - dropped(rate, step, **when, raised=[1, step]) == pytest.approx(
        (1 - without) * (1 - RAISE) ** (1 + (step >= 1))
    )
    assert dropped(rate, step, **when, raised=[step]) < 1
