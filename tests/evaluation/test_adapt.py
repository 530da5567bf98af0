"""Dynamic evaluation: nothing is seen before it is scored, and the weights follow the formula, held by a slow twin."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from charrnn.config import ModelConfig
from charrnn.errors import DivergedError
from charrnn.evaluation import adapt as room
from charrnn.evaluation.adapt import SEGMENT, adapt
from charrnn.model.network import CharRNN
from charrnn.text.marks import ANSWER, END
from charrnn.text.vocabulary import Vocabulary

torch.set_num_threads(1)  # such small tensors are only slowed down by more
FIVE = Vocabulary.of("abcde")
few = settings(max_examples=25, deadline=None)


def network(cell="lstm", seed=0, symbols=5):
    torch.manual_seed(seed)
    config = ModelConfig(cell=cell, layers=2, hidden=8, embedding=4, dropout=0)
    return CharRNN(config, symbols)


def random_ids(n, seed=0):
    return np.random.default_rng(seed).integers(5, size=n).astype(np.uint8)


def adapted(ids, *, pieces=None, of=None):
    """The nats of every symbol, from a network that begins anew."""
    parts = list(adapt(of or network(), pieces or [ids], FIVE))
    np.testing.assert_array_equal(np.concatenate([ids[:0], *(part.ids for part in parts)]), ids)
    return np.concatenate([np.zeros(0), *(part.nats for part in parts)])


def static(ids, of):
    """The nats of every symbol after the first, while nothing changes."""
    with torch.no_grad():
        logits, _ = of(torch.from_numpy(ids[:-1].astype(np.int64))[:, None], of.initial_state(1))
        wanted = torch.from_numpy(ids[1:].astype(np.int64))
        return F.cross_entropy(logits[:, 0], wanted, reduction="none").double().numpy()


@few
@given(n=st.integers(2, 200), place=st.integers(1, 199), seed=st.integers(1, 1000))
def test_what_comes_later_never_changes_what_a_symbol_cost_to_the_last_bit(n, place, seed):
    ids, place = random_ids(n), min(place, n - 1)
    other = np.concatenate([ids[:place], random_ids(n - place, seed)])
    np.testing.assert_array_equal(adapted(other)[:place], adapted(ids)[:place])


@few
@given(n=st.integers(2, 200), kept=st.integers(1, 200))
def test_a_text_that_ends_early_costs_what_it_costs_as_a_beginning(n, kept):
    ids = random_ids(n)
    np.testing.assert_allclose(adapted(ids[:kept]), adapted(ids)[:kept], rtol=0, atol=1e-5)


def test_the_first_segment_is_scored_by_the_network_as_it_was_and_the_next_is_not():
    ids = random_ids(3 * SEGMENT)
    nats, before = adapted(ids), static(ids, network())
    assert nats[0] == math.log(5)
    np.testing.assert_allclose(nats[1 : SEGMENT + 1], before[:SEGMENT], rtol=0, atol=1e-6)
    assert np.abs(nats[SEGMENT + 1 :] - before[SEGMENT:]).min() > 1e-6


def twin(ids, of):
    """The formula of the module's docstring, weight by weight; returns the nats, and the weights afterwards."""
    weights = dict(of.named_parameters())
    origin = {name: weight.detach().clone() for name, weight in weights.items()}
    squares, nats, state = {name: [] for name in weights}, [math.log(5)], of.initial_state(1)
    for start in range(0, len(ids) - 1, SEGMENT):
        window = torch.from_numpy(ids[start : start + SEGMENT + 1].astype(np.int64))
        logits, state = of(window[:-1, None], [tuple(part.detach() for part in layer) for layer in state])
        costs = [-F.log_softmax(row[0], 0)[symbol] for row, symbol in zip(logits, window[1:], strict=True)]
        nats += [cost.item() for cost in costs]
        of.zero_grad()
        (sum(costs) / len(costs)).backward()
        for name, weight in weights.items():
            squares[name].append(weight.grad**2)
        rms = {name: torch.stack(all_of_it).mean(0).sqrt() for name, all_of_it in squares.items()}
        mean = torch.cat([each.flatten() for each in rms.values()]).mean()
        rms = {name: torch.maximum(each, room.FLOOR * mean) for name, each in rms.items()}
        with torch.no_grad():
            for name, weight in weights.items():
                pull = torch.clamp(room.DECAY * rms[name] / mean, max=1) * (origin[name] - weight)
                step = room.RATE * weight.grad / rms[name]
                weight += pull - step
    return np.array(nats), {name: weight.detach() for name, weight in weights.items()}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("rate", "decay"), [(room.RATE, room.DECAY), (0.003, 0.2), (0.0, 0.5)])
def test_nats_and_weights_are_those_of_the_slow_twin(monkeypatch, cell, rate, decay):
    """In float64; the larger decay is one at which some weights are drawn back whole."""
    monkeypatch.setattr(room, "RATE", rate)
    monkeypatch.setattr(room, "DECAY", decay)
    ids, mine = random_ids(7 * SEGMENT + 5), network(cell).double()
    expected, weights = twin(ids, network(cell).double())
    np.testing.assert_allclose(adapted(ids, of=mine), expected, rtol=0, atol=1e-7)
    for name, weight in mine.named_parameters():
        torch.testing.assert_close(weight.detach(), weights[name], rtol=0, atol=1e-7)


@few
@given(n=st.integers(0, 150), ends=st.lists(st.integers(0, 150)))
def test_how_a_text_is_cut_into_pieces_changes_nothing(n, ends):
    ids = random_ids(n)
    places = [0, *sorted(min(end, n) for end in ends), n]
    pieces = [ids[start:end] for start, end in itertools.pairwise(places)]
    np.testing.assert_array_equal(adapted(ids, pieces=pieces), adapted(ids))


