"""What a text shares with the training text is what a search for every one of its spans finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.evaluation import novelty as module
from charrnn.evaluation.novelty import Novelty, novelty

SIZES = range(1, 13)


def ids(text, dtype=np.uint8):
    return np.array([ord(symbol) - ord("a") for symbol in text], dtype=dtype)


def by_search(train, text, sizes):
    """The slow true twin, on strings."""
    shares = {}
    for n in sizes:
        spans = [text[place : place + n] for place in range(len(text) - n + 1)]
        if spans:
            shares[n] = sum(span in train for span in spans) / len(spans)
    lengths = [
        max(n for n in range(len(text) - start + 1) if text[start : start + n] in train) for start in range(len(text))
    ]
    longest = max(lengths, default=0)
    return Novelty(shares, lengths.index(longest) if longest else 0, longest)


@pytest.mark.parametrize(
    ("train", "text", "expected"),
    [
        ("abcabd", "xabdx", ({1: 3 / 5, 2: 2 / 4, 3: 1 / 3, 4: 0}, 1, 3)),
        ("abcabd", "abcabd", ({1: 1, 2: 1, 3: 1, 4: 1}, 0, 6)),
        ("ab", "abab", ({1: 1, 2: 2 / 3, 3: 0, 4: 0}, 0, 2)),  # the pair in the middle is ba
        ("abxcd", "cdab", ({1: 1, 2: 2 / 3, 3: 0, 4: 0}, 0, 2)),  # of two longest spans the first
        ("aaaaa", "aaa", ({1: 1, 2: 1, 3: 1}, 0, 3)),
        ("abc", "xyz", ({1: 0, 2: 0, 3: 0}, 0, 0)),
        ("abc", "", ({}, 0, 0)),
        ("", "abc", ({1: 0, 2: 0, 3: 0}, 0, 0)),
    ],
)
def test_a_table_worked_out_by_hand(train, text, expected):
    assert novelty(ids(train), ids(text), range(1, 5)) == Novelty(*expected)


@st.composite
def texts(draw):
    """A text that takes some of its stretches from the training text."""
    symbols = st.text("abc"[: draw(st.integers(1, 3))], max_size=40)
    train = draw(symbols)
    text = draw(symbols)
    for start in draw(st.lists(st.integers(0, 40), max_size=3)):
        text += train[start : start + draw(st.integers(0, 40))] + draw(symbols)
    return train, text


@settings(max_examples=400, deadline=None)
@given(texts(), st.integers(1, 50), st.sampled_from([np.uint8, np.uint16, np.uint32]))
def test_shares_and_longest_span_are_those_that_a_search_finds_whatever_the_blocks(both, block, dtype):
    train, text = both
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        assert novelty(ids(train, dtype), ids(text, dtype), SIZES) == by_search(train, text, SIZES)


def test_large_ids_are_told_apart_from_those_that_the_text_lacks():
    train = np.array([5, 70_000, 4_000_000, 9], dtype=np.uint32)
    assert novelty(train, np.array([70_000, 6, 5], dtype=np.uint32), [1]) == Novelty({1: 2 / 3}, 0, 1)


@pytest.mark.parametrize("period", [1, 7, 2000])
def test_a_long_text_that_stands_there_whole_takes_few_rounds(monkeypatch, period):
    """Not one for each of its 2,000 symbols, be the training text made of nothing else."""
    train = np.tile(np.random.default_rng(0).integers(60, size=period), 20_000 // period).astype(np.uint8)
    rounds = []
    honest = module._Grams.pairs_in
    monkeypatch.setattr(module._Grams, "pairs_in", lambda *given: rounds.append(given) or honest(*given))
    assert novelty(train, train[:2000]) == Novelty(dict.fromkeys(range(4, 13), 1.0), 0, 2000)
    assert len(rounds) <= 40


def test_the_training_text_is_never_copied_whole(tmp_path, monkeypatch):
    """A mapped file is looked at in slices."""
    monkeypatch.setattr(module, "_BLOCK", 100)
    np.random.default_rng(0).integers(4, size=5000).astype(np.uint8).tofile(tmp_path / "ids")
    train = np.memmap(tmp_path / "ids", dtype=np.uint8, mode="r")
    sizes = []
    honest = module._Grams.symbols_in
    monkeypatch.setattr(module._Grams, "symbols_in", lambda of, block: sizes.append(len(block)) or honest(of, block))
    assert novelty(train, np.array(train[4000:4050])).length == 50
    assert max(sizes) == 149
