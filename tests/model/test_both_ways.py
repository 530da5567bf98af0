"""A network that reads both ways: its equations, a plain loop, finite differences, and its twin without torch."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from charrnn.config import ModelConfig
from charrnn.model.behind import Behind, behind
from charrnn.model.cells import CELLS
from charrnn.model.network import Masks
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.model.torch_reader import TorchReader
from charrnn.shapes import parameter_shapes
from tests.model.test_network import V, network_of

torch.set_num_threads(1)  # such small tensors are only slowed down by more
H = 6


def model(cell="lstm", **changes):
    given = {"cell": cell, "layers": 2, "hidden": H, "embedding": 5, "dropout": 0.0, "bidirectional": True}
    return ModelConfig(**given | changes)


def texts(lengths, seed=1):
    """Random texts, one behind the other, and where each ends."""
    ids = np.random.default_rng(seed).integers(V, size=sum(lengths))
    return ids, np.cumsum(lengths)


def window(ids, first, ends, steps, most):
    """Inputs, targets and what stands behind, of lanes whose first target is at `first`."""
    targets = np.minimum(first + np.arange(steps)[:, None], ends - 1)
    there = behind(targets, ends, most)
    return ids[targets - 1], ids[targets], Behind(ids[there.ids], there.read)


def as_tensors(inputs, there):
    return torch.from_numpy(inputs), Behind(*map(torch.from_numpy, there))


def by_hand(network, before, after):
    """Logits for one target: a loop over all that stands before it, and one from the end of what stands behind it."""

    def read(layers, ids):
        state = network.initial_state(1)
        x = None
        for symbol in ids:
            x = network._symbols(torch.tensor([[symbol]]))
            after = []
            for layer, own in zip(layers, state, strict=True):
                x, end = layer(x, own, Masks())
                after.append(end)
            state = after
        return torch.zeros(1, H, dtype=torch.float64) if x is None else x[0]

    h = torch.cat([read(network.layers, before), read(network.backward_layers, after[::-1])], dim=-1)
    m = torch.tanh(h @ network.joint.weight.T + network.joint.bias)
    return torch.cat([h, m], dim=-1) @ network.head.weight.T + network.head.bias


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("changes", [{}, {"layers": 1}, {"embedding": 0}, {"embedding": H}, {"layer_norm": False}])
def test_logits_are_those_of_the_equations(cell, changes):
    """Lanes of other lengths: what stands behind ends with its own text, and the last symbol has nothing behind it."""
    network = network_of(model(cell, **changes))
    ids, ends = texts([9, 5, 7])
    first = np.array([0, 9, 14]) + 1
    inputs, _, there = window(ids, first, ends, 6, 20)
    with torch.no_grad():
        tensor, behind_it = as_tensors(inputs, there)
        logits, _ = network(tensor, network.initial_state(3), behind=behind_it)
        for lane, (start, end) in enumerate(zip(first, ends, strict=True)):
            for t in range(min(6, end - start)):
                own = by_hand(network, ids[start - 1 : start + t], ids[start + t + 1 : end])
                torch.testing.assert_close(logits[t, lane], own[0], rtol=0, atol=1e-12)


def test_no_logit_depends_on_its_own_symbol():
    network = network_of(model())
    ids, ends = texts([12])
    first = np.array([1])
    inputs, _, there = window(ids, first, ends, 11, 20)
    for place in range(1, 12):
        other = ids.copy()
        other[place] = (other[place] + 1) % V
        changed, _, behind_it = window(other, first, ends, 11, 20)
        with torch.no_grad():
            one, two = (
                network(tensor, network.initial_state(1), behind=that)[0][:, 0]
                for tensor, that in (as_tensors(inputs, there), as_tensors(changed, behind_it))
            )
        differs = (one != two).any(dim=-1).numpy()
        assert not differs[place - 1]
        assert differs.sum() == 10


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_those_of_finite_differences(cell):
    """Of everything that is read, in lanes whose texts end at other places."""
    network = network_of(model(cell, hidden=3, embedding=3))
    ids, ends = texts([6, 5])
    inputs, targets, there = window(ids, np.array([1, 7]), ends, 5, 20)
    tensor, behind_it = as_tensors(inputs, there)
    wanted = torch.from_numpy(targets)

    def loss():
        logits, _ = network(tensor, network.initial_state(2), behind=behind_it)
        return F.cross_entropy(logits.flatten(0, 1), wanted.flatten())

    network.zero_grad()
    loss().backward()
    generator = np.random.default_rng(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            flat, gradient = parameter.view(-1), parameter.grad.view(-1)
            for place in generator.integers(len(flat), size=3):
                before = flat[place].item()
                values = []
                for step in (1e-6, -1e-6):
                    flat[place] = before + step
                    values.append(loss().item())
                flat[place] = before
                assert (values[0] - values[1]) / 2e-6 == pytest.approx(gradient[place].item(), abs=1e-8), name


def test_every_weight_has_a_gradient_also_where_nothing_stands_behind():
    """Adam counts the steps of each: exact resuming needs that none is left out."""
    network = network_of(model())
    ids, ends = texts([2])
    inputs, _, there = window(ids, np.array([1]), ends, 1, 4)
    tensor, behind_it = as_tensors(inputs, there)
    network(tensor, network.initial_state(1), behind=behind_it)[0].sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("changes", [{}, {"embedding": 0}, {"embedding": H, "layers": 3}, {"layer_norm": False}])
def test_the_twin_without_torch_says_the_same(cell, changes):
    config = model(cell, **changes)
    network = network_of(config).float().eval()
    assert {name: tuple(each.shape) for name, each in network.named_parameters()} == parameter_shapes(config, V)
    ids, ends = texts([40, 23])
    inputs, targets, there = window(ids, np.array([1, 41]), ends, 30, 8)
    light, heavy = NumpyNetwork(config, V, network.weights()), TorchReader(network)
    (nats, hits, _), (other, same, _) = (
        reader.surprisal(inputs, targets, reader.initial_state(2), there) for reader in (light, heavy)
    )
    np.testing.assert_allclose(nats, other, rtol=0, atol=2e-5)
    np.testing.assert_array_equal(hits, same)


@pytest.mark.parametrize(
    ("targets", "end", "most", "places", "read"),
    [
        ([1, 2, 3], 10, 0, [3, 2], [2, 1, 0]),
        ([1, 2, 3], 10, 2, [5, 4, 3, 2], [4, 3, 2]),
        ([1, 2, 3], 5, 20, [4, 3, 2], [3, 2, 1]),
        ([1, 2, 2], 3, 20, [2], [1, 0, 0]),  # padding behind the last symbol
        ([4], 5, 7, [4], [0]),  # nothing stands behind: one symbol is read, and never asked about
    ],
)
def test_what_stands_behind_worked_out_by_hand(targets, end, most, places, read):
    found = behind(np.array(targets)[:, None], np.array([end]), most)
    assert found.ids[:, 0].tolist() == places
    assert found.read[:, 0].tolist() == read
