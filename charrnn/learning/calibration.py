"""How sure of itself a network should be: one temperature for its logits, found on text that it has not learnt.

A network that has read its text many times is surer of what it predicts than it has reason to be; divided by a
temperature above 1, its logits lose nothing but that (Guo et al. 2017, "On Calibration of Modern Neural Networks").
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.model.behind import Behind
from charrnn.model.network import NetworkState
from charrnn.model.torch_reader import TorchReader

_STEP = 0.03  # an optimum between two of them costs at most 0.0002 nats
INVERSE_TEMPERATURES = tuple(round(1 + _STEP * number, 2) for number in range(-14, 3))  # 0.58 to 1.06
_BLOCK = 1 << 20  # logits at once: what is read so many times should stay in the cache


def nats_by_temperature(logits: Tensor, targets: Tensor) -> Tensor:
    """Nats of targets (N,) by logits (N, V) at each of INVERSE_TEMPERATURES: (N, K)."""
    below = logits - logits.amax(-1, keepdim=True)  # at most 0, and once 0: no sum of powers is 0 or endless
    wanted = below.gather(-1, targets[:, None])[:, 0]
    powers, factor = (below * INVERSE_TEMPERATURES[0]).exp_(), (below * _STEP).exp_()
    nats: list[Tensor] = []
    for inverse in INVERSE_TEMPERATURES:
        nats.append(powers.sum(-1).log() - inverse * wanted)
        powers *= factor  # exp(b x) exp(0.03 x) = exp((b + 0.03) x)
    return torch.stack(nats, dim=-1)


class CalibrationReader(TorchReader):
    """Reads once, and says how surprised it would have been at each of INVERSE_TEMPERATURES (K)."""

    def surprisal(
        self,
        inputs: npt.NDArray[np.int64],
        targets: npt.NDArray[np.int64],
        state: NetworkState,
        behind: Behind | None = None,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], NetworkState]:
        """Nats of every target at every temperature, (T, B, K), whether it was the likeliest, (T, B), and the state."""
        with torch.no_grad():
            logits, state = self.read(inputs, state, behind)
            wanted, rows = torch.from_numpy(targets).to(self.device), max(1, _BLOCK // self.symbols)
            parts = zip(
                torch.split(logits.float().flatten(0, 1), rows), torch.split(wanted.flatten(), rows), strict=True
            )
            nats = torch.cat([nats_by_temperature(*part) for part in parts]).view(*wanted.shape, -1)
            hits = logits.gather(-1, wanted[..., None])[..., 0] >= logits.amax(-1)
        return nats.cpu().numpy(), hits.cpu().numpy(), state
