"""Vectors in place of symbols: the lectures' equation, its twin without torch, and its gradients."""

import copy

import numpy as np
import pytest
import torch

from charrnn.config import ModelConfig
from charrnn.model.cells import CELLS
from charrnn.model.network import CharRNN
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.model.torch_reader import TorchReader
from charrnn.shapes import parameter_shapes

V, D, ROWS = 5, 3, 7
TABLE = np.random.default_rng(0).normal(2, 3, size=(ROWS, D))
IDS = np.array([[0, 5, 1], [6, 7, 2], [1, 11, 5], [3, 2, 4]])  # (T, B), with vectors among them


def network(cell="lstm", embedding=4, **more):
    torch.manual_seed(1)
    config = ModelConfig(cell=cell, layers=2, hidden=4, embedding=embedding, dropout=0.0, vector_size=D, **more)
    made = CharRNN(config, V)
    made.vectors.table = TABLE
    made.vectors.standardise(TABLE.mean(axis=0).astype(np.float32), TABLE.std(axis=0).astype(np.float32))
    return made


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("embedding", [0, 4, 6])
def test_both_engines_compute_the_same(cell, embedding):
    torch_side = network(cell, embedding)
    light = NumpyNetwork(torch_side.config, V, torch_side.weights(), TABLE)
    heavy, ours, theirs = TorchReader(torch_side), light.initial_state(3), torch_side.initial_state(3)
    for ids in IDS:
        found, ours = light.step(ids, ours)
        expected, theirs = heavy.step(ids, theirs)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    nats, _, _ = light.surprisal(IDS[:-1], np.minimum(IDS[1:], V - 1), light.initial_state(3))
    other, _, _ = heavy.surprisal(IDS[:-1], np.minimum(IDS[1:], V - 1), torch_side.initial_state(3))
    np.testing.assert_allclose(nats, other, atol=1e-5)


def test_a_vector_is_read_by_the_equation():
    """x = W (v - mean) / deviation + b, and then as any embedded symbol."""
    made = network("rnn", 4, layer_norm=False, residual=False)
    v = (TABLE[2] - TABLE.mean(axis=0)) / TABLE.std(axis=0)
    x = made.vectors.weight.detach().numpy() @ v + made.vectors.bias.detach().numpy()
    cell = made.layers[0].cell
    w_ih, _, b_ih, b_hh = (part.detach().numpy() for part in cell.all_weights[0])
    expected = np.tanh(w_ih @ x + b_ih + b_hh)
    _, state = made(torch.tensor([[V + 2]]), made.initial_state(1))
    np.testing.assert_allclose(state[0][0][0].detach().numpy(), expected, atol=1e-5)


def test_gradients_reach_its_matrix_and_nothing_else_of_it():
    made = network()
    logits, _ = made(torch.from_numpy(IDS), made.initial_state(3))
    logits.square().sum().backward()
    learnt = {name for name, parameter in made.named_parameters() if parameter.grad is not None}
    assert {"vectors.weight", "vectors.bias"} <= learnt
    assert not {"vectors.mean", "vectors.deviation"} & learnt


def test_a_window_without_vectors_has_gradients_of_zeros():
    """Else an optimizer would count its steps, and a run that is resumed would not know how many."""
    made = network()
    logits, _ = made(torch.tensor([[0, 1], [2, 3]]), made.initial_state(2))
    logits.sum().backward()
    assert made.vectors.weight.grad is not None
    assert not made.vectors.weight.grad.any()


@pytest.mark.parametrize("embedding", [0, 4])
def test_the_shapes_are_those_of_the_configuration(embedding):
    made = network(embedding=embedding)
    assert {name: tuple(part.shape) for name, part in made.named_parameters()} == parameter_shapes(made.config, V)


def test_a_copy_shares_the_table_and_nothing_else():
    made = network()
    other = copy.deepcopy(made)
    assert other.vectors.table is TABLE
    with torch.no_grad():
        other.vectors.weight.zero_()
    assert made.vectors.weight.abs().sum() > 0
    assert torch.equal(other.vectors.mean, made.vectors.mean)


def test_what_has_no_vectors_has_no_part_for_them():
    made = CharRNN(ModelConfig(layers=1, hidden=4, embedding=4, dropout=0.0), V)
    assert made.vectors is None
    assert not [name for name in made.weights() if name.startswith("vectors")]
