"""A whole window of a GRU on a CPU, forward and backward, faster than torch's own (`benchmarks/step.py` measures it).

torch has a fused LSTM for CPUs, but runs its GRU step by step and differentiates it operation by operation. Here the
input products of all steps are one matrix product, the backward pass computes everything that does not depend on later
steps for all steps at once, and each weight gradient is one product. What is left for each step is one product and a
few elementwise operations. The slow true twin is `nn.GRU`; a test compares values and gradients.

With the gates r, z and the candidate n of `cells.GRU`, a = W_hn h_{t-1} + b_hn, and dh the loss's gradient by h_t:

    dn = dh * (1 - z) * (1 - n^2)       by the candidate before its tanh
    dz = dh * (h_{t-1} - n) * z * (1 - z)       by the update gate before its sigma
    dr = dn * a * r * (1 - r)       by the reset gate before its sigma
    dh_{t-1} = dh * z + dr W_hr + dz W_hz + (dn * r) W_hn
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class GRUWindow(torch.autograd.Function):
    """inputs (T, B, E), h (B, H), the four parameters of `nn.GRU` -> all h_t (T, B, H); computed in `inputs.dtype`."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
        """All h_t of the window."""
        T, B, E = inputs.shape
        H, dtype = w_hh.shape[1], inputs.dtype
        w_ih, w_hh = w_ih.to(dtype), w_hh.to(dtype)
        recurrent_bias = torch.cat([torch.zeros_like(b_hh[: 2 * H]), b_hh[2 * H :]]).to(dtype)  # r acts on b_hn alone
        input_bias = (b_ih + b_hh).to(dtype) - recurrent_bias
        gates = torch.addmm(input_bias, inputs.reshape(T * B, E), w_ih.t()).view(T, B, 3 * H)
        hidden, a = inputs.new_empty(T + 1, B, H), inputs.new_empty(T, B, H)
        hidden[0] = h
        for t in range(T):
            product = torch.addmm(recurrent_bias, hidden[t], w_hh.t())
            a[t] = product[:, 2 * H :]
            r, z, n = gates[t].chunk(3, 1)  # views: `gates` is turned from sums into r, z, n in place
            gates[t, :, : 2 * H].add_(product[:, : 2 * H]).sigmoid_()
            n.addcmul_(r, a[t]).tanh_()
            torch.lerp(n, hidden[t], z, out=hidden[t + 1])
        ctx.save_for_backward(inputs, w_ih, w_hh, gates, a, hidden)
        return hidden[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_outputs: Tensor) -> tuple[Tensor, ...]:
        """The gradients of everything that `forward` takes."""
        inputs, w_ih, w_hh, gates, a, hidden = ctx.saved_tensors
        T, B, E = inputs.shape
        H, before = w_hh.shape[1], hidden[:-1]
        r, z, n = gates.chunk(3, 2)
        by_candidate = (1 - z) * (1 - n * n)
        # What dh_t is multiplied by to give dr, dz and dn * r; each step does so as soon as its dh is known.
        by_sums = inputs.new_empty(T, B, 3, H)
        torch.mul(by_candidate * a, r * (1 - r), out=by_sums[:, :, 0])
        torch.mul(before - n, z * (1 - z), out=by_sums[:, :, 1])
        torch.mul(by_candidate, r, out=by_sums[:, :, 2])
        by_hidden, dh = torch.empty_like(a), torch.zeros_like(a[0])
        for t in range(T - 1, -1, -1):
            torch.add(dh, by_outputs[t], out=by_hidden[t])
            by_sums[t].mul_(by_hidden[t, :, None])
            dh = torch.addmm(by_hidden[t] * z[t], by_sums[t].view(B, 3 * H), w_hh)
        recurrent = by_sums.view(T * B, 3 * H)
        by_inputs = torch.cat([by_sums[:, :, :2], (by_hidden * by_candidate)[:, :, None]], 2).view(T * B, 3 * H)
        return (
            (by_inputs @ w_ih).view(T, B, E),
            dh,
            by_inputs.t() @ inputs.reshape(T * B, E),
            recurrent.t() @ before.reshape(T * B, H),
            by_inputs.sum(0),
            recurrent.sum(0),
        )
