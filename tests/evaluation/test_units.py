"""A unit that follows a property is found, and how closely is measured on text it was not chosen by."""

import numpy as np
import pytest

from charrnn.config import ModelConfig
from charrnn.evaluation import units as module
from charrnn.evaluation.properties import properties
from charrnn.evaluation.units import Meaning, activations, meanings
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.shapes import parameter_shapes
from charrnn.text.vocabulary import Vocabulary

TEXT = 'Ada (the elder) said: "It is.\nNo more."\n  So be it [at last].\n\nBoth sang.\n'


def text_of(count, seed=0):
    """Lines of TEXT in an order drawn by `seed`."""
    lines = TEXT.splitlines(keepends=True)
    return "".join(lines[number] for number in np.random.default_rng(seed).integers(len(lines), size=count))


def network(cell="lstm", layers=2, symbols=40, scale=0.6, seed=0):
    config = ModelConfig(cell=cell, layers=layers, hidden=6, embedding=4, dropout=0)
    generator = np.random.default_rng(seed)
    shapes = parameter_shapes(config, symbols).items()
    return NumpyNetwork(config, symbols, {k: scale * generator.normal(size=s).astype(np.float32) for k, s in shapes})


def counting(vocabulary):
    """An LSTM of three units made by hand, whose gates stand open: c of unit 0 counts brackets that are open.

    Unit 1 adds a hundredth with each symbol and forgets at a newline, unit 2 never moves.
    """
    config = ModelConfig(cell="lstm", layers=1, hidden=3, embedding=0, dropout=0, layer_norm=False, residual=False)
    weights = {k: np.zeros(s, dtype=np.float32) for k, s in parameter_shapes(config, len(vocabulary)).items()}
    biases = weights["layers.0.cell.bias_ih_l0"].reshape(4, 3)  # i, f, g, o
    biases[[0, 1, 3]], biases[2, 1] = 50, 0.01
    inputs = weights["layers.0.cell.weight_ih_l0"].reshape(4, 3, -1)
    for symbols, value in (("([", 1.0), (")]", -1.0)):
        inputs[2, 0, [vocabulary.symbols.index(symbol) for symbol in symbols]] = value
    inputs[:2, 1, vocabulary.symbols.index("\n")] = -100  # neither kept nor added to
    return NumpyNetwork(config, len(vocabulary), weights)


def by_formula(of, ids, texts, end_id=None):
    """The slow true twin, with every unit at every place in memory."""
    shown, half = activations(of, ids, end_id).astype(np.float64), len(ids) // 2
    found = []
    for name, values in properties(texts).items():
        if np.ptp(values[:half]) and np.ptp(values[half : 2 * half]):
            first, second = (
                [np.corrcoef(unit[part], values[part])[0, 1] for unit in shown.T]
                for part in (slice(0, half), slice(half, 2 * half))
            )
            unit = int(np.abs(first).argmax())
            found.append((Meaning(unit, name, second[unit]), first[unit]))
    return found


def kept(pairs):
    """Of `by_formula`, what is worth stating."""
    worth = [meaning for meaning, first in pairs if meaning.correlation * np.sign(first) >= module.WEAK]
    return sorted(worth, key=lambda meaning: -abs(meaning.correlation))


def same(found, expected, tolerance=1e-9):
    assert [(each.unit, each.property) for each in found] == [(each.unit, each.property) for each in expected]
    np.testing.assert_allclose([r for *_, r in found], [r for *_, r in expected], rtol=0, atol=tolerance)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_correlations_are_those_of_a_plain_formula(cell, layers):
    text = text_of(50)
    ids, of = Vocabulary.of(text).encode(text), network(cell, layers)
    expected = kept(by_formula(of, ids, list(text)))
    assert len(expected) >= 4
    same(meanings(of, ids, list(text), lanes=2, run_up=len(text)), expected)


