"""Every symbol is scored exactly once, with the state that its protocol promises, and units are what they say."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config import ModelConfig
from charrnn.evaluation.score import (
    CHUNK,
    SHORT,
    Score,
    score_stream,
    surprisals,
    total,
)
from charrnn.evaluation.segments import cold, lanes
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.shapes import parameter_shapes
from charrnn.text.vocabulary import Vocabulary

LN2 = math.log(2)
FIVE = Vocabulary.of("abcde")


class Remembering:
    """A fake reader: its state is a fading sum of the inputs since the last reset, its nats show state and target.

    Without a reset for long, h -> 0.9 h + input + 1; a target t then costs h / 100 + t.
    """

    symbols, bidirectional = 5, False

    def __init__(self):
        self.widths = []

    def initial_state(self, lanes):
        self.widths.append(lanes)
        return np.zeros(lanes)

    def surprisal(self, inputs, targets, state):
        assert inputs.shape == targets.shape
        assert len(inputs) <= CHUNK
        nats = np.empty(inputs.shape)
        for t in range(len(inputs)):
            state = 0.9 * state + inputs[t] + 1
            nats[t] = state / 100 + targets[t]
        return nats, targets == 0, state


def by_loop(ids, resets=()):
    """What `Remembering` makes of `ids`, one symbol after the other; `resets` are targets before which it forgets."""
    nats, h = [math.log(5)], 0.0
    for place in range(1, len(ids)):
        h = 0.9 * (0.0 if place in resets else h) + int(ids[place - 1]) + 1
        nats.append(h / 100 + int(ids[place]))
    return nats[: len(ids)]


def random_ids(n, symbols=5, seed=0):
    return np.random.default_rng(seed).integers(symbols, size=n).astype(np.uint8)


def targets_of(segments):
    return [place for segment in segments for place in range(segment.scored, segment.end)]


SIZES = st.integers(0, 3) | st.integers(0, 500)
SHAPES = {"count": st.integers(1, 80), "run_up": st.integers(1, 60), "window": st.integers(1, 520)}


@given(n=SIZES, **SHAPES)
@settings(deadline=None, max_examples=300)
def test_every_target_is_scored_exactly_once(n, count, run_up, window):
    for segments in (lanes(n, 1), lanes(n, count, run_up), cold(n, window)):
        assert sorted(targets_of(segments)) == list(range(1, n))
        assert all(1 <= segment.start <= segment.scored <= segment.end <= n for segment in segments)


@given(n=SIZES, **SHAPES)
@settings(deadline=None, max_examples=300)
def test_lanes_are_of_one_length_and_all_but_the_first_have_their_run_up(n, count, run_up, window):
    segments = lanes(n, count, run_up)
    assert len(segments) <= count
    assert len({segment.end - segment.start for segment in segments}) <= 1
    assert all(segment.scored - segment.start >= run_up for segment in segments[1:])


@given(n=SIZES, **SHAPES)
@settings(deadline=None, max_examples=100)
def test_cold_windows_never_look_further_back_than_their_width(n, count, run_up, window):
    segments = cold(n, window)
    assert all(segment.start == segment.scored for segment in segments)
    assert [segment.end - segment.start for segment in segments[:-1]] == [window] * max(0, len(segments) - 1)
    assert all(0 < segment.end - segment.start <= window for segment in segments[-1:])


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (lanes(0, 1), []),
        (lanes(1, 1), []),
        (lanes(2, 1), [(1, 1, 2)]),
        (lanes(9, 1), [(1, 1, 9)]),
        (cold(9, 3), [(1, 1, 4), (4, 4, 7), (7, 7, 9)]),
        (cold(9, 4), [(1, 1, 5), (5, 5, 9)]),
        (cold(1, 4), []),
        (lanes(1, 4, 2), []),
        (lanes(9, 4, 2), [(1, 1, 6), (4, 6, 9)]),  # 8 targets: two lanes of 5, of which 2 are a run-up
        (lanes(9, 1, 2), [(1, 1, 9)]),
        (lanes(9, 4, 5), [(1, 1, 9)]),  # too short to be worth a run-up
        (lanes(13, 3, 2), [(1, 1, 7), (5, 7, 11), (7, 11, 13)]),  # the last lane ends with the text
    ],
)
def test_segments_of_short_texts_worked_out_by_hand(segments, expected):
    assert [(each.start, each.scored, each.end) for each in segments] == expected


@pytest.mark.parametrize("n", [0, 1, 2, 3, CHUNK, CHUNK + 1, CHUNK + 2, 3 * CHUNK + 5])
def test_carried_score_is_that_of_a_plain_loop(n):
    ids, reader = random_ids(n), Remembering()
    nats, hits = surprisals(reader, ids, lanes(n, 1))
    np.testing.assert_allclose(nats[1:], by_loop(ids)[1:], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(hits[1:], ids[1:] == 0)
    assert np.isnan(nats[:1]).all()
    assert reader.widths == [1] * (n > 1)


@pytest.mark.parametrize("side_by_side", [1, 3, 64])
@pytest.mark.parametrize(("n", "window"), [(20, 1), (20, 6), (20, 19), (20, 50), (700, 300), (1, 4)])
def test_cold_windows_start_from_nothing(n, window, side_by_side):
    ids, reader = random_ids(n), Remembering()
    nats, _ = surprisals(reader, ids, cold(n, window), side_by_side=side_by_side)
    np.testing.assert_allclose(nats[1:], by_loop(ids, resets=range(1, n, window))[1:], rtol=0, atol=1e-12)
    assert max(reader.widths, default=0) <= side_by_side * max(1, CHUNK // window)


@pytest.mark.parametrize("side_by_side", [1, 3, 64])
def test_lanes_score_after_their_run_up(side_by_side):
    """Each lane is a loop that forgets where the lane starts.

    What was forgotten, a state between 10 and 50 in hundredths, has faded 21 times when it first counts.
    """
    ids = random_ids(1500)
    segments = lanes(len(ids), 5, 20)
    nats, _ = surprisals(Remembering(), ids, segments, side_by_side=side_by_side)
    assert len(segments) == 5
    for segment in segments:
        expected = by_loop(ids, resets=[segment.start])
        np.testing.assert_allclose(
            nats[segment.scored : segment.end], expected[segment.scored : segment.end], rtol=0, atol=1e-12
        )
    assert 0.1 * 0.9**21 <= np.abs(nats - by_loop(ids))[1:].max() <= 0.5 * 0.9**21


def test_first_symbol_is_charged_a_uniform_choice():
    """Whatever the protocol: a code of the text could really be decoded."""
    for window in (None, 7):
        (part,) = score_stream(lambda short: Remembering(), [random_ids(40)], FIVE, window)
        assert part.nats[0] == math.log(5)
        assert not np.isnan(part.nats).any()


def test_scoring_can_be_interrupted_between_chunks():
    calls = []

    def poll():
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt

    ids = random_ids(10 * CHUNK)
    with pytest.raises(KeyboardInterrupt):
        surprisals(Remembering(), ids, lanes(len(ids), 1), poll=poll)
    assert len(calls) == 3


def test_lanes_and_one_carried_state_agree_for_a_real_network():
    """A small random LSTM forgets: after 100 symbols of run-up every surprisal is right to 1e-4, after 1 it is not."""
    config = ModelConfig(cell="lstm", layers=2, hidden=8, embedding=4, dropout=0)
    generator = np.random.default_rng(0)
    weights = {
        name: generator.normal(scale=0.5, size=shape).astype(np.float32)
        for name, shape in parameter_shapes(config, 5).items()
    }
    reader, ids = NumpyNetwork(config, 5, weights), random_ids(2000)
    expected = surprisals(reader, ids, lanes(2000, 1))[0][1:]
    close, rough = (surprisals(reader, ids, lanes(2000, 8, run_up))[0][1:] for run_up in (100, 1))
    assert np.abs(close - expected).max() < 1e-4
    assert np.abs(rough - expected).max() > 1e-2
    assert abs(close.mean() - expected.mean()) < 1e-6


@pytest.mark.parametrize(
    ("unit", "symbols", "bits_per_char", "bits_per_byte", "perplexity"),
    [
        ("char", 3, 4.0, 2.0, 16.0),  # 12 bits over é, € and a: 3 characters, 2 + 3 + 1 bytes
        ("byte", 6, 4.0, 2.0, 4.0),
    ],
)
def test_units_of_a_score_worked_out_by_hand(unit, symbols, bits_per_char, bits_per_byte, perplexity):
    text = "é€a"
    vocabulary = Vocabulary.of(text if unit == "char" else text.encode())
    ids = vocabulary.encode(text)
    score = total(vocabulary, ids, np.full(symbols, 12 * LN2 / symbols), unknown=2)
    assert score == Score(pytest.approx(12 * LN2), symbols, characters=3, bytes=6, unknown=2)
    assert score.bits_per_char == pytest.approx(bits_per_char)
    assert score.nats_per_char == pytest.approx(bits_per_char * LN2)
    assert score.bits_per_byte == pytest.approx(bits_per_byte)
    assert score.perplexity == pytest.approx(perplexity)


def test_score_of_an_empty_text_is_no_number_and_no_error():
    vocabulary = Vocabulary.of("ab")
    score = total(vocabulary, vocabulary.encode(""), np.zeros(0))
    assert score == Score(0.0, 0, 0, 0)
    assert all(map(math.isnan, (score.nats_per_char, score.bits_per_char, score.bits_per_byte, score.perplexity)))


def test_nats_are_added_without_rounding():
    nats = np.array([1e16, 1.0, 1.0, 1.0])
    assert total(Vocabulary.of("ab"), np.zeros(4, dtype=np.uint8), nats).nats == 1e16 + 3
    assert nats.cumsum()[-1] == 1e16, "a running sum loses them"


def test_perplexity_of_a_hopeless_model_does_not_overflow():
    assert math.isfinite(Score(nats=1e9, symbols=10, characters=10, bytes=10).perplexity)


# Texts that come in pieces


def cut(ids, ends):
    return [ids[start:end] for start, end in itertools.pairwise([0, *sorted(ends), len(ids)])]


@given(n=st.integers(0, 400), ends=st.lists(st.integers(0, 400)), window=st.none() | st.integers(1, 450))
@settings(deadline=None, max_examples=200)
def test_a_short_text_scores_the_same_in_pieces(n, ends, window):
    ids, asked = random_ids(n), []

    def open_reader(short):
        asked.append(short)
        return Remembering()

    parts = list(score_stream(open_reader, cut(ids, [min(end, n) for end in ends]), FIVE, window))
    expected, hits = surprisals(Remembering(), ids, cold(n, window) if window else lanes(n, 1))
    expected[:1] = math.log(5)
    np.testing.assert_array_equal(np.concatenate([ids[:0], *(part.ids for part in parts)]), ids)
    np.testing.assert_allclose(np.concatenate([[], *(part.nats for part in parts)]), expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(np.concatenate([hits[:0], *(part.hits for part in parts)]), hits)
    assert asked == [True]


@pytest.mark.parametrize("window", [None, 1, 7, 100, 3000, 70_000])
@pytest.mark.parametrize("size", [1000, 4097, 50_000])
def test_a_long_text_scores_the_same_in_blocks(monkeypatch, size, window):
    """Windows exactly; lanes as with a run-up that 0.9**512 has faded over, which is nothing in 64 bits."""
    monkeypatch.setattr("charrnn.evaluation.score.BLOCK", size)
    ids = random_ids(30_000)
    parts = list(score_stream(lambda short: Remembering(), cut(ids, [10, 9_999, 20_000]), FIVE, window))
    expected, _ = surprisals(Remembering(), ids, cold(len(ids), window) if window else lanes(len(ids), 1))
    expected[0] = math.log(5)
    np.testing.assert_array_equal(np.concatenate([part.ids for part in parts]), ids)
    np.testing.assert_allclose(np.concatenate([part.nats for part in parts]), expected, rtol=0, atol=1e-12)
    assert max(len(part.ids) for part in parts) <= max(size, window or 0) + 1


def test_which_network_reads_depends_on_the_length_only():
    asked = []
    for n in (0, 1, SHORT, SHORT + 1):
        list(score_stream(lambda short: asked.append(short) or Remembering(), [random_ids(n)], FIVE))
    assert asked == [True, True, True, False]


def test_no_more_than_two_blocks_are_read_ahead(monkeypatch):
    monkeypatch.setattr("charrnn.evaluation.score.BLOCK", 1000)
    given = 0

    def pieces():
        nonlocal given
        for _ in range(200):
            given += 500
            yield random_ids(500)

    done = 0
    for part in score_stream(lambda short: Remembering(), pieces(), FIVE):
        assert given - done <= 2 * 1000 + 500 + 1
        done += len(part.ids)
    assert done == 100_000


def test_a_large_alphabet_is_read_in_shorter_chunks():
    """No more than 2^23 logits at once."""

    class Wide(Remembering):
        symbols = 100_000

        def surprisal(self, inputs, targets, state):
            assert inputs.size * self.symbols <= 1 << 23
            return super().surprisal(inputs, targets, state)

    surprisals(Wide(), random_ids(4000), cold(4000, 100))


@given(numbers=st.lists(st.tuples(*[st.integers(0, 1000)] * 8), min_size=1, max_size=5))
def test_scores_of_parts_add_up(numbers):
    assert sum((Score(*each) for each in numbers), Score()) == Score(*map(sum, zip(*numbers, strict=True)))


@pytest.mark.parametrize("window", [None, 3])
def test_what_comes_slowly_is_scored_before_more_of_it_comes(window):
    """Up to an empty piece all is scored (in windows: whole ones), and the nats are those of the whole text."""
    ids = np.random.default_rng(0).integers(5, size=700).astype(np.uint8)
    cuts, given = [0, 1, 2, 9, 300, 700], [0]

    def slowly():
        for start, end in itertools.pairwise(cuts):
            given[0] = end
            yield ids[start:end]
            yield ids[:0]

    nats, counts = [], []
    for part in score_stream(lambda short: Remembering(), slowly(), FIVE, window, live=True):
        nats += part.nats.tolist()
        counts.append((len(nats), given[0]))
    whole = [end if window is None else end - (end - 1) % window for end in cuts[1:]]
    assert [count for count, _ in counts][-1] == 700
    for end, scored in zip(cuts[1:], whole, strict=True):
        assert max(count for count, known in counts if known <= end) == scored
    resets = () if window is None else range(1, 700, window)
    assert nats == pytest.approx(by_loop(ids, resets))