def test_a_text_that_repeats_itself_becomes_cheap():
    ids = np.tile([0, 1, 2, 3, 4], 2000).astype(np.uint8)
    nats, before = adapted(ids), static(ids, network())
    assert nats[-500:].mean() < 1 < before[-500:].mean() - 0.5


def test_a_text_that_teaches_nothing_changes_nothing():
    """Certain of what comes: the gradient is nothing, and so is what it would be divided by."""
    sure = network()
    with torch.no_grad():
        sure.head.weight.zero_()
        sure.head.bias.copy_(torch.tensor([1e4, 0, 0, 0, 0]))
    weights = {name: array.copy() for name, array in sure.weights().items()}
    assert adapted(np.zeros(200, dtype=np.uint8), of=sure)[1:].max() == 0
    for name, array in sure.weights().items():
        np.testing.assert_array_equal(array, weights[name])


def test_a_symbol_that_comes_after_a_long_time_makes_no_leap(monkeypatch):
    """Its row of the embedding had no gradient before: without a floor it steps RATE * sqrt(segments) far."""
    ids = np.tile(random_ids(SEGMENT) % 4, 400).astype(np.uint8)
    ids[-5] = 4

    def leap():
        reading = network()
        before = reading.embedding.weight[4].detach().clone()
        adapted(ids, of=reading)
        return (reading.embedding.weight[4] - before).abs().max().item()

    bounded = leap()
    monkeypatch.setattr(room, "FLOOR", 1e-6)
    unbounded = leap()
    assert 0 < bounded < 0.6 * unbounded
    assert unbounded == pytest.approx(room.RATE * 20, rel=0.01)


def test_a_network_that_diverges_has_no_score(monkeypatch):
    monkeypatch.setattr(room, "RATE", 1e38)
    with pytest.raises(DivergedError, match="diverged"):
        adapted(random_ids(200))


def test_unknown_characters_are_charged_for_which_they_are():
    folding = Vocabulary("char", ("a", "b", "c", "d"), folds=True)
    ids = np.array([0, 4, 1], dtype=np.uint8)
    (plain,), (spelled,) = adapt(network(), [ids], FIVE), adapt(network(), [ids], folding)
    np.testing.assert_allclose(spelled.nats - plain.nats, [0, folding.spelling, 0], rtol=0, atol=1e-9)


# Records: each from a zero state, as many as fill a segment side by side

RECORDS = Vocabulary("char", tuple(sorted({END, *"abcd"})), end="\n")
ANSWERS = Vocabulary("char", tuple(sorted({END, ANSWER, *"abc"})), end="\n", answer="=")


def records(lengths, seed=0):
    drawn = np.random.default_rng(seed)
    return RECORDS.encode(END + "".join("".join(drawn.choice(list("abcd"), size)) + END for size in lengths))


def over_records(ids, vocabulary=RECORDS, of=None, pieces=None):
    parts = list(adapt(of or network(), pieces or [ids], vocabulary))
    np.testing.assert_array_equal(np.concatenate([part.ids for part in parts]), ids)
    return np.concatenate([part.nats for part in parts])


def alone(ids, vocabulary):
    """The nats of each record from a zero state, while nothing changes."""
    found, nats, still = vocabulary.layout.borders(ids), np.full(len(ids), np.nan), network()
    for first, asked, last in zip(*(column.tolist() for column in found.columns), strict=True):
        nats[asked + 1 : last + 1] = static(ids[first : last + 1], still)[asked - first :]
    return nats


@few
@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_of_a_group_of_records_the_first_segment_costs_what_it_costs_alone(lengths, seed):
    ids = records(lengths, seed)
    nats, before = over_records(ids), alone(ids, RECORDS)
    first = next((place for place in range(SEGMENT, len(ids)) if ids[place] == RECORDS.end_id), len(ids) - 1)
    group = RECORDS.layout.borders(ids[: first + 1])
    for start, last in zip(group.first.tolist(), group.last.tolist(), strict=True):
        end = min(last, start + SEGMENT) + 1
        np.testing.assert_allclose(nats[start + 1 : end], before[start + 1 : end], rtol=0, atol=1e-5)
    assert np.isnan(nats[0])
    assert not np.isnan(nats[1:]).any()


@few
@given(lengths=st.lists(st.integers(1, 60), min_size=2, max_size=12), cuts=st.lists(st.integers(1, 400), max_size=5))
def test_later_records_and_how_they_come_in_pieces_change_nothing(lengths, cuts):
    ids = records(lengths)
    borders = sorted({0, len(ids), *(cut for cut in cuts if cut < len(ids))})
    pieces = [ids[a:b] for a, b in itertools.pairwise(borders)]
    np.testing.assert_array_equal(over_records(ids, pieces=pieces), over_records(ids))
    kept = records(lengths)[: RECORDS.layout.borders(ids).last[-2] + 1]
    whole, part = over_records(ids), over_records(kept)
    groups = RECORDS.layout.borders(kept).last
    settled = max((last for last in groups.tolist() if last < len(kept) - SEGMENT - 61), default=0)
    np.testing.assert_allclose(part[1 : settled + 1], whole[1 : settled + 1], rtol=0, atol=1e-5)


def test_of_answers_alone_is_learnt():
    ids = ANSWERS.encode(END + ("ab" + ANSWER + "c" + END) * 60)
    nats = over_records(ids, ANSWERS)
    assert np.array_equal(~np.isnan(nats), ANSWERS.layout.counted(ids))
    counted = nats[~np.isnan(nats)]
    assert counted[-20:].mean() < 0.9 * counted[:20].mean()
