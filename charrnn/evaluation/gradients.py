"""How far back a network learns: the gradient of one symbol's cost by the state of so many steps before.

L_t is the nats of symbol t, s_{t-k} the whole state (h, in an LSTM also c, of every layer) that was handed on k steps
before the logits of t were computed. In a vanilla network of one layer

    dL_t / ds_{t-k} = dL_t / dh * prod_j diag(1 - h_j^2) W_hh       over the k steps in between

whose norm vanishes or explodes with k (Bengio et al. 1994); here it is measured on the network as it is, whatever its
cells. A gradient too small for the network's own precision is 0.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.adapt import Network
from charrnn.text.vocabulary import Ids

if TYPE_CHECKING:
    from torch import Tensor

RUN_UP = 64  # symbols that are read before

Norms = npt.NDArray[np.float64]


def reach(
    network: Network, ids: Ids, steps: int, lanes: int = 64, end_id: int | None = None, symbols: int | None = None
) -> Norms:
    """(steps,): at k - 1 the mean of || dL_t / ds_{t-k} || over at most `lanes` places t, spread evenly over `ids`.

    Of a short text there are fewer k, of a single symbol none. Over the end of a record, after which a state begins
    afresh, nothing is handed on: such places do not count, and k ends where no place is left. An id that is none of
    the `symbols` stands for a vector, and is not predicted.
    """
    steps = min(steps, len(ids) - 1)
    if steps < 1:
        return np.zeros(0)
    run_up = min(RUN_UP, len(ids) - 1 - steps)
    places = np.unique(np.linspace(run_up + steps, len(ids) - 1, lanes).astype(np.int64))
    places = places if symbols is None else places[ids[places] < symbols]
    if not len(places):
        return np.zeros(0)
    window = ids[places - np.arange(run_up + steps, -1, -1)[:, None]].astype(np.int64)  # (run_up + steps + 1, B)
    counted = np.cumsum((window[run_up:-1] == end_id)[::-1], axis=0) == 0  # (steps, B)
    norms = _norms(network, window, run_up, end_id)
    left = counted.any(axis=1)
    return np.asarray((norms * counted).sum(axis=1)[left] / counted.sum(axis=1)[left])


def _norms(network: Network, window: npt.NDArray[np.int64], run_up: int, end_id: int | None) -> Norms:
    """(steps, B): at k - 1 the norms for a `window` of ids (run_up + steps + 1, B), whose last row is predicted."""
    import torch
    from torch.nn import functional as F

    state = network.initial_state(window.shape[1])
    symbols = torch.from_numpy(window).to(state[0][0].device)
    with torch.no_grad():
        for row in symbols[:run_up]:
            _, state = _step(network, row, state, end_id)
    state, handed = [tuple(part.detach().requires_grad_() for part in layer) for layer in state], []
    for row in symbols[run_up:-1]:
        handed.append([part for layer in state for part in layer])
        logits, state = _step(network, row, state, end_id)
    nats = F.cross_entropy(logits[0], symbols[-1], reduction="sum")  # a lane does not know its neighbours
    gradients = iter(torch.autograd.grad(nats, [part for parts in handed for part in parts]))
    norms = [torch.stack([next(gradients) for _ in parts]).double().square().sum((0, 2)).sqrt() for parts in handed]
    return torch.stack(norms[::-1]).cpu().numpy()


def _step(network: Network, row: "Tensor", state: Any, end_id: int | None) -> "tuple[Tensor, Any]":
    if end_id is not None:
        kept = (row != end_id)[:, None]
        state = [tuple(part * kept for part in layer) for layer in state]
    return network(row[None], state)
