"""How sure of itself a network should be: one temperature for its logits, found on text that it has not learnt.

A network that has read its text many times is surer of what it predicts than it has reason to be; divided by a
temperature above 1, its logits lose nothing but that (Guo et al. 2017, "On Calibration of Modern Neural Networks").
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from charrnn.model.network import NetworkState, TorchReader

_STEP = 0.03  # an optimum between two of them costs at most 0.0002 nats
INVERSE_TEMPERATURES = tuple(round(1 + _STEP * number, 2) for number in range(-14, 3))  # 0.58 to 1.06


class CalibrationReader(TorchReader):
    """Reads once, and says how surprised it would have been at each of INVERSE_TEMPERATURES (K)."""

    def surprisal(
        self, inputs: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], state: NetworkState
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], NetworkState]:
        """Nats of every target at every temperature, (T, B, K), whether it was the likeliest, (T, B), and the state."""
        with torch.no_grad():
            logits, state = self.network(torch.from_numpy(inputs).to(self.device), state)
            logits = logits.float()
            below = logits - logits.amax(-1, keepdim=True)  # at most 0, and once 0: no sum of powers is 0 or endless
            wanted = below.gather(-1, torch.from_numpy(targets).to(self.device)[..., None])[..., 0]
            powers, factor = (below * INVERSE_TEMPERATURES[0]).exp_(), (below * _STEP).exp_()
            nats = below.new_empty(*wanted.shape, len(INVERSE_TEMPERATURES))
            for place, inverse in enumerate(INVERSE_TEMPERATURES):  # exp(b x) e^(0.03 x) = exp((b + 0.03) x)
                nats[..., place] = powers.sum(-1).log() - inverse * wanted
                powers *= factor
        return nats.cpu().numpy(), (wanted >= 0).cpu().numpy(), state
