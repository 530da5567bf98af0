"""Every cell against the lectures' equations, written out gate by gate in NumPy, and its gradients against differences.

The equations below know nothing of the package but the order of the rows, which the cells' docstrings state.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from charrnn.model.cells import CELLS

torch.set_num_threads(1)  # such small tensors are only slowed down by more
ROWS = {"rnn": "h", "lstm": "ifgo", "gru": "rzn"}
T, B, E, H, V = 7, 2, 3, 4, 5


def sigma(x):
    return 1 / (1 + np.exp(-x))


def elman(gates, x, h):
    W_xh, W_hh, b_x, b_h = gates["h"]
    return (np.tanh(W_hh @ h + W_xh @ x + (b_x + b_h)),)


def lstm(gates, x, h, c):
    def pre(gate):  # W [h; x] + b
        W_x, W_h, b_x, b_h = gates[gate]
        return np.hstack([W_h, W_x]) @ np.concatenate([h, x]) + (b_x + b_h)

    i, f, o, g = sigma(pre("i")), sigma(pre("f")), sigma(pre("o")), np.tanh(pre("g"))
    c = f * c + i * g
    return o * np.tanh(c), c


def gru(gates, x, h, *, reset_first=False):
    r, z = (sigma(W_x @ x + W_h @ h + b_x + b_h) for W_x, W_h, b_x, b_h in (gates["r"], gates["z"]))
    W_xn, W_hn, b_xn, b_hn = gates["n"]
    recurrent = W_hn @ (r * h) + b_hn if reset_first else r * (W_hn @ h + b_hn)
    return (z * h + (1 - z) * np.tanh(W_xn @ x + b_xn + recurrent),)


def lecture_gru(gates, x, h):
    return gru(gates, x, h, reset_first=True)


EQUATIONS = {"rnn": elman, "lstm": lstm, "gru": gru}


def random_cell(name):
    """A float64 cell; all weights and biases are far from their special initial values."""
    cell = CELLS[name](E, H).double()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(0.8 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return cell


def random_window(name):
    """Inputs (T, B, E) and a carried state that is not zero."""
    generator = torch.Generator().manual_seed(6)
    inputs = torch.randn(T, B, E, generator=generator, dtype=torch.float64)
    return inputs, tuple(torch.randn(B, H, generator=generator, dtype=torch.float64) for _ in CELLS[name].state_names)


def by_hand(equations, cell, inputs, state):
    """All h_t (T, B, H) and the last state, one lane and one step at a time."""
    rows = ROWS[{elman: "rnn", lstm: "lstm"}.get(equations, "gru")]
    split = [np.split(parameter.detach().numpy(), len(rows)) for parameter in cell.all_weights[0]]
    gates = dict(zip(rows, zip(*split, strict=True), strict=True))
    outputs = np.empty((len(inputs), B, H))
    ends = []
    for lane in range(B):
        now = tuple(part[lane].numpy() for part in state)
        for t, x in enumerate(inputs[:, lane].numpy()):
            now = equations(gates, x, *now)
            outputs[t, lane] = now[0]
        ends.append(now)
    return outputs, [np.stack(parts) for parts in zip(*ends, strict=True)]


def unrolled(cell, inputs, state):
    with torch.no_grad():
        outputs, end = cell.unroll(inputs, state)
    return outputs.numpy(), [part.numpy() for part in end]


@pytest.mark.parametrize("name", CELLS)
def test_cell_computes_the_equations_of_the_lectures_over_many_steps(name):
    cell, (inputs, state) = random_cell(name), random_window(name)
    outputs, end = unrolled(cell, inputs, state)
    expected, expected_end = by_hand(EQUATIONS[name], cell, inputs, state)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(end, expected_end, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CELLS)
def test_first_part_of_the_state_is_the_last_output(name):
    outputs, end = unrolled(random_cell(name), *random_window(name))
    assert len(end) == len(CELLS[name].state_names)
    np.testing.assert_array_equal(end[0], outputs[-1])


def test_gru_resets_after_the_product_where_the_lectures_reset_before_it():
    """r = (0, 1), z = 0, and W_hn swaps the two units of h = (1, 1/2): n is all that is left, and can be seen."""
    cell = CELLS["gru"](1, 2).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.weight_hh_l0[4:] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        cell.bias_ih_l0[:4] = torch.tensor([-1000.0, 1000.0, -1000.0, -1000.0])
    outputs, _ = unrolled(cell, torch.zeros(1, 1, 1).double(), (torch.tensor([[1.0, 0.5]]).double(),))
    after_the_product = np.tanh([0 * 0.5, 1 * 1.0])
    before_the_product = np.tanh([1 * 0.5, 0 * 1.0])
    np.testing.assert_allclose(outputs[0, 0], after_the_product, rtol=0, atol=1e-12)
    assert np.abs(outputs[0, 0] - before_the_product).max() > 0.4


def test_gru_of_random_weights_is_not_that_of_the_lectures():
    cell, (inputs, state) = random_cell("gru"), random_window("gru")
    outputs, _ = unrolled(cell, inputs, state)
    assert np.abs(outputs - by_hand(lecture_gru, cell, inputs, state)[0]).max() > 0.01


@pytest.mark.parametrize("case", ["reset gate open", "no recurrent product", "every unit by itself"])
def test_gru_is_that_of_the_lectures_where_the_order_of_reset_and_product_cannot_matter(case):
    cell, (inputs, state) = random_cell("gru"), random_window("gru")
    with torch.no_grad():
        if case == "reset gate open":
            cell.bias_ih_l0[:H] = 1000.0
        else:  # b_hn stands inside the reset: it must be zero too
            W_hn = cell.weight_hh_l0[2 * H :]
            W_hn.copy_(torch.zeros_like(W_hn) if case == "no recurrent product" else W_hn.diag().diag())
            cell.bias_hh_l0[2 * H :] = 0.0
    outputs, _ = unrolled(cell, inputs, state)
    np.testing.assert_allclose(outputs, by_hand(lecture_gru, cell, inputs, state)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("hidden", [1, 7, 64])
@pytest.mark.parametrize("name", CELLS)
def test_recurrent_matrices_start_orthogonal_gate_by_gate(name, hidden):
    w_hh = CELLS[name](5, hidden).weight_hh_l0.detach()
    for matrix in w_hh.chunk(len(ROWS[name])):
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(hidden), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_input_matrices_start_uniform_within_glorots_bound_gate_by_gate(name):
    """n = 64 x 200 uniform draws on [-b, b]: the mean square is b^2 / 3 with standard deviation b^2 sqrt(4/45/n)."""
    torch.manual_seed(0)
    w_ih = CELLS[name](200, 64).weight_ih_l0.detach().double()
    bound = (6 / (200 + 64)) ** 0.5
    for matrix in w_ih.chunk(len(ROWS[name])):
        assert matrix.abs().max() <= bound * (1 + 1e-6)
        assert abs(matrix.square().mean() - bound**2 / 3) <= 6 * bound**2 * (4 / 45 / matrix.numel()) ** 0.5


@pytest.mark.parametrize("name", CELLS)
def test_biases_start_at_zero_but_the_forget_gates_at_one(name):
    cell = CELLS[name](3, 4)
    for gate, bias in zip(ROWS[name], (cell.bias_ih_l0 + cell.bias_hh_l0).chunk(len(ROWS[name])), strict=True):
        assert torch.equal(bias, torch.full((4,), float(gate == "f")))


@pytest.mark.parametrize("name", CELLS)
def test_backpropagation_through_time_is_the_slope_of_the_summed_loss(name):
    """L = sum_t L(t) of a whole window from a carried state, against central differences: error below 1e-7.

    With steps of 1e-5 the differences themselves are right to about 1e-9.
    """
    cell, (inputs, state) = random_cell(name), random_window(name)
    generator = torch.Generator().manual_seed(7)
    W_hy = torch.randn(H, V, generator=generator, dtype=torch.float64)
    targets = torch.randint(V, (T * B,), generator=generator)

    def loss():
        return F.cross_entropy((cell.unroll(inputs, state)[0] @ W_hy).flatten(0, 1), targets, reduction="sum")

    leaves = dict(cell.named_parameters()) | dict(zip(cell.state_names, state, strict=True))
    for tensor in state:
        tensor.requires_grad_()
    loss().backward()
    for leaf, tensor in leaves.items():
        flat = tensor.detach().view(-1)  # shares memory with the leaf
        for entry in torch.randperm(len(flat), generator=generator)[:6].tolist():
            middle = flat[entry].item()
            with torch.no_grad():
                flat[entry] = middle + 1e-5
                above = loss()
                flat[entry] = middle - 1e-5
                slope = (above - loss()) / 2e-5
                flat[entry] = middle
            assert abs(tensor.grad.view(-1)[entry] - slope) < 1e-7, f"{leaf}[{entry}]"


def test_influence_of_an_early_state_is_the_product_of_one_step_influences():
    """dh(T)/dh(0) = prod_t diag(1 - h(t)^2) W_hh for the vanilla network: what vanishes or explodes."""
    cell, (inputs, (h,)) = random_cell("rnn"), random_window("rnn")
    inputs, h = inputs[:, :1], h[:1]
    jacobian = torch.autograd.functional.jacobian(lambda h: cell.unroll(inputs, (h,))[1][0], h)[0, :, 0]
    expected = np.eye(H)
    for h_t in unrolled(cell, inputs, (h,))[0][:, 0]:
        expected = np.diag(1 - h_t**2) @ cell.weight_hh_l0.detach().numpy() @ expected
    np.testing.assert_allclose(jacobian.numpy(), expected, rtol=0, atol=1e-12)
