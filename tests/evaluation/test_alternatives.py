"""What stands beside a symbol: its nats are those of a score, its rivals those of the whole distribution."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import charrnn as package
from charrnn.config import ModelConfig
from charrnn.evaluation.alternatives import Read, read
from charrnn.evaluation.score import surprisals
from charrnn.evaluation.segments import alone, lanes
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.shapes import parameter_shapes
from charrnn.text.marks import ANSWER, END
from charrnn.text.vocabulary import Vocabulary

RECORDS = Vocabulary("char", (END, "a", "b", "c", ANSWER), end="\n", answer="=")


class Counting:
    """Says of symbol i that it is worth `powers[i]`, and i more with each symbol that was read since the beginning."""

    def __init__(self, *powers):
        self.powers = np.array(powers)

    def initial_state(self, lanes):
        assert lanes == 1
        return 0

    def advance(self, ids, state):
        return self.step(ids, state)[1]

    def step(self, ids, state):
        assert ids.shape == (1,)
        return np.log(self.powers + np.arange(len(self.powers)) * state)[None].astype(np.float32), state + 1


def network(cell="lstm", symbols=5, seed=0):
    config = ModelConfig(cell=cell, layers=2, hidden=8, embedding=4, dropout=0)
    generator = np.random.default_rng(seed)
    shapes = parameter_shapes(config, symbols)
    return NumpyNetwork(config, symbols, {k: generator.normal(size=s).astype(np.float32) for k, s in shapes.items()})


def test_a_table_worked_out_by_hand():
    """The odds are 1 : 4 : 2 : 1, and after another symbol 1 : 5 : 4 : 4."""
    (found,) = read(Counting(1, 4, 2, 1), np.array([0, 3]), 1, 2, top=3)
    assert found.symbol == 3
    assert found.nats == pytest.approx(math.log(8), abs=1e-6)
    assert [symbol for symbol, _ in found.likeliest] == [1, 2, 0]
    assert [p for _, p in found.likeliest] == pytest.approx([1 / 2, 1 / 4, 1 / 8], abs=1e-6)
    (found,) = read(Counting(1, 4, 2, 1), np.array([0, 3, 2]), 2, 3, top=3)
    assert found.nats == pytest.approx(math.log(14 / 4), abs=1e-6)
    assert found.likeliest == [
        (symbol, pytest.approx(p, abs=1e-6)) for symbol, p in ((1, 5 / 14), (2, 4 / 14), (3, 4 / 14))
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.data(), st.sampled_from(["lstm", "gru", "rnn"]), st.booleans())
def test_nats_are_those_of_a_score_wherever_the_passage_lies(n, data, cell, records):
    first = data.draw(st.integers(1, n - 1))
    last = data.draw(st.integers(first, n))
    of, ids = network(cell), np.random.default_rng(n).integers(1, 4, size=n).astype(np.uint8)
    if records:
        plain = Vocabulary("char", RECORDS.symbols, end="\n")
        ids[::7] = ids[-1] = plain.end_id
        nats, _ = surprisals(of, ids, alone(ids, plain.layout))
    else:
        nats, _ = surprisals(of, ids, lanes(n, 1))
    found = read(of, ids, first, last, end_id=RECORDS.end_id if records else None)
    assert [each.symbol for each in found] == ids[first:last].tolist()
    np.testing.assert_allclose([each.nats for each in found], nats[first:last], rtol=0, atol=1e-5)


def test_answers_cost_what_a_score_says_and_questions_have_alternatives_too():
    of, ids = network(), np.array([0, 1, 2, 4, 3, 0, 2, 4, 1, 1, 0], dtype=np.uint8)
    nats, _ = surprisals(of, ids, alone(ids, RECORDS.layout))
    found = np.array([each.nats for each in read(of, ids, 1, len(ids), end_id=0)])
    counted = ~np.isnan(nats[1:])
    assert counted.sum() == 5
    np.testing.assert_allclose(found[counted], nats[1:][counted], rtol=0, atol=1e-5)
    assert np.isfinite(found).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 6))
def test_the_likeliest_are_the_first_of_the_whole_distribution_in_order(symbols, top, distinct):
    """Of `distinct` kinds, so that many are equal."""
    weights = np.random.default_rng(symbols).integers(1, distinct + 1, size=symbols)
    (found,) = read(Counting(*weights), np.array([0, 0]), 1, 2, top=top)
    order = sorted(range(symbols), key=lambda symbol: (-weights[symbol], symbol))[:top]
    assert [symbol for symbol, _ in found.likeliest] == order
    assert [p for _, p in found.likeliest] == pytest.approx((weights[order] / weights.sum()).tolist(), abs=1e-6)


def test_what_seemed_impossible_has_a_cost_and_no_probability():
    class Sure(Counting):
        def step(self, ids, state):
            return np.array([[2000.0, 0.0]], dtype=np.float32), state

    assert read(Sure(), np.array([0, 1]), 1, 2) == [Read(1, 2000.0, [(0, 1.0), (1, 0.0)])]


def test_nothing_was_expected_before_anything_was_read():
    with pytest.raises(AssertionError, match="nothing was read"):
        read(Counting(1, 1), np.array([0, 1]), 0, 1)


def test_bits_are_those_that_the_command_prints(charrnn, trained):
    model = package.load(checkpoints=trained / "checkpoints")
    text = "Shall winds shake thee?\n"
    done = charrnn("evaluate", "verses", "-", "--per-char", cwd=trained, stdin=text.encode())
    printed = [json.loads(line) for line in done.stdout.splitlines()][1:]
    ids = model.encode(text)
    of = NumpyNetwork(model.checkpoint.config, len(model.vocabulary), model.checkpoint.calibrated)
    found = read(of, ids, 1, len(ids))
    assert [model.vocabulary.decode([each.symbol]) for each in found] == [each["text"] for each in printed]
    bits = [each.nats / math.log(2) for each in found]
    np.testing.assert_allclose(bits, [each["bits"] for each in printed], rtol=0, atol=1e-5)
