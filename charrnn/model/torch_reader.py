"""A trained network behind the reader's interface: NumPy in, NumPy out, computed by torch, on a GPU captured."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.config import ModelConfig
from charrnn.model.behind import Behind
from charrnn.model.graph import Repeated
from charrnn.model.network import CharRNN, NetworkState


class TorchReader:
    """A CharRNN behind the reader's interface: NumPy ids in, NumPy numbers out.

    The same interface as `NumpyNetwork`, for devices and text sizes at which torch is the faster of the two.
    """

    ROWS = 256  # lanes that a step always computes together, so that none depends on how many are asked for

    def __init__(self, network: CharRNN) -> None:
        self.network, self.symbols, self.bidirectional = network.eval(), network.symbols, network.config.bidirectional
        self.device = network.head.weight.device
        self.most = 4096 if self.device.type == "cuda" else 256  # texts that are worth writing side by side
        self.graphs: dict[int, tuple[Tensor, NetworkState, Repeated[tuple[Tensor, NetworkState]]]] = {}

    def initial_state(self, lanes: int) -> NetworkState:
        """All zeros, for `lanes` texts side by side."""
        return self.network.initial_state(lanes)

    def select(self, state: NetworkState, rows: npt.NDArray[np.int64]) -> NetworkState:
        """The state of lanes `rows` (B,), in that order; a fresh one for each -1."""
        wanted = torch.from_numpy(rows).to(self.device)
        kept = (wanted >= 0).to(state[0][0].dtype)[:, None]
        return [tuple(part[wanted] * kept for part in layer) for layer in state]

    def step(self, ids: npt.NDArray[np.int64], state: NetworkState) -> tuple[npt.NDArray[np.float32], NetworkState]:
        """Read one symbol in each lane: ids (B,) -> logits (B, V) of the next one."""
        lanes, more = len(ids), -len(ids) % self.ROWS
        padded = [tuple(F.pad(part, (0, 0, 0, more)) for part in layer) for layer in state]
        logits, padded = self._stepped(torch.from_numpy(np.pad(ids, (0, more))[None]), padded)
        state = [tuple(part[:lanes] for part in layer) for layer in padded]
        return logits[0, :lanes].float().cpu().numpy(), state

    @torch.no_grad()
    def _stepped(self, ids: Tensor, state: NetworkState) -> tuple[Tensor, NetworkState]:
        """Ids (1, B), of whole ROWS -> logits (1, B, V) and the state; on a GPU captured."""
        if self.device.type != "cuda":
            return self._in_rows(ids, state)
        if ids.shape[1] not in self.graphs:
            own = ids.to(self.device), self.initial_state(ids.shape[1])
            self.graphs[ids.shape[1]] = (*own, Repeated(lambda: self._in_rows(*own)))
        own_ids, own_state, again = self.graphs[ids.shape[1]]
        own_ids.copy_(ids)
        for place, part in zip(chain(*own_state), chain(*state), strict=True):
            place.copy_(part)
        logits, after = again()
        return logits, [tuple(part.clone() for part in layer) for layer in after]

    def _in_rows(self, ids: Tensor, state: NetworkState) -> tuple[Tensor, NetworkState]:
        parts = []
        for at in range(0, ids.shape[1], self.ROWS):
            own = slice(at, at + self.ROWS)
            parts.append(self.network(ids[:, own], [tuple(part[own] for part in layer) for layer in state]))
        after = [
            tuple(map(torch.cat, zip(*layers, strict=True))) for layers in zip(*(end for _, end in parts), strict=True)
        ]
        return torch.cat([logits for logits, _ in parts], dim=1), after

    def agrees(self, lanes: int) -> bool:
        """A lane is always computed among as many others."""
        return True

    def read(
        self, inputs: npt.NDArray[np.int64], state: NetworkState, behind: Behind | None = None
    ) -> tuple[Tensor, NetworkState]:
        """Ids (T, B) -> logits (T, B, V), on the network's device, and the state afterwards."""
        there = None if behind is None else Behind(*(torch.from_numpy(part).to(self.device) for part in behind))
        logits, state = self.network(torch.from_numpy(inputs).to(self.device), state, behind=there)
        return logits, state

    @torch.no_grad()
    def distributions(
        self, inputs: npt.NDArray[np.int64], state: NetworkState, behind: Behind | None = None
    ) -> tuple[npt.NDArray[np.float32], NetworkState]:
        """Ids (T, B) -> logits (T, B, V) and the state afterwards."""
        logits, state = self.read(inputs, state, behind)
        return logits.float().cpu().numpy(), state

    def surprisal(
        self,
        inputs: npt.NDArray[np.int64],
        targets: npt.NDArray[np.int64],
        state: NetworkState,
        behind: Behind | None = None,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], NetworkState]:
        """-ln p(target) in nats at every place, and whether it was the likeliest: (T, B) and (T, B) -> (T, B) each."""
        with torch.no_grad():
            logits, state = self.read(inputs, state, behind)
            wanted = torch.from_numpy(targets).to(self.device)
            nats = F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), reduction="none")
            hits = logits.gather(-1, wanted[..., None])[..., 0] >= logits.amax(-1)
        return nats.view(wanted.shape).double().cpu().numpy(), hits.cpu().numpy(), state


def open_reader(
    config: ModelConfig,
    symbols: int,
    weights: Mapping[str, npt.NDArray[np.float32]],
    device: str,
    table: npt.NDArray[Any] | None = None,
) -> TorchReader:
    """A reader with these weights on `device`; `table` (R, d) is the vectors that it reads."""
    network = CharRNN(config, symbols)
    network.load_weights(weights)
    if network.vectors is not None:
        network.vectors.table = table
    return TorchReader(network.to(device))
