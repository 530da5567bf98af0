"""Both directions in training: what is erased, exact resumption, captured steps, and scores whatever the blocks."""

import numpy as np
import pytest

from charrnn.config import ModelConfig
from charrnn.evaluation.score import score_stream
from charrnn.learning.captured_step import CapturedStep
from charrnn.learning.erasing import LONGEST, erased
from charrnn.learning.learner import Learner
from charrnn.learning.watch import live_sample, validate
from charrnn.model import graph
from charrnn.model.cells import CELLS
from charrnn.model.network import CharRNN
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.shapes import parameter_shapes
from charrnn.text.corpus import Corpus, build_corpus
from charrnn.text.lanes import Lanes
from charrnn.text.marks import GAP
from charrnn.text.vocabulary import Vocabulary
from tests.learning.test_captured_step import repeated
from tests.learning.test_learner import HALF, STEPS, config, differing, whole

TEXT = "the quick brown fox jumps over the lazy dog; " * 12
PLAIN = build_corpus(TEXT, fraction=0.25)
V = Vocabulary("char", tuple(sorted({*TEXT, GAP})), gaps=True)
CORPUS = Corpus(V, V.encode(TEXT[:405]), V.encode(TEXT[405:]), V.encode(""), "")


def learner_of(wanted):
    return Learner.of(wanted, CORPUS)


def train(learner, first, last):
    lanes = Lanes(CORPUS.train, learner.config.batch_size, learner.config.seq_length)
    return [learner.step(lanes.window(step), step)[0].item() for step in range(first, last)]


def both(cell="lstm", **changes):
    return config(cell, bidirectional=True, **changes)


@pytest.mark.parametrize("cell", CELLS)
def test_resumed_learner_reaches_the_same_bits(cell):
    wanted = both(cell)
    unbroken, half = learner_of(wanted), learner_of(wanted)
    train(unbroken, 0, STEPS)
    train(half, 0, HALF)
    taken = whole(half, HALF)
    again = learner_of(wanted)
    average = {name.removeprefix("average."): array for name, array in taken.items() if name.startswith("average.")}
    again.restore(taken, average, HALF)
    train(again, HALF, STEPS)
    assert differing(whole(again, STEPS), whole(unbroken, STEPS)) == []
    assert len(differing(taken, whole(unbroken, STEPS))) == len(taken)


def test_it_learns_what_no_left_side_tells():
    """A symbol that stands in the text once more, two places further on: drawn anew each time."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(3, size=700)
    ids = np.stack((drawn, np.full(700, 3), drawn, np.full(700, 3)), axis=1).ravel().astype(np.uint8)  # x . x .
    losses = {}
    for way in (False, True):
        settings = config("gru", layers=1, hidden=16, dropout=0.0, batch_size=8, steps=150, learning_rate=0.03)
        learner = Learner(settings.model_copy(update={"bidirectional": way}), 5, gap=4)
        windows = Lanes(ids, 8, 20)
        found = [learner.step(windows.window(step), step)[0].item() for step in range(150)]
        losses[way] = np.mean(found[-20:])
    assert losses[False] == pytest.approx(np.log(3) / 4, abs=0.03)  # the first of each pair
    assert losses[True] < losses[False] - 0.12  # but where it was erased


@pytest.mark.parametrize("dropout", [{"dropout": 0.0}, {"dropout": 0.4, "weight_drop": 0.3, "dropout_start": 0.0}])
def test_a_captured_step_learns_what_the_plain_one_learns(monkeypatch, dropout):
    monkeypatch.setattr(graph, "captured", repeated)
    plain, captured = (learner_of(both(**dropout)) for _ in range(2))
    captured.learn = CapturedStep(captured._learn, captured._changing)
    np.testing.assert_allclose(train(plain, 0, STEPS), train(captured, 0, STEPS), rtol=1e-5)
    for name, array in captured.tensors().items():
        np.testing.assert_allclose(array, plain.tensors()[name], rtol=1e-3, atol=1e-6, err_msg=name)
    assert len(captured.learn.graphs) == (2 if dropout["dropout"] else 1)


def test_what_is_erased_depends_on_seed_and_step_alone_and_is_what_it_is_said_to_be():
    one, again, other, seeded = (
        erased(80, 300, seed=seed, step=step) for seed, step in [(0, 1), (0, 1), (0, 2), (1, 1)]
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert (one != seeded).any()
    whole_lanes = [erased(500, 90, seed=0, step=step) for step in range(10)]
    shares = np.concatenate([each.mean(axis=0) for each in whole_lanes])
    for share in ((shares == 0).mean(), (shares == 1).mean(), ((shares > 0) & (shares < 1)).mean()):
        assert share == pytest.approx(1 / 3, abs=0.05)
    some = shares[(shares > 0) & (shares < 1)]
    assert 0.25 < some.mean() < 0.5
    assert LONGEST == 32


def test_watching_shows_filled_gaps_and_scores_both_sides():
    learner = learner_of(both())
    shown = live_sample(learner.config, learner.average, CORPUS, 1.0)
    text = TEXT[405:]
    kept = "".join(part.split("]")[-1] for part in shown.split("["))
    assert len(shown) - 2 * shown.count("[") == len(text)
    assert kept.startswith(text[:10])
    nats, temperature = validate(learner.average, CORPUS)
    smaller = {k: v / (temperature if k.startswith("head") else 1) for k, v in learner.average.weights().items()}
    light = NumpyNetwork(learner.config, len(V), smaller)
    scored = np.concatenate([part.nats for part in score_stream(lambda short: light, [CORPUS.validation], V)])
    assert scored.mean() == pytest.approx(nats, abs=1e-4)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("block", [300, 1000])
def test_scores_do_not_depend_on_the_blocks(monkeypatch, live, block):
    """What stands behind a block is waited for; 128 symbols behind it everything is forgotten."""
    given = ModelConfig(cell="gru", layers=1, hidden=8, embedding=5, dropout=0, bidirectional=True)
    generator = np.random.default_rng(0)
    shapes = parameter_shapes(given, len(V)).items()
    reader = NumpyNetwork(given, len(V), {k: 0.5 * generator.normal(size=s).astype(np.float32) for k, s in shapes})
    ids = generator.integers(len(V) - 1, size=2500).astype(np.uint8)
    (expected,) = (part.nats for part in score_stream(lambda short: reader, [ids], V) if len(part.ids) > 1000)
    monkeypatch.setattr("charrnn.evaluation.score.BLOCK", block)
    pieces = [*(ids[start : start + 130] for start in range(0, 2500, 130))]
    pieces = [each for piece in pieces for each in (piece, ids[:0])] if live else pieces
    parts = list(score_stream(lambda short: reader, pieces, V, live=live))
    assert len(parts) > 2
    np.testing.assert_array_equal(np.concatenate([part.ids for part in parts]), ids)
    found = np.concatenate([part.nats for part in parts])
    np.testing.assert_allclose(found[: len(expected)], expected, rtol=0, atol=1e-4)


def test_one_way_networks_have_no_trace_of_it():
    network = CharRNN(config(), len(PLAIN.vocabulary))
    assert network.backward_layers is None
    assert not [name for name, _ in network.named_parameters() if "backward" in name or "joint" in name]
    assert Learner.of(config(), PLAIN).feed.behind(Lanes(PLAIN.train, 3, 20).window(0), slice(0, 3), 0) is None
