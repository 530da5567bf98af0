"""The recurrences, one class each: h_t = f_W(h_{t-1}, x_t), the same function and parameters at every step.

Every class runs one layer over a window on torch's fused kernels and adds three things to them: its equations, its
initial weights, and a state that goes in and comes out; its W_hh learns at `recurrent` times the learning rate. A new
cell is one class and one line in CELLS, plus its twin in `numpy_cells.py`. In every docstring x_t is (B, E), h_t and
c_t are (B, H), * is elementwise, sigma is the logistic function. torch keeps one bias for the input product and one for
the recurrent product; b below is their sum.
"""

import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from charrnn.model.gru_window import GRUWindow

# Masked or cast, they never are; cuDNN's copy of them is measured with everything else.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
State = tuple[Tensor, ...]  # of one layer: (h,) or (h, c), each (B, H)
_ONE_LAYER = (
    True,
    1,
    0.0,
    True,
    False,
    False,
)  # biases, layers, dropout between them, training, both ways, batch first


class Elman(nn.RNN):
    """The vanilla recurrent network (Elman 1990).

    h_t = tanh(W_xh x_t + W_hh h_{t-1} + b)
    """

    state_names: ClassVar[tuple[str, ...]] = ("h",)
    recurrent: ClassVar[float] = 1.0  # 1.6 is worse (measured)

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden, nonlinearity="tanh")
        initialise(self, gates=1)

    def unroll(self, inputs: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Run over `inputs` (T, B, E) from `state`; returns all h_t (T, B, H) and the last state."""
        outputs, h = fused(torch.rnn_tanh, inputs, [state[0][None]], weights(self, mask))
        return outputs, (h[0],)


class LSTM(nn.LSTM):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate by Gers, Schmidhuber and Cummins 2000).

    i_t = sigma(W_xi x_t + W_hi h_{t-1} + b_i)      input gate
    f_t = sigma(W_xf x_t + W_hf h_{t-1} + b_f)      forget gate, b_f starts at 1 (Jozefowicz et al. 2015)
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)       candidate
    o_t = sigma(W_xo x_t + W_ho h_{t-1} + b_o)      output gate
    c_t = f_t * c_{t-1} + i_t * g_t                 the cell state runs straight down the chain
    h_t = o_t * tanh(c_t)

    The rows of the weight matrices stand in the order i, f, g, o.
    """

    state_names: ClassVar[tuple[str, ...]] = ("h", "c")
    recurrent: ClassVar[float] = 1.6  # measured

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        initialise(self, gates=4)
        with torch.no_grad():
            self.all_weights[0][2][hidden : 2 * hidden].fill_(1.0)

    def unroll(self, inputs: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Run over `inputs` (T, B, E) from `state`; returns all h_t (T, B, H) and the last state."""
        outputs, h, c = fused(torch.lstm, inputs, [part[None] for part in state], weights(self, mask))
        return outputs, (h[0], c[0])


class GRU(nn.GRU):
    """The gated recurrent unit (Cho et al. 2014), in the form that fused kernels compute.

    r_t = sigma(W_xr x_t + W_hr h_{t-1} + b_r)                      reset gate
    z_t = sigma(W_xz x_t + W_hz h_{t-1} + b_z)                      update gate
    n_t = tanh(W_xn x_t + b_xn + r_t * (W_hn h_{t-1} + b_hn))       candidate, h~_t in the lectures
    h_t = z_t * h_{t-1} + (1 - z_t) * n_t

    The lectures (and the paper's first version) reset before the product, W_hn (r_t * h_{t-1}); here, as in cuDNN, r_t
    is applied after it, which lets one product serve all three gates. The rows stand in the order r, z, n.
    """

    state_names: ClassVar[tuple[str, ...]] = ("h",)
    recurrent: ClassVar[float] = 1.0  # 1.6 is worse (measured)

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        initialise(self, gates=3)

    def unroll(self, inputs: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Run over `inputs` (T, B, E) from `state`; returns all h_t (T, B, H) and the last state."""
        if inputs.device.type != "cpu":
            outputs, h = fused(torch.gru, inputs, [state[0][None]], weights(self, mask))
            return outputs, (h[0],)
        window: Tensor = GRUWindow.apply(inputs.to(asked_dtype(inputs)), state[0], *weights(self, mask))  # type: ignore[no-untyped-call]
        return window, (window[-1],)


CELLS: dict[str, type[Elman] | type[LSTM] | type[GRU]] = {"rnn": Elman, "lstm": LSTM, "gru": GRU}


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a network computes in `precision`, a name of torch's."""
    dtype = torch.bfloat16 if precision == "float32" else getattr(torch, precision)
    return torch.autocast(device.type, dtype, enabled=precision != "float32", cache_enabled=False)


def asked_dtype(inputs: Tensor) -> torch.dtype:
    """What autocast asks for where `inputs` are; without it, what they are in."""
    device = inputs.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else inputs.dtype


def fused(kernel: Callable[..., Any], inputs: Tensor, state: list[Tensor], parameters: list[Tensor]) -> Any:
    """One of torch's fused recurrences over a window, in the precision that autocast asks for.

    On CUDA autocast itself would compute any of them in float16, whatever it is told (torch's AutocastRNN.cpp), where
    the gradients by hidden states vanish; so there everything is cast here.
    """
    if inputs.device.type != "cuda":
        return kernel(inputs, state if kernel is torch.lstm else state[0], parameters, *_ONE_LAYER)
    dtype = asked_dtype(inputs)
    inputs, *rest = (tensor.to(dtype) for tensor in (inputs, *state, *parameters))
    state, parameters = rest[: len(state)], rest[len(state) :]
    with torch.autocast("cuda", enabled=False):
        return kernel(inputs, state if kernel is torch.lstm else state[0], parameters, *_ONE_LAYER)


def persistent(cell: str, inputs: int, hidden: int, lanes: int, precision: str) -> bool:
    """Whether torch has cuDNN compute such a layer in one kernel that keeps its weights on the chip.

    As torch decides (`get_algo` in its RNN.cpp) for large GPUs from the A100 on; it never does so for a GRU there.
    """
    whole = hidden <= 1024 and hidden % 128 == 0 and inputs % 128 == 0
    return cell == "lstm" and precision == "float16" and whole and lanes % 8 == 0 and lanes <= 128


def weights(cell: nn.RNNBase, mask: Tensor | None) -> list[Tensor]:
    """W_xh, W_hh, and their biases, with `mask` (gates x H, H) on the recurrent matrix."""
    w_ih, w_hh, b_ih, b_hh = cell.all_weights[0]
    return [w_ih, w_hh if mask is None else w_hh * mask, b_ih, b_hh]


@torch.no_grad()
def initialise(cell: nn.RNNBase, gates: int) -> None:
    """Orthogonal recurrent matrices gate by gate (Saxe et al. 2014), Glorot-uniform input matrices, zero biases."""
    w_ih, w_hh, b_ih, b_hh = cell.all_weights[0]
    for matrix in w_hh.chunk(gates):
        nn.init.orthogonal_(matrix)
    for matrix in w_ih.chunk(gates):
        nn.init.xavier_uniform_(matrix)
    nn.init.zeros_(b_ih)
    nn.init.zeros_(b_hh)
