"""What stands in both parts is found, exactly: against a search for every passage."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.text import duplicates as module
from charrnn.text.duplicates import SPAN, duplicates
from charrnn.text.marks import END
from charrnn.text.vocabulary import Vocabulary

PLAIN, LINES = Vocabulary.of("ab"), Vocabulary("char", (END, "a", "b"), end="\n")


@st.composite
def parts(draw):
    """Two texts of few symbols that share some stretches."""
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    stretches = [generator.integers(2, size=n).astype(np.uint8) for n in (70, 130, 200, 10)]
    chosen = st.lists(st.integers(0, 3), min_size=1, max_size=6)
    return [np.concatenate([stretches[number] for number in draw(chosen)]) for _ in range(2)]


@settings(max_examples=100, deadline=None)
@given(parts(), st.sampled_from([50, 1 << 20]))
def test_passages_are_those_that_a_search_finds(both, block):
    train, held_out = both
    text = train.tobytes()
    cut = [held_out[start : start + SPAN].tobytes() for start in range(0, len(held_out) - SPAN + 1, SPAN)]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="error"):
        patch.setattr(module, "_BLOCK", block)
        assert duplicates(train, held_out, PLAIN) == (sum(passage in text for passage in cut), len(cut))


def test_records_are_compared_whole():
    train, held_out = (
        LINES.encode(END + END.join(lines) + END) for lines in (["a", "ab", "bb"], ["ab", "b", "a", "ba"])
    )
    assert duplicates(train, held_out, LINES) == (2, 4)


@pytest.mark.parametrize("size", [0, 1, SPAN - 1])
def test_a_part_without_a_passage_has_none(size):
    assert duplicates(np.zeros(100, dtype=np.uint8), np.zeros(size, dtype=np.uint8), PLAIN) == (0, 0)
    assert duplicates(np.zeros(size, dtype=np.uint8), np.zeros(100, dtype=np.uint8), PLAIN)[0] == 0


def test_a_text_that_repeats_itself_costs_no_more():
    """A million places that all match are looked at once."""
    ids = np.tile(np.array([0, 1], dtype=np.uint8), 500_000)
    with pytest.MonkeyPatch.context() as patch:
        looked = []
        patch.setattr(module.np, "unique", lambda *a, real=np.unique, **k: looked.append(real(*a, **k)) or looked[-1])
        assert duplicates(ids, ids[:6400], PLAIN) == (100, 100)
    assert sum(len(found[0]) for found in looked) == 1
