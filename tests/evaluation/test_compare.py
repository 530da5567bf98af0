"""Differences of models: blocks that hold the same characters in every unit, and intervals that mean what they say."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.evaluation import compare
from charrnn.evaluation.compare import BLOCK, Blocks, difference, passages, resampled
from charrnn.evaluation.score import Scored
from charrnn.text.marks import END
from charrnn.text.vocabulary import Vocabulary

LN2 = math.log(2)
TEXT = st.text(st.sampled_from("ab é好\n"), min_size=1, max_size=120)


def part(ids, nats):
    return Scored(ids, np.asarray(nats, dtype=np.float64), 0, np.zeros(len(ids), dtype=bool))


def of(vocabulary, text, nats, ends=()):
    """The blocks of a text that comes in parts; `nats` is a number for each symbol, made from its place."""
    ids = vocabulary.encode(text)
    found, costs = Blocks(vocabulary), np.array([nats(place) for place in range(len(ids))])
    places = [0, *sorted(min(end, len(ids)) for end in ends), len(ids)]
    for start, end in itertools.pairwise(places):
        found.add(part(ids[start:end], costs[start:end]))
    return found


def made_of(sums, text=None):
    """Blocks with these sums, of letters that do not matter."""
    return of(Vocabulary.of("a"), text or "a" * BLOCK * len(sums), lambda place: sums[place // BLOCK] / BLOCK)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(compare, "BLOCK", 10)


UNITS = {
    "char": lambda text: Vocabulary.of(text),
    "byte": lambda text: Vocabulary.of(text.encode()),
    "word": lambda text: Vocabulary("word", tuple(sorted({*text, "ab", " ab", "ba", "aa"}))),
}


@pytest.mark.parametrize("unit", UNITS)
@given(text=TEXT, ends=st.lists(st.integers(0, 120), max_size=3))
@settings(deadline=None)
def test_a_symbols_nats_go_where_its_last_character_stands(unit, text, ends):
    vocabulary = UNITS[unit](text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "BLOCK", 10)
        found, expected, ids = of(vocabulary, text, lambda place: place + 1, ends), {}, vocabulary.encode(text).tolist()
        for place in range(len(ids)):
            after = ids[: place + 1]
            read = len(vocabulary.to_bytes(after).decode("utf-8", "ignore"))
            begun = unit == "byte" and ids[place] >= 0x80 and len(vocabulary.to_bytes(after).decode("utf-8", "replace"))
            block = ((begun or read) - 1) // 10
            expected[block] = expected.get(block, 0) + place + 1
        assert found.characters == len(text)
        np.testing.assert_allclose(found.nats, [expected.get(block, 0) for block in range(len(found.nats))])
        assert found.sizes.sum() == len(text)
        assert len(found.nats) == len(found.begins) == -(-len(text) // 10)


@given(text=st.text(st.sampled_from("abcé好\n"), min_size=11, max_size=200))
@settings(deadline=None)
def test_units_are_aligned(text):
    """A character costs what it is, whatever it is made of: no block differs, and there is nothing to choose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "BLOCK", 10)
        patch.setattr(compare, "RESAMPLES", 100)
        price = {symbol: number + 1.0 for number, symbol in enumerate(sorted(set(text)))}
        chars, whole = Vocabulary.of(text), Vocabulary.of(text.encode())
        one = of(chars, text, lambda place: price[text[place]])
        shares = [price[symbol] / len(symbol.encode()) for symbol in text for _ in symbol.encode()]
        other = of(whole, text, lambda place: shares[place])
        np.testing.assert_allclose(one.nats, other.nats)
        assert difference(one, other) == pytest.approx((0, 0, 0), abs=1e-9)


def test_words_of_no_more_than_a_block_are_aligned_within_a_word(small):
    text = "the cat sat on the mat " * 20
    words = Vocabulary("word", tuple(sorted({*text, "the", " cat", " sat", " on", " the", " mat"})))
    one = of(Vocabulary.of(text), text, lambda place: 1.0)
    ids = words.encode(text)
    other = of(words, text, lambda place: float(words.widths[0][ids[place]]))
    assert np.abs(np.cumsum(one.nats) - np.cumsum(other.nats)).max() <= 4
    assert difference(one, other) is not None


