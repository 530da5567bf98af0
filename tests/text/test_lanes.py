from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.text.lanes import PIECE, Lanes, fit

few = settings(max_examples=100, deadline=None)


@st.composite
def layouts(draw):
    """Lanes over a text whose ids are their own positions, and an epoch to look at."""
    batch_size, seq_length = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    windows, rest = draw(st.integers(1, 3 * PIECE)), draw(st.integers(0, batch_size * seq_length - 1))
    ids = np.arange(batch_size * seq_length * windows + 1 + rest, dtype=np.uint16)
    return Lanes(ids, batch_size, seq_length, draw(st.integers(0, 2**63 - 1))), draw(st.sampled_from([0, 0, 1, 50]))


def steps_of(lanes: Lanes, epoch: int) -> range:
    return range(epoch * lanes.windows, (epoch + 1) * lanes.windows)


def test_tiny_text_is_laid_out_as_worked_out_by_hand():
    # 13 symbols, 2 lanes of 2 windows of 3, and the last target: nothing is left over, so every epoch is this one.
    lanes = Lanes(np.arange(100, 113, dtype=np.uint8), batch_size=2, seq_length=3)
    assert lanes.windows == 2
    for step in (0, 2, 4):
        window = lanes.window(step)
        assert window.inputs.tolist() == [[100, 106], [101, 107], [102, 108]]
        assert window.targets.tolist() == [[101, 107], [102, 108], [103, 109]]
        assert window.fresh.tolist() == [True, True]
    for step in (1, 3, 5):
        window = lanes.window(step)
        assert window.inputs.tolist() == [[103, 109], [104, 110], [105, 111]]
        assert window.targets.tolist() == [[104, 110], [105, 111], [106, 112]]
        assert window.fresh.tolist() == [False, False]


@few
@given(layouts())
def test_windows_are_plain_slices_of_the_text(layout):
    lanes, epoch = layout
    text = np.random.default_rng(0).integers(0, 50, len(lanes.ids)).astype(np.uint8)
    scrambled = Lanes(text, lanes.batch_size, lanes.seq_length, lanes.seed)
    for step in steps_of(lanes, epoch):
        window = scrambled.window(step)
        for lane, start in enumerate(lanes.window(step).inputs[0]):
            assert window.inputs[:, lane].tolist() == text[start : start + lanes.seq_length].tolist()
            assert window.targets[:, lane].tolist() == text[start + 1 : start + 1 + lanes.seq_length].tolist()


@few
@given(layouts())
def test_targets_are_inputs_one_symbol_later(layout):
    lanes, epoch = layout
    for step in steps_of(lanes, epoch):
        window = lanes.window(step)
        assert window.inputs.shape == window.targets.shape == (lanes.seq_length, lanes.batch_size)
        assert np.array_equal(window.targets, window.inputs + 1)


@few
@given(layouts())
def test_a_window_begins_where_the_one_before_ended_unless_it_starts_afresh(layout):
    lanes, epoch = layout
    windows = [lanes.window(step) for step in steps_of(lanes, epoch)]
    for before, after in pairwise(windows):
        assert after.fresh.all() or np.array_equal(after.inputs[0], before.targets[-1])


@few
@given(layouts())
def test_an_epoch_covers_each_lane_once_and_leaves_less_than_a_batch(layout):
    lanes, epoch = layout
    read = np.concatenate([lanes.window(step).inputs for step in steps_of(lanes, epoch)])  # (W * T, B)
    start = lanes.offset(epoch)
    read = np.sort(read, axis=0) if epoch == 0 else read
    assert np.array_equal(read.T.ravel(), np.arange(start, start + read.size))
    assert 0 <= len(lanes.ids) - 1 - read.size < lanes.batch_size * lanes.seq_length


@few
@given(layouts())
def test_state_starts_afresh_exactly_where_an_epoch_does_and_in_the_first_each_piece(layout):
    lanes, epoch = layout
    for index, step in enumerate(steps_of(lanes, epoch)):
        starts = index == 0 or (epoch == 0 and index % PIECE == 0)
        assert lanes.window(step).fresh.tolist() == [starts] * lanes.batch_size


