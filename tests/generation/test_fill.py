"""Gaps, filled: the search against all writings tried one by one, and the text around them as it was."""

import re
from itertools import pairwise, product

import numpy as np
import pytest

from charrnn.config import ModelConfig
from charrnn.errors import DataError, SettingsError
from charrnn.generation import fill as filling
from charrnn.generation.choose import softmax
from charrnn.generation.fill import HALF, NOTHING, Filling, How
from charrnn.generation.restore import restore
from charrnn.model.behind import Behind
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.shapes import parameter_shapes
from charrnn.text.gaps import gapped, marked, runs
from charrnn.text.marks import END, GAP
from charrnn.text.vocabulary import Vocabulary

ONE_WAY, BOTH_WAYS = Vocabulary.of("abc"), Vocabulary("char", ("a", "b", "c", GAP), gaps=True)
LINES = Vocabulary("char", (END, "a", "b", "c", GAP), "\n", gaps=True)
WORDS = Vocabulary("word", (" ", " blue", " sky", ".", "blue", "sky", "the"))


def network_of(vocabulary, *, bidirectional, seed=3, scale=0.7):
    config = ModelConfig(cell="gru", layers=2, hidden=6, embedding=5, dropout=0, bidirectional=bidirectional)
    generator = np.random.default_rng(seed)
    shapes = parameter_shapes(config, len(vocabulary))
    weights = {name: scale * generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return NumpyNetwork(config, len(vocabulary), weights)


def by_hand(network, vocabulary, text):
    """The probability of every writing of the gaps, each tried: normalised over all of them."""
    part = gapped(marked(text, "_", None), vocabulary)
    places = np.flatnonzero(part.missing)
    read = np.where(part.missing, vocabulary.gap_id or 0, part.ids).astype(np.int64)
    found = {}
    for writing in product(range(3), repeat=len(places)):
        ids = part.ids.astype(np.int64)
        ids[places] = writing
        onward = logs(network, ids, places, np.full(NOTHING, vocabulary.gap_id or 0))
        first = places[0]
        total = onward[np.arange(first, len(ids)), ids[first:]].sum()
        if network.bidirectional:
            given = np.stack([logs(network, ids, places, read[place + 1 :])[place] for place in places])
            total = HALF * total + HALF * given[np.arange(len(places)), writing].sum()
        found[writing] = total
    shares = softmax(np.array(list(found.values())))
    return dict(zip(found, shares.tolist(), strict=True))


def logs(network, ids, missing, behind):
    """ln p (n, V) of every symbol at every place, from the left and from what stands `behind` all of them.

    Where one is missing, it is not the mark of a gap.
    """
    state, found = network.initial_state(1), []
    features = np.zeros((1, network.config.hidden), dtype=np.float32)
    for place, symbol in enumerate(ids.tolist()):
        seen = features
        if network.bidirectional:
            there = Behind(behind[::-1][:, None], np.array([[len(behind)]]))
            other = network.from_behind(there)[0] if len(behind) else np.zeros_like(features)
            seen = np.concatenate((features, other), axis=1)
        logits = network.logits(seen).astype(np.float64)[0]
        if network.bidirectional and place in missing:
            logits[3] = -np.inf
        found.append(logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max())
        out, state = network.features(np.array([[symbol]]), state)
        features = out[0]
    return np.array(found)


@pytest.mark.parametrize(("vocabulary", "both"), [(ONE_WAY, False), (BOTH_WAYS, True)])
@pytest.mark.parametrize("text", ["ab_ca", "b__acb", "ca_b_ac", "cab_", "aa__"])
def test_the_search_finds_what_trying_every_writing_finds(vocabulary, both, text, monkeypatch):
    """A beam that keeps everything; the chosen writing is the likeliest, the probabilities are those of each gap."""
    monkeypatch.setattr(filling, "MARGIN", 1e9)
    network = network_of(vocabulary, bidirectional=both)
    expected = by_hand(network, vocabulary, text)
    part = gapped(marked(text, "_", None), vocabulary)
    gaps = Filling(network, vocabulary, How(width=100, top=99)).fill(part)
    assert [(gap.first, gap.last) for gap in gaps] == list(runs(part))
    assert sum((gap.chosen.ids for gap in gaps), ()) == max(expected, key=expected.get)
    at = 0
    for gap in gaps:
        size = gap.last - gap.first
        own = {}
        for writing, share in expected.items():
            own[writing[at : at + size]] = own.get(writing[at : at + size], 0.0) + share
        at += size
        assert {choice.ids: pytest.approx(choice.probability, abs=2e-5) for choice in gap.likeliest} == own
        assert [choice.probability for choice in gap.likeliest] == sorted(own.values(), reverse=True) or at
        assert gap.chosen.probability == pytest.approx(own[gap.chosen.ids], abs=2e-5)


def test_at_a_temperature_writings_are_drawn_as_often_as_they_are_likely():
    network = network_of(ONE_WAY, bidirectional=False)
    (shares,) = ({k[0]: v for k, v in by_hand(network, ONE_WAY, "ab_ca").items()},)
    part = gapped(marked("ab_ca", "_", None), ONE_WAY)
    drawn = [Filling(network, ONE_WAY, How(1.0, seed)).fill(part)[0].chosen.ids[0] for seed in range(300)]
    assert drawn == [Filling(network, ONE_WAY, How(1.0, seed)).fill(part)[0].chosen.ids[0] for seed in range(300)]
    for symbol in range(3):
        assert drawn.count(symbol) / 300 == pytest.approx(shares[symbol], abs=0.09)


@pytest.mark.parametrize(("vocabulary", "both"), [(ONE_WAY, False), (BOTH_WAYS, True)])
def test_far_gaps_do_not_depend_on_what_is_skipped_between_them(vocabulary, both, monkeypatch):
    """What is known for long is not read: with half the run-up nothing changes but rounding."""
    network = network_of(vocabulary, bidirectional=both, scale=0.4)
    known = "".join(np.random.default_rng(0).choice(list("abc"), 700))
    text = f"a_b{known}c_a"

    def found():
        return Filling(network, vocabulary, How()).fill(gapped(marked(text, "_", None), vocabulary))

    near = found()
    monkeypatch.setattr(filling, "RUN_UP", 1000)
    far = found()
    assert [gap.chosen.ids for gap in near] == [gap.chosen.ids for gap in far]
    for one, other in zip(near, far, strict=True):
        assert one.chosen.probability == pytest.approx(other.chosen.probability, abs=1e-4)


class Cyclic(NumpyNetwork):
    """Knows that b follows a, c follows b and a follows c, nineteen times in twenty."""

    def logits(self, features):
        found = np.full((len(features), 3), np.log(0.025))
        last = features.argmax(axis=1)
        found[np.arange(len(features)), (last + 1) % 3] = np.log(0.95)
        return found

    def features(self, ids, state):
        return np.eye(6)[ids % 3], state


@pytest.mark.parametrize(
    ("text", "expected"), [("abc*abc", "abcabc"), ("ab*abcab", "abcabcab"), ("a*cabcabc", "abcabcabc")]
)
def test_a_gap_of_unknown_length_gets_the_length_that_fits(text, expected):
    network = network_of(ONE_WAY, bidirectional=False)
    network.__class__ = Cyclic
    found = restore(network, ONE_WAY, text, lambda each: [each], How(most=4), gap_text="*")
    assert found.text in (expected, expected.replace("abc", "abcabc", 1), text.replace("*", "abc"))
    assert len(found.gaps) == 1
    assert found.text.startswith(text.split("*")[0])
    assert found.text.endswith(text.split("*")[1])
    assert all((ord(b) - ord(a)) % 3 == 1 for a, b in pairwise(found.text))


@pytest.mark.parametrize(("vocabulary", "both"), [(ONE_WAY, False), (BOTH_WAYS, True)])
def test_everything_else_stays_as_it_was(vocabulary, both):
    """Also what the model does not know; places count the characters of the text as it was given."""
    network = network_of(vocabulary, bidirectional=both)
    text = "é a_b\n\t__ X#c\r\n"
    found = restore(network, vocabulary, text, lambda each: [each], How())
    assert len(found.text) == len(text)
    assert all(one == other or other == "_" for one, other in zip(found.text, text, strict=True))
    assert set("_").isdisjoint(found.text)
    assert [(gap.place, len(gap.text)) for gap in found.gaps] == [(3, 1), (7, 2)]
    assert restore(network, vocabulary, "abc", lambda each: [each], How()).gaps == []


def test_records_are_filled_one_by_one():
    """A gap of one line is what it is where that line stands alone, from the END before it to its own."""
    network = network_of(LINES, bidirectional=True)

    def read(text):
        return [END, *(line + END for line in text.split("\n") if line)]

    both = restore(network, LINES, "ab_c\nc_ba\n", read, How())
    alone = [restore(network, LINES, line, read, How()) for line in ("ab_c\n", "c_ba\n")]
    assert both.text == "".join(each.text for each in alone)
    assert [gap.probability for gap in both.gaps] == [gap.probability for each in alone for gap in each.gaps]
    assert "\n" not in both.gaps[0].text + both.gaps[1].text
    (own,) = Filling(network, LINES, How()).fill(gapped(f"{END}ab{GAP}c{END}", LINES))
    assert own.chosen.probability == both.gaps[0].probability


@pytest.mark.parametrize("text", ["the _.", "the _", "_ sky", "the_", "the sky_"])
def test_words_bring_the_space_before_them(text):
    """After a blank a word that begins with one is written, elsewhere none; the blank stands there once."""
    found = restore(network_of(WORDS, bidirectional=False), WORDS, text, lambda each: [each], How())
    (gap,) = found.gaps
    before, after = text.split("_")
    assert found.text == before + gap.text + after
    assert not gap.text.startswith(" ")
    assert gap.text in ({"blue", "sky"} if before.endswith(" ") else {".", "blue", "sky", "the"})


@pytest.mark.parametrize("text", ["the _ _.", "the * _", "_ * _ the", "the _* sky", "_ _ _"])
def test_words_in_a_row_stand_where_their_marks_stood(text):
    """Each with the space before its mark, once; what is told of a gap of several is what stands there."""
    network = network_of(WORDS, bidirectional=False)
    found = restore(network, WORDS, text, lambda each: [each], How(most=3), gap_text="*")
    before, after = re.split(r"[_*](?:.*[_*])?", text)
    assert found.text.startswith(before)
    assert found.text.endswith(after)
    assert "  " not in found.text
    assert found.text == before + "".join(gap.text for gap in found.gaps) + after


@pytest.mark.parametrize(
    ("text", "gap", "gap_text", "error"),
    [("a", "ab", None, SettingsError), ("a", "", None, SettingsError), ("a", "_", "", SettingsError),
     ("a\ufdd2", "_", None, DataError), ("a\ufdd3", "_", "*", DataError)],
)  # fmt: skip
def test_what_cannot_be_a_gap_is_refused(text, gap, gap_text, error):
    with pytest.raises(error):
        marked(text, gap, gap_text)
