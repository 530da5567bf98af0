"""The same numbers without torch: how a CPU samples and scores short texts.

Reads the weights of a checkpoint by name and computes the equations of `cells.py` in float32. Everything that can be
done before the first symbol is done once: the first layer's input product becomes a table with one row per symbol.
Measured on one thread, a step costs a fraction of torch's dispatch, and NumPy starts in a tenth of torch's time.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from charrnn.config import ModelConfig, has_residual

Array = npt.NDArray[np.float32]
State = tuple[Array, ...]  # of one layer: (h,) or (h, c), each (B, H)
NetworkState = list[State]
_NORM_EPSILON = np.float32(1e-5)  # torch's LayerNorm


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), written with tanh so that no value overflows."""
    half = np.float32(0.5)
    return np.asarray(half * np.tanh(half * x) + half)


def elman(projected: Array, state: State, w_hh: Array, b_hh: Array) -> State:
    """h_t = tanh(W_xh x_t + W_hh h_{t-1} + b)."""
    return (np.tanh(projected + state[0] @ w_hh + b_hh),)


def lstm(projected: Array, state: State, w_hh: Array, b_hh: Array) -> State:
    """c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t)."""
    h, c = state
    i, f, g, o = np.split(projected + h @ w_hh + b_hh, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(projected: Array, state: State, w_hh: Array, b_hh: Array) -> State:
    """h_t = z * h_{t-1} + (1 - z) * n, with n = tanh(W_xn x_t + b_xn + r * (W_hn h_{t-1} + b_hn))."""
    h = state[0]
    recurrent = h @ w_hh + b_hh
    xr, xz, xn = np.split(projected, 3, axis=-1)
    hr, hz, hn = np.split(recurrent, 3, axis=-1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = np.tanh(xn + r * hn)
    return (n + z * (h - n),)


CELLS: dict[str, tuple[Callable[[Array, State, Array, Array], State], int]] = {
    "rnn": (elman, 1),
    "lstm": (lstm, 2),
    "gru": (gru, 1),
}


class _Layer:
    """One layer's weights, laid out for `x @ w`."""

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array], index: int) -> None:
        cell, norm = f"layers.{index}.cell.", f"layers.{index}.norm."
        self.w_ih = np.ascontiguousarray(weights[cell + "weight_ih_l0"].T)  # (inputs, gates x H)
        self.w_hh = np.ascontiguousarray(weights[cell + "weight_hh_l0"].T)  # (H, gates x H)
        self.b_ih, self.b_hh = weights[cell + "bias_ih_l0"], weights[cell + "bias_hh_l0"]
        self.norm = (weights[norm + "weight"], weights[norm + "bias"]) if config.layer_norm else None
        self.residual = has_residual(config, index)

    def finish(self, h: Array, inputs: Array) -> Array:
        """What follows the recurrence: LayerNorm and the residual connection."""
        if self.norm is not None:
            centred = h - h.mean(axis=-1, keepdims=True)
            variance = np.square(centred).mean(axis=-1, keepdims=True)
            h = centred / np.sqrt(variance + _NORM_EPSILON) * self.norm[0] + self.norm[1]
        return h + inputs if self.residual else h


class NumpyNetwork:
    """A trained network that reads ids and gives logits: one step, or one window at a time."""

    def __init__(self, config: ModelConfig, symbols: int, weights: Mapping[str, Array]) -> None:
        self.config, self.symbols = config, symbols
        self._cell, self._states = CELLS[config.cell]
        self._layers = [_Layer(config, weights, index) for index in range(config.layers)]
        first = self._layers[0]
        one_hot = not config.embedding
        self._inputs = np.eye(symbols, dtype=np.float32) if one_hot else weights["embedding.weight"]  # (V, E)
        self._table = (first.w_ih if one_hot else self._inputs @ first.w_ih) + first.b_ih  # (V, gates x H)
        self._head = np.ascontiguousarray(weights["head.weight"].T)  # (H, V)
        self._head_bias = weights["head.bias"]

    def initial_state(self, lanes: int) -> NetworkState:
        """All zeros, for `lanes` texts side by side."""
        zeros = np.zeros((lanes, self.config.hidden), dtype=np.float32)
        return [(zeros,) * self._states for _ in self._layers]

    def step(self, ids: npt.NDArray[np.int64], state: NetworkState) -> tuple[Array, NetworkState]:
        """Read one symbol in each lane: ids (B,) -> logits (B, V) of the next one."""
        x, after = self._recur(ids, state)
        return x @ self._head + self._head_bias, after

    def surprisal(
        self, inputs: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], state: NetworkState
    ) -> tuple[npt.NDArray[np.float64], NetworkState]:
        """-ln p(target) in nats at every place: (T, B) and (T, B) -> (T, B)."""
        features = np.empty((*inputs.shape, self.config.hidden), dtype=np.float32)
        for t, ids in enumerate(inputs):
            features[t], state = self._recur(ids, state)
        logits = (features @ self._head + self._head_bias).astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        wanted = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        return np.log(np.exp(logits).sum(axis=-1)) - wanted, state

    def _recur(self, ids: npt.NDArray[np.int64], state: NetworkState) -> tuple[Array, NetworkState]:
        """All layers, one step: ids (B,) -> features (B, H)."""
        x, after = self._inputs[ids], []
        for index, (layer, before) in enumerate(zip(self._layers, state, strict=True)):
            projected = x @ layer.w_ih + layer.b_ih if index else self._table[ids]
            end = self._cell(projected, before, layer.w_hh, layer.b_hh)
            x = layer.finish(end[0], x)
            after.append(end)
        return x, after
