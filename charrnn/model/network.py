"""ids -> logits, state in and state out: the network as it is trained (torch).

    ids (T, B) -> embedding or one-hot (T, B, E) -> L x [cell -> LayerNorm -> + residual -> dropout] -> head (T, B, V)

A bidirectional network (Schuster and Paliwal 1997) has a second stack, which reads the same text from its end. The two
meet above all layers, in the forward state after symbol t-1 and the backward state after symbol t+1, so that nothing
that leads to y_t has read symbol t itself:

    h_t = [h->_{t-1} ; h<-_{t+1}]
    m_t = tanh(W_m h_t + b_m)           (B, M): what the two sides say together and neither says alone
    y_t = W_hy [h_t ; m_t] + b_y

The network remembers nothing between calls: the caller hands in the state and keeps the one that comes back. Its twin
without torch is `numpy_network.py`; the two are held against each other by a test.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from charrnn.config import ModelConfig
from charrnn.model.behind import Behind
from charrnn.model.cells import CELLS, State
from charrnn.model.vector_input import VectorInput
from charrnn.shapes import has_residual, head_inputs, joint_units

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


class Stack(nn.ModuleList):
    """L layers, each reading what the one below it gives."""

    def __init__(self, config: ModelConfig, inputs: int) -> None:
        widths = [inputs] + [config.hidden] * (config.layers - 1)
        super().__init__(Layer(config, index, width) for index, width in enumerate(widths))

    def forward(self, x: Tensor, state: NetworkState, masks: Sequence[Masks]) -> tuple[Tensor, NetworkState]:
        """(T, B, inputs) -> (T, B, H) and the state after the last step."""
        after: NetworkState = []
        for layer, before, mask in zip(self, state, masks, strict=True):
            x, end = layer(x, before, mask)
            after.append(end)
        return x, after


class CharRNN(nn.Module):
    """A stacked recurrent language model over `symbols` symbols."""

    def __init__(self, config: ModelConfig, symbols: int) -> None:
        super().__init__()
        self.config, self.symbols = config, symbols
        self.embedding = nn.Embedding(symbols, config.embedding) if config.embedding else None
        self.vectors = VectorInput(config.vector_size, config.embedding or symbols) if config.vector_size else None
        self.layers = Stack(config, config.embedding or symbols)
        self.backward_layers = Stack(config, config.embedding or symbols) if config.bidirectional else None
        self.joint = nn.Linear(2 * config.hidden, joint_units(config)) if config.bidirectional else None
        self.head = nn.Linear(head_inputs(config), symbols)

    def forward(
        self, ids: Tensor, state: NetworkState, masks: Sequence[Masks] | None = None, behind: Behind | None = None
    ) -> tuple[Tensor, NetworkState]:
        """Ids (T, B) -> logits (T, B, V) and the state after the last step.

        `masks` are dropout's, one a layer, those of the backward stack last; it reads what stands `behind`.
        """
        masks = masks or [Masks()] * self.config.layers * (1 + self.config.bidirectional)
        x, after = self.layers(self._inputs(ids), state, masks[: self.config.layers])
        if self.backward_layers is not None and self.joint is not None:
            assert behind is not None
            there = self._from_behind(self.backward_layers, behind, masks[self.config.layers :])
            h = torch.cat([x, there], dim=-1)
            h_weight, m_weight = torch.split(self.head.weight, [h.shape[-1], self.joint.out_features], dim=1)
            return F.linear(h, h_weight, self.head.bias) + F.linear(torch.tanh(self.joint(h)), m_weight), after
        return self.head(x), after

    def _from_behind(self, stack: Stack, behind: Behind, masks: Sequence[Masks]) -> Tensor:
        """The backward stack's outputs (T, B, H) before each target; zeros where it has read nothing."""
        x = self._inputs(behind.ids)
        outputs, _ = stack(x, self.initial_state(x.shape[1]), masks)
        outputs = torch.cat([outputs.new_zeros(1, *outputs.shape[1:]), outputs])
        rows = behind.read * x.shape[1] + torch.arange(x.shape[1], device=x.device)
        return F.embedding(rows, outputs.flatten(0, 1))  # of all ways to gather, the one with the fastest gradient

    def _inputs(self, ids: Tensor) -> Tensor:
        return self._symbols(ids) if self.vectors is None else self._symbols_and_vectors(ids, self.vectors)

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
        """All zeros: every layer's h (and c), each (B, H); of one direction."""
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
