"""Kneser-Ney n-grams against a slow twin made of dictionaries, and against numbers worked out by hand; compressors."""

import bz2
import importlib.util
import lzma
import math
import sys
import zlib
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charrnn.evaluation.baselines import ORDERS, baselines, compressed, kneser_ney
from charrnn.text.marks import END
from charrnn.text.vocabulary import Vocabulary

BEFORE = None  # what precedes a text: one more symbol, equal to none of its own


class Twin:
    """The formulas of the module, gram by gram; a gram is a tuple of symbols, and tables are dictionaries."""

    def __init__(self, train, symbols, order):
        self.symbols, self.order = symbols, order
        padded = [BEFORE] * order + list(train)
        self.counts, self.discounts, self.followers = {}, {}, {}
        ends = range(order + 1, len(padded) + 1)
        for k in range(1, order + 1):
            grams = [tuple(padded[end - k : end]) for end in ends]
            longer = {tuple(padded[end - k - 1 : end]) for end in ends} if k < order else ()
            counts = Counter(grams if k == order else (gram[1:] for gram in longer))
            once, twice = (sum(count == n for count in counts.values()) for n in (1, 2))
            self.counts[k] = counts
            self.discounts[k] = once / (once + 2 * twice) if once else 0.5
            self.followers[k] = defaultdict(set)
            for gram in grams:
                self.followers[k][gram[:-1]].add(gram[-1])

    def probability(self, history, symbol, k=None):
        """p_k(symbol | the last k - 1 symbols of the history)."""
        k = self.order if k is None else k
        if k == 0:
            return 1 / self.symbols
        context = tuple(([BEFORE] * k + list(history))[len(history) + 1 :])
        lower, counts, discount = self.probability(history, symbol, k - 1), self.counts[k], self.discounts[k]
        followers = self.followers[k][context]
        if not followers:
            return lower
        whole = sum(counts[(*context, follower)] for follower in followers)
        return (max(counts[(*context, symbol)] - discount, 0) + discount * len(followers) * lower) / whole

    def nats(self, train, held_out):
        """Mean nats of a symbol of `held_out`."""
        text = [*train, *held_out]
        places = range(len(train), len(text))
        return sum(-math.log(self.probability(text[:place], text[place])) for place in places) / len(places)


def ids(symbols):
    return np.array(symbols, dtype=np.uint8)


def n_gram(train, held_out, symbols, order):
    """Mean nats per symbol under one order."""
    return kneser_ney(train, held_out, symbols, [order])[order]


def probability_of(train, history, symbol, symbols, order):
    """p(symbol | end of history), out of the mean over a held-out text with and without it."""
    with_it = n_gram(ids(train), ids([*history, symbol]), symbols, order) * (len(history) + 1)
    without = n_gram(ids(train), ids(history), symbols, order) * len(history) if history else 0.0
    return math.exp(without - with_it)


@pytest.mark.parametrize(
    ("held_out", "order", "probability"),
    [
        # order 1: c(a) = 3, c(b) = 1; one gram seen once and none twice, so D = 1: 2/4 + 1/4 * 2 * 1/3
        ("a", 1, 2 / 3),
        ("b", 1, 1 / 6),
        ("c", 1, 1 / 6),
        # order 2, below it: a follows b, a and the beginning, b follows a: the same 3 and 1, D = 1.
        # above it: ab, ba and aa once, and a at the beginning, D = 1. After the last a: a once, b once.
        ("a", 2, 2 / 3),
        ("b", 2, 1 / 6),
        ("c", 2, 1 / 6),
    ],
)
def test_probabilities_after_abaa_worked_out_by_hand(held_out, order, probability):
    """Three symbols a, b, c; c is never seen."""
    found = n_gram(ids([0, 1, 0, 0]), ids(["abc".index(held_out)]), 3, order)
    assert found == pytest.approx(-math.log(probability), abs=1e-12)


def test_discount_shares_mass_between_seen_and_unseen_as_worked_out_by_hand():
    """aabba aab with a held-out a, order 2.

    Pairs: aa 2, ab 2, bb 1, ba 1, beginning-a 1. Three are seen once and two twice: D = 3 / (3 + 4) = 3/7.
    Below: a follows a, b and the beginning, 3; b follows a and b, 2. None once, one twice: D = 1/2, and
    p(a) = (3 - 1/2)/5 + 1/2 * 2/5 * 1/2 = 0.6. After b: a 1 and b 1, so p = (1 - 3/7)/2 + 3/7 * 2/2 * 0.6.
    """
    found = n_gram(ids([0, 0, 1, 1, 0, 0, 1]), ids([0]), 2, 2)
    assert found == pytest.approx(-math.log((1 - 3 / 7) / 2 + 3 / 7 * 0.6), abs=1e-12)


