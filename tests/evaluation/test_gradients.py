"""How far gradients reach is what finite differences and the formula of the lectures say."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from charrnn.config import ModelConfig
from charrnn.evaluation.gradients import RUN_UP, reach
from charrnn.model.cells import CELLS
from charrnn.model.network import CharRNN

torch.set_num_threads(1)  # such small tensors are only slowed down by more
V, STEP = 5, 1e-5


def network(cell="lstm", layers=1, plain=False, seed=0):
    """In float64; a `plain` one is a recurrence and a head, and nothing else."""
    torch.manual_seed(seed)
    shape = {"cell": cell, "layers": layers, "hidden": 4, "embedding": 3, "dropout": 0.5}
    return CharRNN(ModelConfig(**shape, layer_norm=not plain, residual=not plain), V).double()


def random_ids(n, seed=0):
    return np.random.default_rng(seed).integers(1, V, size=n).astype(np.uint8)


def places_of(n, steps, lanes):
    return sorted({int(place) for place in np.linspace(min(RUN_UP + steps, n - 1), n - 1, lanes)})


@torch.no_grad()
def by_differences(of, ids, steps, lanes, end_id=None):
    """The slow true twin: every number of the state nudged to both sides, and the text read on from there."""

    def read(state, symbols):
        logits = None
        for symbol in symbols.tolist():
            if symbol == end_id:
                state = of.initial_state(len(state[0][0]))
            logits, state = of(torch.full((1, len(state[0][0])), symbol), state)
        return logits, state

    norms = [[] for _ in range(steps)]
    for t in places_of(len(ids), steps, lanes):
        for k in range(1, steps + 1):
            if end_id in ids[t - k : t]:
                break
            _, state = read(of.initial_state(1), ids[t - steps - min(RUN_UP, t - steps) : t - k])
            flat = torch.cat([part for layer in state for part in layer], dim=1)
            nudges = STEP * torch.eye(flat.shape[1]).double()
            parts = iter((flat + torch.cat([nudges, -nudges])).split(4, dim=1))
            logits, _ = read([tuple(next(parts) for _ in layer) for layer in state], ids[t - k : t])
            nats = F.cross_entropy(logits[0], torch.full((len(logits[0]),), int(ids[t])), reduction="none")
            higher, lower = nats.chunk(2)
            norms[k - 1].append(((higher - lower) / (2 * STEP)).norm().item())
    return [np.mean(each) for each in norms if each]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_those_of_finite_differences(cell, layers):
    of, ids = network(cell, layers), random_ids(RUN_UP + 30)
    np.testing.assert_allclose(reach(of, ids, 6, lanes=3), by_differences(of, ids, 6, 3), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_handed_on_over_the_end_of_a_record(cell):
    of, ids = network(cell, 2), random_ids(RUN_UP + 40)
    ids[::5] = ids[-3] = 0
    expected = by_differences(of, ids, 6, 9, end_id=0)
    assert len(expected) == 4, "a fifth symbol before is always beyond the end of a record"
    np.testing.assert_allclose(reach(of, ids, 6, lanes=9, end_id=0), expected, rtol=1e-6, atol=1e-9)


def test_gradients_are_those_of_the_formula():
    """dh_t / dh_{t-1} = diag(1 - h_t^2) W_hh, multiplied step by step."""
    of, ids, steps = network("rnn", plain=True), random_ids(200), 12
    w = {name: array.astype(np.float64) for name, array in of.weights().items()}
    of.load_weights(of.weights())  # as float32 numbers, so that both have the same
    w_ih, w_hh = w["layers.0.cell.weight_ih_l0"], w["layers.0.cell.weight_hh_l0"]
    bias = w["layers.0.cell.bias_ih_l0"] + w["layers.0.cell.bias_hh_l0"]
    norms = []
    for t in places_of(len(ids), steps, 7):
        h, jacobians = np.zeros(4), []
        for symbol in ids[t - steps - RUN_UP : t]:
            h = np.tanh(w_ih @ w["embedding.weight"][symbol] + w_hh @ h + bias)
            jacobians.append(np.diag(1 - h**2) @ w_hh)
        powers = np.exp(w["head.weight"] @ h + w["head.bias"])
        gradient = (powers / powers.sum() - np.eye(V)[ids[t]]) @ w["head.weight"]
        norms.append([])
        for jacobian in jacobians[: -steps - 1 : -1]:
            gradient = gradient @ jacobian
            norms[-1].append(np.linalg.norm(gradient))
    np.testing.assert_allclose(reach(of, ids, steps, lanes=7), np.mean(norms, axis=0), rtol=1e-9)


def scaled(factor, inputs=1.0):
    """A vanilla network whose recurrent matrix stretches everything by `factor`."""
    of = network("rnn", plain=True)
    with torch.no_grad():
        of.layers[0].cell.weight_hh_l0.mul_(factor)
        of.embedding.weight.mul_(inputs)
    return of


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_where_nothing_saturates_gradients_shrink_or_grow_by_the_same_factor_at_every_step(factor):
    norms = reach(scaled(factor, inputs=1e-7), random_ids(13), 12)
    np.testing.assert_allclose(norms[1:] / norms[:-1], factor, rtol=1e-6)


def test_a_matrix_that_shrinks_makes_gradients_vanish_at_least_as_fast():
    norms = reach(scaled(0.5), random_ids(500), 30)
    assert (norms > 0).all()
    assert (norms[1:] <= 0.5 * norms[:-1] * (1 + 1e-9)).all()


def test_gradients_too_small_for_the_network_are_nothing():
    norms = reach(scaled(1e-6).float(), random_ids(200), 30)
    assert norms[0] > 0
    assert (norms[10:] == 0).all()
    assert np.isfinite(norms).all()


@pytest.mark.parametrize(("n", "expected"), [(0, 0), (1, 0), (2, 1), (5, 4), (9, 8), (10, 8)])
def test_a_short_text_has_fewer_steps(n, expected):
    norms = reach(network(), random_ids(n), 8)
    assert norms.shape == (expected,)
    assert (norms > 0).all()


def test_the_network_stays_as_it_was():
    of = network()
    before = {name: parameter.detach().clone() for name, parameter in of.named_parameters()}
    reach(of, random_ids(100), 5)
    for name, parameter in of.named_parameters():
        assert parameter.grad is None
        assert torch.equal(parameter, before[name])
