"""A whole step on a GPU as one captured graph: forward, backward, clip, AdamW, average.

What the graph repeats is the plain step; a test holds the two against each other. What is drawn at random (dropout's
masks) and what depends on the number of the step (learning rate, the average's pull) is handed in.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from charrnn.model.behind import Behind
from charrnn.model.graph import Repeated
from charrnn.model.network import Masks, NetworkState

Number = float | Tensor  # a tensor where a graph will be told another one each time


class Learnt(NamedTuple):
    """The mean loss of a window, the norm of the gradients before clipping, and the state after the window."""

    loss: Tensor
    norm: Tensor
    state: NetworkState


# inputs (T, B), targets (T, B), what stands behind them, the state before, masks, learning rate, the average's pull
Learn = Callable[[Tensor, Tensor, Behind | None, NetworkState, Sequence[Masks], Number, Number], Learnt]


class _Graph(NamedTuple):
    places: list[Tensor]  # where what is given is copied to
    numbers: tuple[Tensor, Tensor]
    again: Repeated[Learnt]


class CapturedStep:
    """`learn` on a GPU, for windows of one shape: captured when a kind of masks is first met, repeated from then on.

    The state stays in the graph's own memory; the next call overwrites it.
    """

    def __init__(self, learn: Learn, changing: Callable[[], list[Tensor]]) -> None:
        self.learn, self.changing = learn, changing  # what `learn` changes in place
        self.graphs: dict[tuple[object, ...], _Graph] = {}

    def __call__(
        self,
        inputs: Tensor,
        wanted: Tensor,
        behind: Behind | None,
        state: NetworkState,
        masks: Sequence[Masks],
        rate: float,
        pull: float,
    ) -> Learnt:
        """Learn from one window."""
        given = [inputs, wanted, *(behind or ()), *(part for layer in state for part in layer)]
        given += [mask for pair in masks for mask in pair if mask is not None]
        key = (*(part.shape for part in (inputs, *(behind or ()))), *(mask is None for pair in masks for mask in pair))
        if key not in self.graphs:
            self.graphs[key] = self._captured([tensor.clone() for tensor in given], behind is not None, state, masks)
        graph = self.graphs[key]
        for place, tensor in zip(graph.places, given, strict=True):
            place.copy_(tensor)
        for place, number in zip(graph.numbers, (rate, pull), strict=True):
            place.fill_(number)
        learnt = graph.again()
        return Learnt(learnt.loss.clone(), learnt.norm.clone(), learnt.state)

    def _captured(self, places: list[Tensor], both_ways: bool, state: NetworkState, masks: Sequence[Masks]) -> _Graph:
        rest = iter(places[2:])
        own_behind = Behind(next(rest), next(rest)) if both_ways else None
        own_state = [tuple(next(rest) for _ in layer) for layer in state]
        own_masks = [Masks(*(None if mask is None else next(rest) for mask in pair)) for pair in masks]
        numbers = torch.zeros((), device=places[0].device), torch.zeros((), device=places[0].device)
        own = places[0], places[1], own_behind, own_state, own_masks
        again = Repeated(lambda: self.learn(*own, *numbers), self.changing())
        return _Graph(places, numbers, again)


def why_plain(device: torch.device, processes: int) -> str | None:
    """Why the steps of a run are not captured; None where they are (but for records, whose windows vary)."""
    if device.type != "cuda":
        return "this device is not a GPU"
    return "several processes exchange gradients during the backward pass" if processes > 1 else None