@pytest.mark.parametrize(("held_out", "probability"), [("a", 5 / 6), ("b", 1 / 6)])
def test_three_symbols_back_as_worked_out_by_hand(held_out, probability):
    """After abab, order 3.

    Triples: two beginnings, aba and bab, each once: D = 1, so after ab all is left to the pairs. What differs before
    them: beginning-a 1, ab 2, ba 1, D = 2 / (2 + 2) = 1/2: after b, a has (1 - 1/2)/1 + 1/2 * p(a). Before single
    symbols: a follows the beginning and b, b follows a: D = 1 / (1 + 2), p(a) = (2 - 1/3)/3 + 1/3 * 2/3 * 1/2 = 2/3.
    """
    found = n_gram(ids([0, 1, 0, 1]), ids(["ab".index(held_out)]), 2, 3)
    assert found == pytest.approx(-math.log(probability), abs=1e-12)


@given(
    symbols=st.integers(3, 5),
    order=st.integers(1, 6),
    train=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    held_out=st.lists(st.integers(0, 4), min_size=1, max_size=20),
)
@example(symbols=3, order=2, train=[1, 0, 0, 1, 2], held_out=[0, 1, 2])
@settings(deadline=None, max_examples=200)
def test_mean_nats_are_those_of_the_slow_twin(symbols, order, train, held_out):
    train, held_out = [s % symbols for s in train], [s % symbols for s in held_out]
    expected = Twin(train, symbols, order).nats(train, held_out)
    assert n_gram(ids(train), ids(held_out), symbols, order) == pytest.approx(expected, abs=1e-12)


@given(
    order=st.integers(1, 6),
    train=st.lists(st.integers(0, 2), min_size=1, max_size=25),  # the fourth symbol is never seen
    history=st.lists(st.integers(0, 3), max_size=6),
)
@settings(deadline=None, max_examples=200)
def test_probabilities_of_all_next_symbols_sum_to_one(order, train, history):
    """After contexts seen and unseen, to 1e-9 (a probability is the difference of two sums of nats)."""
    found = [probability_of(train, history, symbol, 4, order) for symbol in range(4)]
    assert sum(found) == pytest.approx(1, abs=1e-9)
    assert min(found) > 0


def test_longer_contexts_pay_on_a_text_of_period_five_and_cost_nothing_on_noise():
    """Over a b a c d ..., what follows a needs two symbols of context; fair dice cannot be learnt below ln 6."""
    period = np.tile([0, 1, 0, 2, 3], 60)
    one, two, three = (n_gram(ids(period[:250]), ids(period[250:]), 4, order) for order in (1, 2, 3))
    assert one > 1.2 > two > 0.25 > 0.02 > three
    dice = np.random.default_rng(0).integers(6, size=4000)
    assert 1.79 < n_gram(ids(dice[:3000]), ids(dice[3000:]), 6, 6) < 2.2


@given(train=st.lists(st.integers(0, 3), min_size=1, max_size=40), held_out=st.lists(st.integers(0, 3), min_size=1))
@settings(deadline=None, max_examples=50)
def test_orders_counted_together_are_those_counted_alone(train, held_out):
    together = kneser_ney(ids(train), ids(held_out), 4, [1, 3, 6])
    assert together == {order: n_gram(ids(train), ids(held_out), 4, order) for order in (1, 3, 6)}


