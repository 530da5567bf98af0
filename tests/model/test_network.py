"""The network: its shapes, its parameters, and a state that goes in and comes out."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from charrnn.config import ModelConfig
from charrnn.model.cells import CELLS
from charrnn.model.network import CharRNN, Masks
from charrnn.model.torch_reader import TorchReader, open_reader
from charrnn.shapes import CELL_STATES, parameter_shapes

torch.set_num_threads(1)  # such small tensors are only slowed down by more
T, B, V = 6, 2, 7


def model(cell="lstm", **changes):
    return ModelConfig(**{"cell": cell, "layers": 2, "hidden": 8, "embedding": 8, "dropout": 0.0} | changes)


def network_of(config, seed=0):
    """A network in float64 with random biases."""
    torch.manual_seed(seed)
    network = CharRNN(config, V).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def random_ids(seed=1, steps=T):
    return torch.randint(V, (steps, B), generator=torch.Generator().manual_seed(seed))


def carried_state(network, seed=2):
    """A state that is not zero: what reading some other text left."""
    with torch.no_grad():
        return network(random_ids(seed), network.initial_state(B))[1]


def flat(state):
    return [part for layer in state for part in layer]


def assert_same(actual, expected, tolerance):
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("embedding", [0, 5, 8])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_network_has_the_shapes_that_its_configuration_promises(cell, layers, embedding, residual, layer_norm):
    config = model(cell, layers=layers, embedding=embedding, residual=residual, layer_norm=layer_norm)
    network = CharRNN(config, V)
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    assert shapes == parameter_shapes(config, V)
    start = network.initial_state(B)
    logits, end = network(random_ids(), start)
    assert logits.shape == (T, B, V)
    for state in (start, end):
        assert [[part.shape for part in layer] for layer in state] == [[(B, 8)] * len(CELL_STATES[cell])] * layers
    assert not any(part.any() for part in flat(start))


@pytest.mark.parametrize("hidden", [8, V])  # V: as wide as the one-hot input, so the residual connects them
@pytest.mark.parametrize("cell", CELLS)
def test_one_hot_input_is_an_embedding_whose_matrix_is_the_identity(cell, hidden):
    torch.manual_seed(0)
    one_hot = CharRNN(model(cell, embedding=0, hidden=hidden, residual=False), V)
    embedded = CharRNN(model(cell, embedding=V, hidden=hidden, residual=False), V)
    embedded.load_weights(one_hot.weights() | {"embedding.weight": np.eye(V, dtype=np.float32)})
    (logits, state), (expected, expected_state) = (n(random_ids(), n.initial_state(B)) for n in (one_hot, embedded))
    assert_same(logits, expected, 1e-6)
    assert_same(flat(state), flat(expected_state), 1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_two_half_windows_are_one_whole_window(cell):
    network = network_of(model(cell))
    ids, start = random_ids(), carried_state(network)
    with torch.no_grad():
        whole, end = network(ids, start)
        first, middle = network(ids[:2], start)
        second, last = network(ids[2:], middle)
    assert_same(torch.cat([first, second]), whole, 1e-12)
    assert_same(flat(last), flat(end), 1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_lanes_do_not_see_each_other(cell):
    network = network_of(model(cell))
    ids, start = random_ids(), carried_state(network)
    other = torch.stack([ids[:, 0], (ids[:, 1] + 1) % V], dim=1)
    with torch.no_grad():
        logits, changed = network(ids, start)[0], network(other, start)[0]
    assert_same(changed[:, 0], logits[:, 0], 1e-12)
    assert (changed[:, 1] - logits[:, 1]).abs().max() > 0.01


@pytest.mark.parametrize("cell", CELLS)
def test_no_logit_depends_on_a_later_symbol(cell):
    network = network_of(model(cell))
    ids, start = random_ids(), carried_state(network)
    later = ids.clone()
    later[3:] = (later[3:] + 1) % V
    with torch.no_grad():
        logits, changed = network(ids, start)[0], network(later, start)[0]
    assert_same(changed[:3], logits[:3], 1e-12)
    assert (changed[3] - logits[3]).abs().max() > 0.01


@pytest.mark.parametrize("cell", CELLS)
def test_network_remembers_nothing_and_leaves_the_state_it_was_handed(cell):
    network = network_of(model(cell))
    ids, start = random_ids(), carried_state(network)
    kept = [part.clone() for part in flat(start)]
    with torch.no_grad():
        once = network(ids, start)[0]
        network(random_ids(seed=9), network.initial_state(B))
        again = network(ids, start)[0]
        fresh = network(ids, network.initial_state(B))[0]
    assert torch.equal(once, again)
    assert all(map(torch.equal, flat(start), kept))
    assert (fresh - once).abs().max() > 0.01, "the state that is handed in must matter"


def test_normalised_residual_layer_is_what_its_equation_says():
    """y = x + gain * (h - mean) / sqrt(variance + 1e-5) + bias, with h from the cell alone."""
    network = network_of(model(layers=1))
    ids, start = random_ids(), carried_state(network)
    layer = network.layers[0]
    with torch.no_grad():
        x = network.embedding.weight[ids]
        h, _ = layer.cell.unroll(x, start[0])
        spread = (h.var(dim=-1, keepdim=True, correction=0) + 1e-5).sqrt()
        y = x + layer.norm.weight * (h - h.mean(dim=-1, keepdim=True)) / spread + layer.norm.bias
        expected = y @ network.head.weight.T + network.head.bias
        assert_same(network(ids, start)[0], expected, 1e-12)


def halves(*shape, seed=5):
    """A mask as dropout makes them: about half is dropped, and the rest doubled."""
    return 2.0 * (torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < 0.5).double()


def gates_of(network):
    return network.layers[0].cell.weight_hh_l0.shape[0]


@pytest.mark.parametrize("cell", CELLS)
def test_dropout_acts_where_masks_are_handed_in_and_nowhere_else(cell):
    """Neither the rate in the configuration nor torch's training mode drops anything."""
    plain, dropping = network_of(model(cell)), network_of(model(cell, dropout=0.5)).train()
    ids, start, rows = random_ids(), carried_state(plain), gates_of(plain)
    ones, none = Masks(torch.ones(B, 8), torch.ones(rows, 8)), Masks(None, None)
    with torch.no_grad():
        expected = plain(ids, start)[0]
        for masks in (None, [none, none], [ones, ones], [none, ones]):
            assert torch.equal(dropping(ids, start, masks)[0], expected)
        for kind in (Masks(units=halves(B, 8)), Masks(weights=halves(rows, 8))):
            for masks in ([kind, none], [none, kind]):
                found = dropping(ids, start, masks)[0]
                assert torch.equal(plain.eval()(ids, start, masks)[0], found)
                assert (found - expected).abs().max() > 0.01


