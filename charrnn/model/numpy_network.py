"""The same numbers without torch: how a CPU samples and scores short texts.

Reads the weights of a checkpoint by name and computes the equations of `cells.py` in float32. Everything that can be
done before the first symbol is done once: the first layer's input product becomes a table with one row per symbol, and
the sigmoids' weights are halved, as sigma(x) = (1 + tanh(x / 2)) / 2 then costs one tanh for all gates.

Of a bidirectional network this is the forward stack, with the head; the backward one stands beside it, and reads a text
from its end.

A lane's numbers do not depend, to the last bit, on how many lanes are read beside it: see `product.py` and `agrees`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.config import ModelConfig
from charrnn.model.behind import Behind
from charrnn.model.numpy_cells import CELLS, HALF, Array, State
from charrnn.model.product import Product
from charrnn.shapes import has_residual

NetworkState = list[State]
_NORM_EPSILON = np.float32(1e-5)  # torch's LayerNorm
_small = np.errstate(under="ignore")  # gates and logits may be too small for a float, whatever numpy is told to raise


class _Layer:
    """One layer's weights, gate by gate."""

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array], name: str, index: int) -> None:
        cell, norm = f"{name}.{index}.cell.", f"{name}.{index}.norm."
        self.w_ih = self._gates(config, weights[cell + "weight_ih_l0"]).transpose(0, 2, 1)  # (G, inputs, H)
        self.w_hh = Product(self._gates(config, weights[cell + "weight_hh_l0"]).transpose(0, 2, 1))
        self.b_ih = self._gates(config, weights[cell + "bias_ih_l0"])[:, None]  # (G, 1, H)
        self.b_hh = self._gates(config, weights[cell + "bias_hh_l0"])[:, None]
        self.norm = (weights[norm + "weight"], weights[norm + "bias"]) if config.layer_norm else None
        self.residual = has_residual(config, index)

    @staticmethod
    def _gates(config: ModelConfig, rows: Array) -> Array:
        """(G x H, ...) as the checkpoint has it -> (G, H, ...), sigmoids first and halved."""
        cell = CELLS[config.cell]
        gates = rows.reshape(len(cell.gates), config.hidden, *rows.shape[1:])[list(cell.gates)]
        gates[: cell.sigmoids] *= HALF
        return np.asarray(gates)

    def finish(self, h: Array, inputs: Array) -> Array:
        """What follows the recurrence: LayerNorm and the residual connection."""
        if self.norm is not None:
            width = np.float32(h.shape[-1])
            centred = h - np.add.reduce(h, axis=-1, keepdims=True) / width
            variance = np.add.reduce(centred * centred, axis=-1, keepdims=True) / width
            h = np.asarray(centred / np.sqrt(variance + _NORM_EPSILON) * self.norm[0] + self.norm[1])
        return h + inputs if self.residual else h