@given(
    order=st.integers(1, 6),
    train=st.lists(st.integers(0, 2), min_size=1, max_size=30),
    held_out=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    block=st.integers(1, 20),
)
@settings(deadline=None, max_examples=100)
def test_a_long_text_costs_in_blocks_what_it_costs_at_once(order, train, held_out, block):
    whole = n_gram(ids(train), ids(held_out), 4, order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charrnn.evaluation.baselines.COUNTED_SYMBOLS", block)
        assert n_gram(ids(train), ids(held_out), 4, order) == pytest.approx(whole, abs=1e-12)


# Compressors, and everything in bits per character

PROSE = "".join(np.random.default_rng(0).choice(list("abcdefghijklmnop"), size=60_000))  # four bits a letter


def test_what_stands_in_the_training_part_is_known_to_those_who_can_remember_it():
    """A passage of 20,000 letters; gzip reaches back 32 KiB, bzip2 nowhere."""
    far, near = PROSE[:20_000].encode(), PROSE[-20_000:].encode()
    sizes = {name: (compressed(PROSE.encode(), part)) for name, part in (("far", far), ("near", near))}
    assert sizes["far"]["xz"] < 200 > sizes["near"]["xz"]
    assert sizes["far"]["gzip"] > 10_000 > 1000 > sizes["near"]["gzip"]
    assert sizes["near"]["bzip2"] == len(bz2.compress(near))
    assert min(compressed(b"other", far).values()) > 10_000 * 0.99


@given(before=st.binary(min_size=1, max_size=50), text=st.binary(min_size=1, max_size=200))
@settings(deadline=None)
def test_a_gzip_stream_of_that_size_gives_the_text_back(before, text):
    coder = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before)
    stream = coder.compress(text) + coder.flush()
    assert zlib.decompressobj(-zlib.MAX_WBITS, zdict=before).decompress(stream) == text
    assert compressed(before, text)["gzip"] == len(stream)


@given(before=st.binary(max_size=5000), text=st.binary(min_size=1, max_size=5000))
@settings(deadline=None, max_examples=20)
def test_xz_forgets_nothing_of_what_it_was_given_first(before, text):
    """What it may remember is as long as the text: the size is that with a dictionary of 16 MiB."""
    how = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 16 << 20}]
    with_it, alone = (len(lzma.compress(each, filters=how)) for each in (before + text, before))
    assert compressed(before, text)["xz"] == with_it - alone


def test_ppmd_has_a_row_where_its_package_is(monkeypatch):
    class Encoder:
        """Needs a byte for every different character."""

        def __init__(self, order, memory):
            assert (order, memory) == (6, 256 << 20)

        def encode(self, text):
            return bytes(len(set(text)))

        def flush(self):
            return b"!"

    monkeypatch.setitem(sys.modules, "pyppmd", type("Module", (), {"Ppmd7Encoder": Encoder}))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert compressed(b"abc", b"abcde")["ppmd"] == 2
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert set(compressed(b"abc", b"abcde")) == {"gzip", "bzip2", "xz"}


def test_ppmd_remembers_the_training_part():
    pytest.importorskip("pyppmd")
    assert compressed(PROSE.encode(), PROSE[:20_000].encode())["ppmd"] < 3000


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_all_are_in_bits_per_character_whatever_the_unit(unit):
    """Three bytes a character: what a compressor needs is shared out over characters, not bytes."""
    text = "好好学习天天向上" * 30
    vocabulary = Vocabulary.of(text if unit == "char" else text.encode())
    train, held_out = vocabulary.encode(text * 2), vocabulary.encode(text)
    found = baselines(train, held_out, vocabulary)
    assert set(found) - {"ppmd"} == {*ORDERS, "gzip", "bzip2", "xz"}
    assert found["bzip2"] == pytest.approx(8 * len(bz2.compress(text.encode())) / len(text))
    for name, order in ORDERS.items():
        nats = n_gram(train, held_out, len(vocabulary), order) * len(held_out)
        assert found[name] == pytest.approx(nats / len(text) / math.log(2))


def test_unknown_characters_are_spelled_for_all_as_for_a_model():
    vocabulary = Vocabulary("char", ("a", "b"), folds=True)
    train, held_out = vocabulary.encode("abab好" * 9), vocabulary.encode("ab学a")
    plain = n_gram(train, held_out, 3, 6)
    found, size = baselines(train, held_out, vocabulary), 8 * len(bz2.compress("ab\ufffda".encode()))
    assert found["6-gram"] == pytest.approx((plain + vocabulary.spelling / 4) / math.log(2))
    assert found["bzip2"] == pytest.approx((size + vocabulary.spelling / math.log(2)) / 4)


def test_the_end_before_the_first_record_is_nobodys():
    vocabulary = Vocabulary("char", (END, "a", "b"), end="\n")
    train, held_out = (vocabulary.encode(END + "".join(each + END for each in part)) for part in (["ab"] * 9, ["a"]))
    found = baselines(train, held_out, vocabulary)
    assert found["6-gram"] == pytest.approx(n_gram(train, held_out[1:], 3, 6) / math.log(2))
    assert found["bzip2"] == 8 * len(bz2.compress(b"a\n")) / 2
