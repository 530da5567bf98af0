"""The network without torch against its twin: as close to the truth as torch itself."""

import copy
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch

from charrnn.config import ModelConfig
from charrnn.model.cells import CELLS
from charrnn.model.network import CharRNN
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.model.product import Product
from charrnn.model.torch_reader import TorchReader

torch.set_num_threads(1)  # such small tensors are only slowed down by more
T, V = 8, 7


def model(cell, **changes):
    return ModelConfig(**{"cell": cell, "layers": 2, "hidden": 7, "embedding": 5, "dropout": 0.5} | changes)


def random_network(config, seed=0):
    """A torch network whose biases and norms are not at their special initial values, in evaluation mode."""
    torch.manual_seed(seed)
    network = CharRNN(config, V).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.5 * torch.randn_like(parameter))
    return network


def exact_twin(network):
    """The same network in float64; a one-hot input becomes an embedding with the identity matrix."""
    if network.config.embedding:
        return copy.deepcopy(network).double()
    twin = CharRNN(network.config.model_copy(update={"embedding": V}), V).eval()
    twin.load_weights(network.weights() | {"embedding.weight": np.eye(V, dtype=np.float32)})
    return twin.double()


def flat(state):
    return np.stack([np.asarray(part) for layer in state for part in layer])


def read(network, ids):
    """Logits (T, B, V) and the state after them, from a state that two symbols have left."""
    with torch.no_grad():
        _, state = network(torch.from_numpy(ids[:2]), network.initial_state(ids.shape[1]))
        logits, state = network(torch.from_numpy(ids[2:]), state)
    return logits.double().numpy(), flat(state)


def read_by_steps(network, ids):
    state = network.initial_state(ids.shape[1])
    logits = []
    for row in ids:
        found, state = network.step(row, state)
        logits.append(found)
    return np.stack(logits[2:]), flat(state)


@pytest.mark.parametrize("embedding", [0, 5, 64])
@pytest.mark.parametrize("hidden", [1, 7, 64])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_numpy_network_is_as_right_as_torch(cell, layers, hidden, embedding):
    """Against float64, the largest error is at most four times torch's own, plus 1e-6.

    Hidden 64 with embedding 64, and hidden 7 with one-hot input, have a residual connection in the first layer.
    """
    generator = np.random.default_rng(0)
    for layer_norm, residual, lanes in product([True, False], [True, False], [1, 3]):
        config = model(
            cell, layers=layers, hidden=hidden, embedding=embedding, layer_norm=layer_norm, residual=residual
        )
        network = random_network(config)
        ids = generator.integers(V, size=(T, lanes))
        found = read_by_steps(NumpyNetwork(config, V, network.weights()), ids)
        for ours, torchs, exact in zip(found, read(network, ids), read(exact_twin(network), ids), strict=True):
            assert ours.dtype == np.float32
            assert ours.shape == exact.shape
            error, allowed = np.abs(ours - exact).max(), 4 * np.abs(torchs - exact).max() + 1e-6
            assert error <= allowed, f"{error} > {allowed} with {config!r}, {lanes} lanes"