@pytest.mark.parametrize("cell", CELLS)
def test_a_mask_of_units_never_touches_the_recurrence(cell):
    network = network_of(model(cell, dropout=0.5))
    ids, start, mask = random_ids(), carried_state(network), Masks(units=halves(B, 8))
    with torch.no_grad():
        expected = network(ids, start)[1]
        first, last = (network(ids, start, masks)[1] for masks in ([mask, Masks()], [Masks(), mask]))
    assert all(map(torch.equal, first[0], expected[0])), "the first layer's input and recurrence are never dropped"
    assert (first[1][0] - expected[1][0]).abs().max() > 0.01, "the second layer reads what dropout left"
    assert all(map(torch.equal, flat(last), flat(expected))), "what leads to the head leads nowhere else"


def test_a_mask_multiplies_a_layers_units_at_every_step_of_the_window():
    """With an identity for a head the logits are the dropped features."""
    network = network_of(model(layers=1, hidden=V))
    with torch.no_grad():
        network.head.weight.copy_(torch.eye(V))
        network.head.bias.zero_()
        ids, start, mask = random_ids(), network.initial_state(B), halves(B, V)
        features, dropped = network(ids, start)[0], network(ids, start, [Masks(units=mask)])[0]
    assert 0 < (mask == 0).sum() < mask.numel()
    assert_same(dropped, features * mask, 1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_masked_recurrent_weights_are_a_network_with_these_weights_and_scaled_gradients(cell):
    """Values, states and gradients; the gradient of a weight is that of the product, times its mask."""
    network, other = network_of(model(cell)), network_of(model(cell))
    ids, targets, start, rows = random_ids(), random_ids(seed=3).flatten(), carried_state(network), gates_of(network)
    masks = [Masks(weights=halves(rows, 8, seed=seed)) for seed in (5, 6)]
    with torch.no_grad():
        for layer, mask in zip(other.layers, masks, strict=True):
            layer.cell.weight_hh_l0.mul_(mask.weights)
    kept = [parameter.clone() for parameter in network.parameters()]
    found, expected = network(ids, start, masks), other(ids, start)
    assert_same(found[0], expected[0], 1e-12)
    assert_same(flat(found[1]), flat(expected[1]), 1e-12)
    for logits in (found[0], expected[0]):
        F.cross_entropy(logits.flatten(0, 1), targets).backward()
    scales = {f"layers.{index}.cell.weight_hh_l0": mask.weights for index, mask in enumerate(masks)}
    for (name, ours), theirs in zip(network.named_parameters(), other.parameters(), strict=True):
        assert_same(ours.grad, theirs.grad * scales.get(name, torch.ones(())), 1e-12)
    assert all(map(torch.equal, network.parameters(), kept)), "what is dropped is dropped for one window only"


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_the_whole_network_are_slopes_of_its_loss(cell):
    """Embedding, two normalised residual layers and head, against central differences: error below 1e-7."""
    network = network_of(model(cell))
    ids, targets, start = random_ids(), random_ids(seed=3).flatten(), carried_state(network)

    def loss():
        return F.cross_entropy(network(ids, start)[0].flatten(0, 1), targets)

    loss().backward()
    generator = torch.Generator().manual_seed(4)
    for name, parameter in network.named_parameters():
        flat_view = parameter.detach().view(-1)
        for entry in torch.randint(len(flat_view), (3,), generator=generator).tolist():
            middle = flat_view[entry].item()
            with torch.no_grad():
                flat_view[entry] = middle + 1e-5
                above = loss()
                flat_view[entry] = middle - 1e-5
                slope = (above - loss()) / 2e-5
                flat_view[entry] = middle
            assert abs(parameter.grad.view(-1)[entry] - slope) < 1e-7, f"{name}[{entry}]"


def test_weights_go_out_and_in_unchanged():
    torch.manual_seed(0)
    source, target = CharRNN(model(), V), CharRNN(model(), V)
    before = target.weights()["head.weight"].copy()
    target.load_weights(source.weights())
    assert all(map(torch.equal, target.parameters(), source.parameters()))
    assert not np.array_equal(before, target.weights()["head.weight"])


@pytest.mark.parametrize("training", [True, False])
def test_reader_steps_and_scores_without_dropout_in_either_mode(training):
    torch.manual_seed(0)
    network = CharRNN(model(dropout=0.5), V).train(training)
    ids, targets = random_ids().numpy(), random_ids(seed=3).numpy()
    expected = -F.log_softmax(network(torch.from_numpy(ids), network.initial_state(B))[0].double(), dim=-1)
    reader = TorchReader(network.train(training))
    nats, hits, end = reader.surprisal(ids, targets, reader.initial_state(B))
    state = reader.initial_state(B)
    for t in range(T):
        logits, state = reader.step(ids[t], state)
        stepped = -F.log_softmax(torch.from_numpy(logits).double(), dim=-1)[range(B), targets[t]]
        np.testing.assert_allclose(nats[t], stepped, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(hits[t], logits.argmax(axis=-1) == targets[t])
        np.testing.assert_allclose(nats[t], expected.detach()[t, range(B), targets[t]], rtol=0, atol=1e-5)
    assert_same(flat(state), flat(end), 1e-5)
    assert not any(part.requires_grad for part in flat(end))
    assert torch.is_grad_enabled()


def test_reader_leaves_gradients_on_after_an_error():
    reader = TorchReader(CharRNN(model(), V))
    with pytest.raises(IndexError):
        reader.step(np.full(B, V), reader.initial_state(B))
    assert torch.is_grad_enabled()


def test_opened_reader_has_the_weights_that_it_was_given():
    torch.manual_seed(0)
    network = CharRNN(model(), V)
    ids = random_ids().numpy()
    expected, _ = TorchReader(network).step(ids[0], network.initial_state(B))
    reader = open_reader(model(), V, network.weights(), "cpu")
    np.testing.assert_array_equal(reader.step(ids[0], reader.initial_state(B))[0], expected)
