"""ids -> logits, state in and state out: the network as it is trained (torch).

    ids (T, B) -> embedding or one-hot (T, B, E) -> L x [cell -> LayerNorm -> + residual -> dropout] -> head (T, B, V)

The network remembers nothing between calls: the caller hands in the state and keeps the one that comes back. Its twin
without torch is `numpy_network.py`; the two are held against each other by a test.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.config import ModelConfig, has_residual
from charrnn.model.cells import CELLS, State
from charrnn.model.graph import Repeated
from charrnn.model.vector_input import VectorInput

NetworkState = list[State]  # one entry per layer


class Masks(NamedTuple):
    """What dropout leaves of a layer: 0 where something is dropped, else 1 / (1 - rate)."""

    units: Tensor | None = None  # (B, H), of the layer's outputs
    weights: Tensor | None = None  # (gates x H, H), of its recurrent matrix


class Layer(nn.Module):
    """One recurrent layer, normalised (Ba et al. 2016), added to its input where the widths match (He et al. 2016)."""

    def __init__(self, config: ModelConfig, index: int, inputs: int) -> None:
        super().__init__()
        self.cell = CELLS[config.cell](inputs, config.hidden)
        self.norm = nn.LayerNorm(config.hidden) if config.layer_norm else nn.Identity()
        self.residual = has_residual(config, index)

    def forward(self, inputs: Tensor, state: State, masks: Masks) -> tuple[Tensor, State]:
        """(T, B, inputs) -> (T, B, H) and the state after the last step.

        Dropout stands on the connections that lead out of a layer (Zaremba et al. 2014), after LayerNorm, whose
        statistics see every unit; of the recurrence it drops weights, never states (Merity et al. 2018).
        """
        outputs, state = self.cell.unroll(inputs, state, masks.weights)
        outputs = self.norm(outputs)
        outputs = outputs + inputs if self.residual else outputs
        return (outputs if masks.units is None else outputs * masks.units.to(outputs.dtype)), state


class CharRNN(nn.Module):
    """A stacked recurrent language model over `symbols` symbols."""

    def __init__(self, config: ModelConfig, symbols: int) -> None:
        super().__init__()
        self.config, self.symbols = config, symbols
        self.embedding = nn.Embedding(symbols, config.embedding) if config.embedding else None
        self.vectors = VectorInput(config.vector_size, config.embedding or symbols) if config.vector_size else None
        widths = [config.embedding or symbols] + [config.hidden] * config.layers
        self.layers = nn.ModuleList(Layer(config, index, width) for index, width in enumerate(widths[:-1]))
        self.head = nn.Linear(config.hidden, symbols)

    def forward(
        self, ids: Tensor, state: NetworkState, masks: Sequence[Masks] | None = None
    ) -> tuple[Tensor, NetworkState]:
        """Ids (T, B) -> logits (T, B, V) and the state after the last step; `masks` are dropout's, one a layer."""
        x = self._symbols(ids) if self.vectors is None else self._symbols_and_vectors(ids, self.vectors)
        after: NetworkState = []
        for layer, before, mask in zip(self.layers, state, masks or [Masks()] * len(state), strict=True):
            x, end = layer(x, before, mask)
            after.append(end)
        return self.head(x), after

    def _symbols(self, ids: Tensor) -> Tensor:
        if self.embedding is not None:
            embedded: Tensor = self.embedding(ids)
            return embedded
        return F.one_hot(ids, self.symbols).to(self.head.weight.dtype)

    def _symbols_and_vectors(self, ids: Tensor, vectors: VectorInput) -> Tensor:
        """The same where ids from V on stand for vectors.

        Where there are none their matrix still has a gradient, of zeros: Adam counts its steps.
        """
        x, beyond = self._symbols(ids.clamp(max=self.symbols - 1)), ids >= self.symbols
        read: Tensor = vectors(ids[beyond] - self.symbols)
        return x.masked_scatter(beyond[..., None], read.to(x.dtype))

    def initial_state(self, lanes: int) -> NetworkState:
        """All zeros: every layer's h (and c), each (B, H)."""
        like = self.head.weight
        names = CELLS[self.config.cell].state_names
        return [tuple(like.new_zeros(lanes, self.config.hidden) for _ in names) for _ in range(self.config.layers)]

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every parameter by name, as float32 arrays on the CPU; on a CPU they share memory with the network."""
        return {name: tensor.detach().float().cpu().numpy() for name, tensor in self.named_parameters()}

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Copy `weights` into the parameters of the same names."""
        for name, parameter in self.named_parameters():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(weights[name])))


class TorchReader:
    """A CharRNN behind the reader's interface: NumPy ids in, NumPy numbers out.

    The same interface as `NumpyNetwork`, for devices and text sizes at which torch is the faster of the two.
    """

    ROWS = 256  # lanes that a step always computes together, so that none depends on how many are asked for

    def __init__(self, network: CharRNN) -> None:
        self.network, self.symbols = network.eval(), network.symbols
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

    def surprisal(
        self, inputs: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], state: NetworkState
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], NetworkState]:
        """-ln p(target) in nats at every place, and whether it was the likeliest: (T, B) and (T, B) -> (T, B) each."""
        with torch.no_grad():
            logits, state = self.network(torch.from_numpy(inputs).to(self.device), state)
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
