"""The GRU window and its slow true twin, torch's `nn.GRU`: the same values, the same gradients."""

import pytest
import torch
from torch import nn

from charrnn.model.cells import GRU
from charrnn.model.gru_window import GRUWindow

torch.set_num_threads(1)


def cell_of(inputs, hidden, dtype):
    """A GRU in which every weight and bias matters."""
    cell = GRU(inputs, hidden).to(dtype)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(dtype))
    return cell


def both(T, B, E, H, dtype=torch.float64):
    """(outputs, last state, every gradient) of the window and of the twin, for a loss that reaches all of them."""
    cell, generator = cell_of(E, H, dtype), torch.Generator().manual_seed(2)
    inputs, h, by_outputs, by_last = (
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        for shape in ((T, B, E), (B, H), (T, B, H), (B, H))
    )
    found = []
    for run in (cell.unroll, lambda x, state: ((done := nn.GRU.forward(cell, x, state[0][None]))[0], (done[1][0],))):
        leaves = [inputs.clone().requires_grad_(), h.clone().requires_grad_(), *cell.parameters()]
        outputs, (last,) = run(leaves[0], (leaves[1],))
        loss = (outputs * by_outputs).sum() + (last * by_last).sum()
        found.append((outputs.detach(), last.detach(), *torch.autograd.grad(loss, leaves)))
    return found


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (7, 3, 5, 4), (2, 1, 8, 16), (64, 2, 3, 33), (5, 8, 1, 2)])
def test_values_and_gradients_are_those_of_the_twin(shape):
    window, twin = both(*shape)
    for ours, theirs in zip(window, twin, strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_the_window_is_what_a_cpu_trains_with():
    outputs, _ = cell_of(3, 4, torch.float32).unroll(torch.randn(2, 1, 3), (torch.zeros(1, 4),))
    assert "GRUWindow" in outputs.grad_fn.name()


def test_in_bfloat16_it_stays_as_near_to_the_truth_as_the_twin():
    """Both round after every operation; neither may be more than half again as far from float64."""
    cell, generator = cell_of(16, 48, torch.float32), torch.Generator().manual_seed(3)
    inputs, h = torch.randn(64, 8, 16, generator=generator), torch.zeros(8, 48)
    true = nn.GRU.forward(cell_of(16, 48, torch.float64), inputs.double(), h[None].double())[0]
    with torch.autocast("cpu", torch.bfloat16):
        window, twin = cell.unroll(inputs, (h,))[0], nn.GRU.forward(cell, inputs, h[None].bfloat16())[0]
    assert window.dtype == twin.dtype == torch.bfloat16
    errors = [(outputs.double() - true).square().mean().sqrt().item() for outputs in (window, twin)]
    assert 0 < errors[0] < 1.5 * errors[1]


def test_windows_in_a_row_equal_one_long_window():
    cell, inputs = cell_of(3, 5, torch.float64), torch.randn(9, 2, 3, dtype=torch.float64)
    whole, _ = cell.unroll(inputs, (torch.zeros(2, 5, dtype=torch.float64),))
    first, state = cell.unroll(inputs[:4], (torch.zeros(2, 5, dtype=torch.float64),))
    rest, _ = cell.unroll(inputs[4:], state)
    torch.testing.assert_close(torch.cat([first, rest]), whole, rtol=1e-12, atol=1e-12)


def test_numeric_gradients_agree():
    """Against finite differences, so that window and twin cannot be wrong together."""
    cell = cell_of(3, 4, torch.float64)
    inputs, h = torch.randn(3, 2, 3, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (inputs, h, *cell.parameters())]
    assert torch.autograd.gradcheck(GRUWindow.apply, leaves)