def vector_inputs(weights: Mapping[str, Array], table: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> Array:
    """The rows (K,) of `table` (R, d) in place of symbols: (K, inputs), as in `vector_input.py`."""
    v = (np.asarray(table[rows], dtype=np.float32) - weights["vectors.mean"]) / weights["vectors.deviation"]
    return np.asarray(v @ weights["vectors.weight"].T + weights["vectors.bias"])


class Stack:
    """The L layers of one direction, called `name` in a checkpoint, which read one symbol in each lane at a time."""

    def __init__(
        self,
        config: ModelConfig,
        symbols: int,
        weights: Mapping[str, Array],
        name: str,
        table: npt.NDArray[Any] | None,
    ) -> None:
        self.config, self.symbols, self.table = config, symbols, table
        self._weights = {name: weights[name] for name in weights if name.startswith("vectors.")}
        self._cell = CELLS[config.cell]
        self._layers = [_Layer(config, weights, name, index) for index in range(config.layers)]
        self._deeper = [Product(layer.w_ih) for layer in self._layers[1:]]
        first = self._layers[0]
        if config.embedding:
            self._inputs = weights["embedding.weight"]  # (V, E)
            self._table = self._inputs @ first.w_ih + first.b_ih  # (G, V, H)
        else:  # one-hot: a symbol's input product is a row of the matrix
            self._inputs = np.zeros((symbols, 0), dtype=np.float32)
            self._table = first.w_ih + first.b_ih

    def initial_state(self, lanes: int) -> NetworkState:
        """All zeros, for `lanes` texts side by side."""
        zeros = np.zeros((lanes, self.config.hidden), dtype=np.float32)
        return [(zeros,) * self._cell.states for _ in self._layers]

    def select(self, state: NetworkState, rows: npt.NDArray[np.int64]) -> NetworkState:
        """The state of lanes `rows` (B,), in that order; a fresh one for each -1."""
        kept = (rows >= 0).astype(np.float32)[:, None]
        return [tuple(part[rows] * kept for part in layer) for layer in state]

    @_small
    def advance(self, ids: npt.NDArray[np.int64], state: NetworkState) -> NetworkState:
        """The state after reading one symbol in each lane, ids (B,); what only the head would need is left out."""
        return self._recur(ids, state, state_only=True)[1]

    @_small
    def features(self, ids: npt.NDArray[np.int64], state: NetworkState) -> tuple[Array, NetworkState]:
        """Ids (T, B) -> what the last layer gives after each of them (T, B, H), and the state afterwards."""
        found = np.empty((*ids.shape, self.config.hidden), dtype=np.float32)
        for t, read in enumerate(ids):
            found[t], state = self._recur(read, state)
        return found, state

    def _recur(
        self, ids: npt.NDArray[np.int64], state: NetworkState, *, state_only: bool = False
    ) -> tuple[Array, NetworkState]:
        """All layers, one step: ids (B,) -> features (B, H), unless the state alone is asked for."""
        after, symbols, read = list[State](), ids, None
        if self.table is not None and ids.max(initial=0) >= self.symbols:
            beyond = ids >= self.symbols
            symbols, read = (
                np.where(beyond, 0, ids),
                vector_inputs(self._weights, self.table, ids[beyond] - self.symbols),
            )
        x = self._inputs[symbols]
        if read is not None and self.config.embedding:
            x[beyond] = read
        for index, (layer, before) in enumerate(zip(self._layers, state, strict=True)):
            projected = self._deeper[index - 1](x) + layer.b_ih if index else self._table[:, symbols]
            if not index and read is not None:
                projected[:, beyond] = read @ layer.w_ih + layer.b_ih
            end = self._cell.advance(projected, layer.w_hh(before[0]) + layer.b_hh, before)
            after.append(end)
            if not state_only or index + 1 < len(self._layers):
                x = layer.finish(end[0], x)
        return x, after


class NumpyNetwork(Stack):
    """A trained network that reads ids and gives logits: one step, or one window at a time."""

    most = 256  # texts that are worth writing side by side

    def __init__(
        self,
        config: ModelConfig,
        symbols: int,
        weights: Mapping[str, Array],
        table: npt.NDArray[Any] | None = None,
    ) -> None:
        """`table` (R, d) is the vectors that ids from `symbols` on stand for: see `vector_input.py`."""
        super().__init__(config, symbols, weights, "layers", table)
        self.bidirectional = config.bidirectional
        self.backward = Stack(config, symbols, weights, "backward_layers", table) if config.bidirectional else None
        self._joint = Product(weights["joint.weight"].T[None]) if config.bidirectional else None  # (1, 2 H, M)
        self._joint_bias = weights.get("joint.bias")
        self._head = Product(weights["head.weight"].T[None])  # (1, H or 2 H + M, V)
        self._head_bias = weights["head.bias"]

    @_small
    def step(self, ids: npt.NDArray[np.int64], state: NetworkState) -> tuple[Array, NetworkState]:
        """Read one symbol in each lane: ids (B,) -> logits (B, V) of the next one."""
        x, after = self._recur(ids, state)
        return self.logits(x), after

    @_small
    def logits(self, features: Array) -> Array:
        """What the last layers give (B, H), of both directions (B, 2 H) -> logits (B, V)."""
        if self._joint is not None and self._joint_bias is not None:
            together = np.tanh(self._joint(features)[0] + self._joint_bias)
            features = np.concatenate((features, together), axis=1)
        return np.asarray(self._head(features)[0] + self._head_bias)

    def from_behind(self, behind: Behind) -> Array:
        """What the backward stack gives before each target (T, B, H); zeros where it has read nothing."""
        assert self.backward is not None
        found, _ = self.backward.features(behind.ids, self.initial_state(behind.ids.shape[1]))
        found = np.concatenate((np.zeros_like(found[:1]), found))
        return np.asarray(found[behind.read, np.arange(behind.ids.shape[1])])

    @_small
    def distributions(
        self, inputs: npt.NDArray[np.int64], state: NetworkState, behind: Behind | None = None
    ) -> tuple[Array, NetworkState]:
        """Ids (T, B) -> logits (T, B, V) and the state afterwards."""
        features, state = self.features(inputs, state)
        if behind is not None:
            features = np.concatenate((features, self.from_behind(behind)), axis=-1)
        return self.logits(features.reshape(-1, features.shape[-1])).reshape(*inputs.shape, -1), state

    @_small
    def surprisal(
        self,
        inputs: npt.NDArray[np.int64],
        targets: npt.NDArray[np.int64],
        state: NetworkState,
        behind: Behind | None = None,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], NetworkState]:
        """-ln p(target) in nats at every place, and whether it was the likeliest: (T, B) and (T, B) -> (T, B) each."""
        found, state = self.distributions(inputs, state, behind)
        logits = found.astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        wanted = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        return np.log(np.exp(logits).sum(axis=-1)) - wanted, wanted >= 0, state

    def agrees(self, lanes: int) -> bool:
        """Whether a lane's logits are the same, bit for bit, read alone and beside `lanes` - 1 others: tried out.

        True with OpenBLAS; if another BLAS sums in another order, whoever promises equal texts reads lane by lane.
        """
        generator = np.random.default_rng(0)
        together, alone = self.initial_state(lanes), {row: self.initial_state(1) for row in {0, lanes // 2, lanes - 1}}
        for _ in range(3):
            ids = generator.integers(self.symbols, size=lanes)
            logits, together = self.step(ids, together)
            for row in alone:
                own, alone[row] = self.step(ids[row : row + 1], alone[row])
                if not np.array_equal(own[0], logits[row]):
                    return False
        return True
