"""What probably comes next, with a network of three symbols whose probabilities are known."""

from itertools import product

import numpy as np
import pytest

from charrnn.config import ModelConfig
from charrnn.generation.beam import continuations
from charrnn.generation.choose import softmax
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.shapes import parameter_shapes
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
    told = continuations(network, ABC, text, steps, width)
    return [(tuple("abc".index(letter) for letter in letters), probability) for letters, probability in told]


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


class Bytes:
    """A network of bytes that knows a table of texts: what may follow what was read, each as likely as it says."""

    symbols = 256

    def __init__(self, texts):
        self.texts, self.steps = texts, 0

    def initial_state(self, lanes):
        return [b""] * lanes

    def select(self, state, rows):
        return [state[row] if row >= 0 else b"" for row in rows.tolist()]

    def step(self, ids, state):
        self.steps += 1
        state = [before + bytes([symbol]) for before, symbol in zip(state, ids.tolist(), strict=True)]
        logits = np.full((len(state), 256), -np.inf)
        for row, read in enumerate(state):
            seen = np.full(256, 1e-9)
            for text, p in self.texts.items():
                if text.startswith(read) and len(text) > len(read):
                    seen[text[len(read)]] += p
            logits[row] = np.log(seen / seen.sum())
        return logits, state


BYTES = Vocabulary.of(b"")


def test_a_byte_model_predicts_whole_characters():
    """Though a byte of its own is likelier than each of the characters that begin with 0xd0."""
    chances = {"\u0430": 0.25, "\u0431": 0.2, "\u0440": 0.15, "z": 0.22, "\U0001f600": 0.1}
    network = Bytes({b"a" + text.encode(): p for text, p in chances.items()} | {b"a\xff": 0.08})
    shown = continuations(network, BYTES, np.frombuffer(b"a", np.uint8), 1, 6)
    assert [text for text, _ in shown] == ["\u0430", "z", "\u0431", "\u0440", "\U0001f600", "\\xff"]
    assert [p for _, p in shown] == pytest.approx([0.25, 0.22, 0.2, 0.15, 0.1, 0.08], abs=1e-6)
    first = continuations(network, BYTES, np.frombuffer(b"a", np.uint8), 1, 1)
    assert first[0].text == "\u0430"


def test_a_step_of_a_byte_model_is_a_character():
    network = Bytes({"a\u0430\u0431".encode(): 0.6, "az\U0001f600".encode(): 0.4})
    shown = continuations(network, BYTES, np.frombuffer(b"a", np.uint8), 2, 16)
    assert [text for text, _ in shown[:2]] == ["\u0430\u0431", "z\U0001f600"]
    assert [p for _, p in shown[:2]] == pytest.approx([0.6, 0.4], abs=1e-5)


def test_a_byte_prompt_that_ends_within_a_character_is_completed():
    network = Bytes({"a\u0430".encode(): 0.7, "a\u0431".encode(): 0.3})
    shown = continuations(network, BYTES, np.frombuffer("a\u0430".encode()[:2], np.uint8), 1, 2)
    assert [text for text, _ in shown] == ["\\xb0", "\\xb1"]
    assert network.steps == 2  # both bytes of the prompt: one more completes the character
