"""What probably comes next, with a network of three symbols whose probabilities are known."""

from itertools import product

import numpy as np
import pytest

from charrnn.config import ModelConfig, parameter_shapes
from charrnn.generation.beam import continuations
from charrnn.generation.choose import softmax
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.text.vocabulary import Vocabulary

TABLE = np.array([[0.5, 0.4, 0.1], [0.1, 0.0, 0.9], [0.3, 0.3, 0.4]])  # p(next | last)

ABC = Vocabulary.of("abc")


class Markov:
    symbols = 3

    def initial_state(self, lanes):
        return None

    def select(self, state, rows):
        return None

    def step(self, ids, state):
        with np.errstate(divide="ignore"):
            return np.log(TABLE)[ids], None


def found(network, text, steps, width):
    return [(tuple(ids.tolist()), probability) for ids, probability in continuations(network, ABC, text, steps, width)]


@pytest.mark.parametrize(
    ("steps", "width", "expected"),
    [
        (1, 9, [((0,), 0.5), ((1,), 0.4), ((2,), 0.1)]),
        (1, 2, [((0,), 0.5), ((1,), 0.4)]),
        (2, 9, [((1, 2), 0.36), ((0, 0), 0.25), ((0, 1), 0.2), ((0, 2), 0.05), ((1, 0), 0.04), ((2, 2), 0.04)]),
        (2, 1, [((0, 0), 0.25)]),  # greedy: the likeliest first symbol does not begin the likeliest pair
    ],
)
def test_continuations_worked_out_by_hand(steps, width, expected):
    shown = found(Markov(), [0], steps, width)[: len(expected)]
    assert [ids for ids, _ in shown] == [ids for ids, _ in expected]
    assert [probability for _, probability in shown] == pytest.approx([probability for _, probability in expected])


def test_what_is_impossible_comes_last_with_probability_zero():
    assert found(Markov(), [1], 1, 3) == [((2,), pytest.approx(0.9)), ((0,), pytest.approx(0.1)), ((1,), 0.0)]


def test_a_beam_that_holds_everything_finds_the_distribution_of_all_texts():
    config = ModelConfig(cell="gru", layers=2, hidden=6, embedding=0, dropout=0)
    generator = np.random.default_rng(3)
    shapes = parameter_shapes(config, 3)
    network = NumpyNetwork(
        config, 3, {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    )
    shown = dict(found(network, [0, 2], 3, 27))
    assert sum(shown.values()) == pytest.approx(1)
    assert list(shown.values()) == sorted(shown.values(), reverse=True)
    for text in product(range(3), repeat=3):
        state, probability = network.initial_state(1), 1.0
        logits = None
        for place, symbol in enumerate([0, 2, *text]):
            if place >= 2:
                probability *= softmax(logits)[0, symbol]
            logits, state = network.step(np.array([symbol]), state)
        assert shown[text] == pytest.approx(probability, rel=1e-5)
