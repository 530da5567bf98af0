"""Vectors in place of symbols: x_t = W_v (v_t - mean) / deviation + b, as wide as an embedded symbol.

With it an Elman network reads h_t = tanh(W_xh x_t + W_hh h_{t-1} + b): the lectures' W_vh is W_xh W_v. An id from V on
stands for a vector: V + its row in a table that whoever opens a network hands in.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from charrnn.files import release


class VectorInput(nn.Module):
    """(K,) rows of `table` (R, d) -> (K, inputs)."""

    def __init__(self, size: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, size).normal_(std=size**-0.5))
        self.bias = nn.Parameter(torch.zeros(inputs))
        self.mean = nn.Parameter(torch.zeros(size), requires_grad=False)
        self.deviation = nn.Parameter(torch.ones(size), requires_grad=False)
        self.table: npt.NDArray[Any] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "VectorInput":
        """A copy of the weights; the table, which may be a file, is shared."""
        other = VectorInput(self.weight.shape[1], self.weight.shape[0]).to(self.weight.device)
        other.load_state_dict(self.state_dict())
        other.table = self.table
        return other

    @torch.no_grad()
    def standardise(self, mean: npt.NDArray[np.float32], deviation: npt.NDArray[np.float32]) -> None:
        """Read numbers by how far they are from what they are on the whole."""
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.copy_(torch.from_numpy(deviation))

    def forward(self, rows: Tensor) -> Tensor:
        """What these rows are as inputs."""
        assert self.table is not None, "vectors are read without their table"
        found = np.asarray(self.table[rows.cpu().numpy()], dtype=np.float32)
        release(self.table)  # of a file; else what was read of it would stay in memory
        v = torch.from_numpy(found).to(self.weight.device)
        return nn.functional.linear((v - self.mean) / self.deviation, self.weight, self.bias)