@pytest.mark.parametrize("embedding", [0, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_surprisal_is_what_stepping_and_a_softmax_give(cell, embedding):
    config = model(cell, embedding=embedding)
    network = NumpyNetwork(config, V, random_network(config).weights())
    ids = np.random.default_rng(1).integers(V, size=(T + 3, 3))
    _, _, middle = network.surprisal(ids[:2], ids[1:3], network.initial_state(3))
    nats, hits, end = network.surprisal(ids[2:-1], ids[3:], middle)
    logits, state = read_by_steps(network, ids[:-1])
    powers = np.exp(logits.astype(np.float64))
    chosen = np.take_along_axis(powers / powers.sum(axis=-1, keepdims=True), ids[3:, :, None], axis=-1)[..., 0]
    np.testing.assert_allclose(nats, -np.log(chosen), rtol=0, atol=1e-5)
    np.testing.assert_allclose(flat(end), state, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(hits, logits.argmax(axis=-1) == ids[3:])
    assert nats.dtype == np.float64


@pytest.mark.parametrize("cell", CELLS)
def test_to_advance_is_to_step_without_the_logits(cell):
    config = model(cell)
    network = NumpyNetwork(config, V, random_network(config).weights())
    _, state = network.step(np.array([3, 4]), network.initial_state(2))
    _, expected = network.step(np.array([1, 2]), state)
    np.testing.assert_array_equal(flat(network.advance(np.array([1, 2]), state)), flat(expected))


@pytest.mark.parametrize("cell", CELLS)
def test_numpy_network_remembers_nothing_and_leaves_the_state_it_was_handed(cell):
    config = model(cell)
    network = NumpyNetwork(config, V, random_network(config).weights())
    ids = np.array([1, 2])
    _, start = network.step(np.array([3, 4]), network.initial_state(2))
    kept = flat(start).copy()
    once, _ = network.step(ids, start)
    network.step(np.array([5, 6]), network.initial_state(2))
    again, _ = network.step(ids, start)
    fresh, _ = network.step(ids, network.initial_state(2))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(flat(start), kept)
    assert np.abs(fresh - once).max() > 0.01, "the state that is handed in must matter"


@pytest.mark.parametrize("cell", CELLS)
def test_extreme_weights_saturate_without_a_warning(cell):
    config = model(cell, layer_norm=False)
    weights = {name: array * np.float32(1e4) for name, array in random_network(config).weights().items()}
    network = NumpyNetwork(config, V, weights)
    with np.errstate(all="raise", under="ignore"):
        logits, state = network.step(np.array([0]), network.initial_state(1))
        nats, _, _ = network.surprisal(np.array([[1], [2]]), np.array([[2], [3]]), state)
    assert np.isfinite(logits).all()
    assert np.isfinite(nats).all()
    assert (nats >= 0).all()


@pytest.mark.parametrize("hidden", [1, 7, 64, 300, 520])
@pytest.mark.parametrize("cell", CELLS)
def test_a_lane_does_not_know_its_neighbours(cell, hidden):
    """To the last bit, in any number of lanes and at any place among them; 300 and 520 are summed in parts."""
    config = model(cell, hidden=hidden, embedding=min(hidden, 70))
    network = NumpyNetwork(config, V, random_network(config).weights())
    assert all(network.agrees(lanes) for lanes in (2, 5, 65, 256))
    ids = np.random.default_rng(4).integers(V, size=(4, 65))
    expected, ends = read_by_steps(network, ids)
    for rows in ([0], [64], [3, 2], [10, 64, 0], list(range(1, 18)), list(range(64))):
        logits, states = read_by_steps(network, ids[:, rows])
        np.testing.assert_array_equal(logits, expected[:, rows])
        np.testing.assert_array_equal(states, ends[:, rows])


@pytest.mark.parametrize("make", [lambda c, n: NumpyNetwork(c, V, n.weights()), lambda c, n: TorchReader(n)])
@pytest.mark.parametrize("cell", CELLS)
def test_lanes_are_selected_with_their_state_or_begin_afresh(cell, make):
    config = model(cell)
    network = make(config, random_network(config))
    ids = np.array([1, 2, 3])
    _, state = network.step(ids, network.initial_state(3))
    after, _ = network.step(np.array([4, 4, 4]), state)
    selected, _ = network.step(np.array([4, 4, 4, 4]), network.select(state, np.array([2, -1, 0, 2])))
    fresh, _ = network.step(np.array([4]), network.initial_state(1))
    np.testing.assert_allclose(selected, np.stack([after[2], fresh[0], after[0], after[2]]), rtol=0, atol=1e-6)


def test_sums_that_depend_on_the_lanes_are_noticed(monkeypatch):
    """A product that rounds otherwise for three rows and more."""
    config = model("lstm")
    network = NumpyNetwork(config, V, random_network(config).weights())
    honest = Product.__call__
    monkeypatch.setattr(Product, "__call__", lambda self, x: honest(self, x) * np.float32(1 + 1e-7 * (len(x) > 2)))
    assert network.agrees(2)
    assert not network.agrees(3)


def test_numpy_network_reads_and_scores_without_torch():
    program = """
import sys
import numpy as np
from charrnn.config import ModelConfig
from charrnn.shapes import parameter_shapes
from charrnn.model.numpy_network import NumpyNetwork
config = ModelConfig(cell="lstm", layers=2, hidden=4, embedding=3, dropout=0)
weights = {name: np.ones(shape, dtype=np.float32) for name, shape in parameter_shapes(config, 5).items()}
network = NumpyNetwork(config, 5, weights)
logits, state = network.step(np.array([0]), network.initial_state(1))
network.surprisal(np.array([[1]]), np.array([[2]]), state)
print(logits.shape, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("(1, 5) False\n", "")