def test_units_made_by_hand_are_found():
    text = text_of(60)
    vocabulary = Vocabulary.of(text)
    found = {each.property: each for each in meanings(counting(vocabulary), vocabulary.encode(text), list(text))}
    brackets, line = found["inside brackets"], found["place in the line"]
    assert (brackets.unit, line.unit) == (0, 1)
    assert brackets.correlation == pytest.approx(1, abs=1e-6)
    assert line.correlation == pytest.approx(1, abs=0.01)  # the tanh is nearly straight there
    assert 2 not in {each.unit for each in found.values()}


def test_how_many_lanes_read_changes_nothing_once_the_state_has_forgotten_where_it_began():
    text = text_of(400)[:3200]
    ids, of = Vocabulary.of(text).encode(text), network(scale=0.3)
    first, *others = (meanings(of, ids, list(text), lanes=lanes, run_up=100) for lanes in (2, 8, 32))
    assert len(first) >= 3
    for other in others:
        same(other, first, 1e-6)


def test_the_correlation_is_of_text_that_the_unit_was_not_chosen_by(monkeypatch):
    """A unit that fires at (, c and d follows the brackets of the first half, and not those of the second."""
    text = "ab(cd)\n" * 100 + "c(ab)d\n" * 100
    vocabulary = Vocabulary.of(text)
    config = ModelConfig(cell="rnn", layers=1, hidden=1, embedding=0, dropout=0, layer_norm=False, residual=False)
    weights = {k: np.zeros(s, dtype=np.float32) for k, s in parameter_shapes(config, len(vocabulary)).items()}
    weights["layers.0.cell.weight_ih_l0"][:] = [5 if symbol in "(cd" else -5 for symbol in vocabulary.symbols]
    of, ids = NumpyNetwork(config, len(vocabulary), weights), vocabulary.encode(text)

    def stated():
        return {each.property: each.correlation for each in meanings(of, ids, list(text), lanes=2, run_up=len(text))}

    assert "inside brackets" not in stated()
    monkeypatch.setattr(module, "WEAK", -1)
    assert stated()["inside brackets"] == pytest.approx(-1 / 6, abs=1e-6)  # one place of seven in common, 9/7 expected


@pytest.mark.parametrize("text", ["", "a", "ab", "aaaa" * 100, "ab\n" + "a" * 500])
def test_what_does_not_vary_in_both_halves_is_left_out(text):
    ids = Vocabulary.of("ab\n").encode(text)
    assert meanings(network(), ids, list(text)) == []


def test_a_unit_that_never_moves_means_nothing():
    text = text_of(40)
    vocabulary = Vocabulary.of(text)
    of = counting(vocabulary)
    still = [tuple(np.full((2, 3), 0.3, dtype=np.float32) for _ in range(2))]
    of.advance = lambda ids, state: still
    assert meanings(of, vocabulary.encode(text), list(text), lanes=2) == []


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_activations_are_what_the_state_holds_after_each_symbol(cell):
    of, ids = network(cell), np.array([3, 1, 4, 1, 5], dtype=np.uint8)
    state, expected = of.initial_state(1), []
    for symbol in ids:
        _, state = of.step(np.array([symbol]), state)
        expected.append(np.concatenate([np.tanh(layer[1]) if cell == "lstm" else layer[0] for layer in state], axis=1))
    found = activations(of, ids)
    assert (found.dtype, found.shape) == (np.float32, (5, 12))
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=0, atol=1e-6)


def test_after_the_end_of_a_record_units_begin_afresh():
    of, ids = network(), np.array([0, 3, 1, 0, 4, 1, 0], dtype=np.uint8)
    parts = [activations(of, part) for part in (ids[:3], ids[3:6], ids[6:])]
    np.testing.assert_allclose(activations(of, ids, end_id=0), np.concatenate(parts), rtol=0, atol=1e-6)
    text = "\nab" * 400
    repeated = Vocabulary("char", ("\n", "a", "b")).encode(text)
    expected = kept(by_formula(of, repeated, list(text), end_id=0))
    assert len(expected) >= 3
    same(meanings(of, repeated, list(text), 0, lanes=2, run_up=len(text)), expected)
