"""The equations of `cells.py` without torch: a step of each recurrence, from its input and recurrent products."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
State = tuple[Array, ...]  # of one layer: (h,) or (h, c), each (B, H)
HALF, ONE = np.float32(0.5), np.float32(1)


def elman(projected: Array, recurrent: Array, state: State) -> State:
    """h_t = tanh(W_xh x_t + W_hh h_{t-1} + b)."""
    return (np.tanh(projected[0] + recurrent[0]),)


def lstm(projected: Array, recurrent: Array, state: State) -> State:
    """c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t)."""
    gates = projected + recurrent
    np.tanh(gates, out=gates)
    i, f, o = (gates[:3] + ONE) * HALF  # their weights were halved
    c = f * state[1] + i * gates[3]
    return o * np.tanh(c), c


def gru(projected: Array, recurrent: Array, state: State) -> State:
    """h_t = z * h_{t-1} + (1 - z) * n, with n = tanh(W_xn x_t + b_xn + r * (W_hn h_{t-1} + b_hn))."""
    r, z = (np.tanh(projected[:2] + recurrent[:2]) + ONE) * HALF  # their weights were halved
    n = np.tanh(projected[2] + r * recurrent[2])
    return (n + z * (state[0] - n),)


class Cell(NamedTuple):
    """A recurrence: its equations, the checkpoint's gates in the order it wants them, how many begin as sigmoids."""

    advance: Callable[[Array, Array, State], State]
    gates: tuple[int, ...]
    sigmoids: int
    states: int


CELLS = {
    "rnn": Cell(elman, (0,), 0, 1),
    "lstm": Cell(lstm, (0, 1, 3, 2), 3, 2),  # i, f, o, g
    "gru": Cell(gru, (0, 1, 2), 2, 1),
}