def test_what_does_not_count_has_no_place(small):
    vocabulary = Vocabulary("char", (END, "a", "b"), end="\n")
    found = Blocks(vocabulary)
    found.add(part(vocabulary.encode(END + "ab" + END), [math.nan, 1, 2, 3]))
    plain = of(Vocabulary.of("ab\n"), "ab\n", lambda place: place + 1)
    assert (found.nats.tolist(), found.characters, found.begins) == ([6], 3, ["ab\n"])
    assert compare.same_text(found, plain)


# Intervals


def test_the_difference_is_in_bits_per_character_with_the_last_block_as_long_as_it_is(small):
    one, two = (of(Vocabulary.of("a"), "a" * 25, lambda place, price=price: price) for price in (3 * LN2, LN2))
    assert difference(one, two) == pytest.approx((2, 2, 2))
    assert difference(two, one) == pytest.approx((-2, -2, -2))
    assert difference(one, one) == (0, 0, 0)


@pytest.mark.parametrize(
    ("one", "other"), [("a" * 10, "a" * 10), ("a" * 30, "a" * 29), ("ab" * 15, "ba" * 15)], ids=str
)
def test_one_block_and_different_texts_have_no_interval(small, one, other):
    found = [of(Vocabulary.of("ab"), text, lambda place: 1.0) for text in (one, other)]
    assert difference(*found) is None


def test_the_bootstrap_is_that_of_a_plain_loop(monkeypatch):
    monkeypatch.setattr(compare, "RESAMPLES", 300)
    bits, sizes = np.random.default_rng(5).normal(size=7) * 1000, np.array([1000] * 6 + [123])
    generator, expected = np.random.default_rng(compare.SEED), []
    for _ in range(300):
        above = below = 0.0
        for block in generator.integers(7, size=7).tolist():
            above, below = above + float(bits[block]), below + float(sizes[block])
        expected.append(above / below)
    np.testing.assert_allclose(resampled(bits, sizes), expected, rtol=0, atol=1e-12)


def test_the_interval_is_that_of_all_draws_there_are():
    """Five blocks can be drawn in 3,125 ways; ten thousand resamples find their quantiles."""
    sums = [100.0, 350.0, -200.0, 900.0, 20.0]
    every = [sum(draw) / 5 / BLOCK / LN2 for draw in itertools.product(sums, repeat=5)]
    found = difference(made_of(sums), made_of([0.0] * 5))
    assert found.mean == pytest.approx(sum(sums) / 5 / BLOCK / LN2)
    shares = [np.mean(np.array(every) <= bound + 1e-9) for bound in (found.low, found.high)]
    assert shares == pytest.approx([0.025, 0.975], abs=0.01)


def test_intervals_hold_the_truth_as_often_as_they_say(monkeypatch):
    """Of 300 texts of 60 blocks whose models truly differ by 0.02; both models find the same passages hard.

    A percentile interval of 60 blocks holds 94 % of the time; within 4 standard errors, 0.055, of that. An interval
    that forgot that the blocks are pairs would be ten times as wide.
    """
    monkeypatch.setattr(compare, "RESAMPLES", 400)
    generator, held, widths = np.random.default_rng(1), 0, []
    for _ in range(300):
        hard = generator.normal(2, 1, size=60)
        better, worse = hard * BLOCK * LN2, (hard + 0.02 + generator.normal(0, 0.1, size=60)) * BLOCK * LN2
        blocks = Blocks(Vocabulary.of("a")), Blocks(Vocabulary.of("a"))
        for each, nats in zip(blocks, (worse, better), strict=True):
            each.nats, each.characters = nats, 60 * BLOCK
        found = difference(*blocks)
        held += found.low <= 0.02 <= found.high
        widths.append(found.high - found.low)
    assert abs(held / 300 - 0.94) < 0.055
    assert np.mean(widths) == pytest.approx(2 * 1.96 * 0.1 / math.sqrt(60), rel=0.1)


def test_passages_are_the_blocks_that_differ_most(small):
    text = "".join(f"block {number}: " for number in range(10))
    chance = random.Random(0)  # noqa: S311
    prices = [chance.random() for _ in range(10)]
    prices[7], prices[2], prices[4] = 9.0, -8.0, 7.0
    one = of(Vocabulary.of(text), text, lambda place: max(0.0, prices[place // 10]) * LN2)
    two = of(Vocabulary.of(text), text, lambda place: max(0.0, -prices[place // 10]) * LN2)
    found = passages(one, two)
    assert [each.start for each in found] == [70, 20, 40]
    assert [each.bits_per_char for each in found] == pytest.approx([9, -8, 7])
    assert [each.begins for each in found] == [text[each.start :][:60] for each in found]