def test_a_run_that_ends_within_its_first_epoch_has_read_from_all_over_the_text():
    ids = np.arange(4 * 100 * PIECE + 1, dtype=np.uint16)  # 4 lanes of 100 pieces, of windows of 1
    orders = []
    for seed in range(3):
        lanes = Lanes(ids, 4, 1, seed)
        read = np.concatenate([lanes.window(step).inputs for step in range(25 * PIECE)]) % (100 * PIECE)
        orders.append(read[::PIECE, 0].tolist())
        assert (read == read[:, :1]).all(), "lanes go side by side"
        fifths = np.bincount(read[:, 0] // (20 * PIECE), minlength=5)
        assert fifths.min() >= PIECE, "a quarter of an epoch leaves no fifth of a lane unread"
    assert orders[0] != orders[1] != orders[2]


@few
@given(layouts())
def test_order_is_a_function_of_seed_and_epoch(layout):
    lanes, epoch = layout
    twin = Lanes(lanes.ids, lanes.batch_size, lanes.seq_length, lanes.seed)
    backwards = {step: twin.window(step).inputs for step in reversed(range((epoch + 1) * lanes.windows))}
    for step in steps_of(lanes, epoch):
        assert np.array_equal(lanes.window(step).inputs, backwards[step])


def test_offset_differs_between_epochs_and_between_seeds():
    ids = np.zeros(2000, dtype=np.uint8)  # 1 window of 1 lane of 1000, and 999 symbols over
    of_epochs = {Lanes(ids, 1, 1000).offset(epoch) for epoch in range(40)}
    of_seeds = {Lanes(ids, 1, 1000, seed).offset(0) for seed in range(40)}
    # 40 fair draws out of 1,000 hold 0.8 repetitions on average, so more than 30 distinct ones.
    assert min(len(of_epochs), len(of_seeds)) > 30
    assert all(0 <= offset <= 999 for offset in of_epochs | of_seeds)


def test_every_offset_up_to_the_rest_is_used():
    lanes = Lanes(np.zeros(2 * 3 + 1 + 3, dtype=np.uint8), batch_size=2, seq_length=3)
    assert {lanes.offset(epoch) for epoch in range(200)} == {0, 1, 2, 3}


def test_text_needs_one_symbol_more_than_one_batch():
    assert Lanes(np.zeros(13, dtype=np.uint8), batch_size=3, seq_length=4).windows == 1
    with pytest.raises(ValueError, match="12 symbols do not fill a batch of 3 x 4"):
        Lanes(np.zeros(12, dtype=np.uint8), batch_size=3, seq_length=4)


@pytest.mark.parametrize(
    ("symbols", "asked", "fitted"),
    [
        (10_000, (16, 64), (16, 64)),
        (16 * 64 + 1, (16, 64), (16, 64)),
        (16 * 64, (16, 64), (15, 64)),
        (100, (16, 64), (1, 64)),
        (65, (16, 64), (1, 64)),
        (64, (16, 64), (1, 63)),
        (5, (16, 64), (1, 4)),
        (2, (16, 64), (1, 1)),
    ],
)
def test_lanes_give_way_before_the_sequence_length(symbols, asked, fitted):
    assert fit(symbols, *asked) == fitted


@few
@given(st.integers(2, 3000), st.integers(1, 40), st.integers(1, 200))
def test_fitted_lanes_can_be_filled_and_one_more_could_not(symbols, batch_size, seq_length):
    lanes, length = fit(symbols, batch_size, seq_length)
    ids = np.zeros(symbols, dtype=np.uint8)
    assert Lanes(ids, lanes, length).windows >= 1
    assert 1 <= lanes <= batch_size
    assert length == min(seq_length, symbols - 1)
    if lanes < batch_size:
        with pytest.raises(ValueError, match="do not fill"):
            Lanes(ids, lanes + 1, length)


@few
@given(st.integers(2, 3000), st.integers(1, 12), st.integers(1, 100), st.integers(1, 8))
def test_fitted_lanes_stay_a_multiple_of_the_shares_as_long_as_each_share_has_one(symbols, each, seq_length, shares):
    lanes, length = fit(symbols, each * shares, seq_length, shares)
    most, alone = fit(symbols, each * shares, seq_length)
    assert length == alone
    assert lanes <= most
    if most >= shares:
        assert lanes % shares == 0
        assert most - lanes < shares
    else:
        assert lanes == 1
