"""Forward and backward through one window: kernel by kernel, or on a GPU as one captured graph.

Both leave the gradients in the parameters and give back the mean loss and the state; a test holds them against each
other. What is drawn at random (dropout's masks) is handed in, so that nothing in a graph depends on a generator.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from charrnn.model.graph import captured
from charrnn.model.network import Masks, NetworkState

Forward = Callable[[Tensor, Tensor, NetworkState, Sequence[Masks]], tuple[Tensor, NetworkState]]


class PlainPass:
    """`forward`, and the backward pass as torch makes it (over several processes: with what they exchange)."""

    def __init__(self, forward: Forward, parameters: Sequence[nn.Parameter]) -> None:
        self.forward, self.parameters = forward, parameters

    def __call__(
        self, inputs: Tensor, wanted: Tensor, state: NetworkState, masks: Sequence[Masks]
    ) -> tuple[Tensor, NetworkState]:
        """Ids (T, B) and targets (T, B) -> the loss and the state after the window, cut from the graph."""
        loss, after = self.forward(inputs, wanted, state, masks)
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), _cut(after)


class _Graph(NamedTuple):
    replay: Callable[[], None]
    places: list[Tensor]  # where what is given is copied to
    loss: Tensor
    state: NetworkState
    gradients: Sequence[Tensor]


class CapturedPass:
    """The same on a GPU, for windows of one shape: captured when a kind of masks is first met, repeated from then on.

    Gradients and the state stay in the graph's own memory; the next call overwrites them. What cannot be captured is
    made plainly, and `refused` says why.
    """

    def __init__(self, forward: Forward, parameters: Sequence[nn.Parameter]) -> None:
        self.forward, self.parameters, self.plain = forward, parameters, PlainPass(forward, parameters)
        self.graphs: dict[tuple[object, ...], _Graph] = {}
        self.refused = ""

    def __call__(
        self, inputs: Tensor, wanted: Tensor, state: NetworkState, masks: Sequence[Masks]
    ) -> tuple[Tensor, NetworkState]:
        """Ids (T, B) and targets (T, B) -> the loss and the state after the window, cut from the graph."""
        if self.refused:
            return self.plain(inputs, wanted, state, masks)
        given = [inputs, wanted, *(part for layer in state for part in layer)]
        given += [mask for pair in masks for mask in pair if mask is not None]
        key = (inputs.shape, *(mask is None for pair in masks for mask in pair))
        if key not in self.graphs:
            try:
                self.graphs[key] = self._captured([tensor.clone() for tensor in given], state, masks)
            except RuntimeError as error:
                self.refused = str(error)
                return self.plain(inputs, wanted, state, masks)
        graph = self.graphs[key]
        for place, tensor in zip(graph.places, given, strict=True):
            place.copy_(tensor)
        graph.replay()
        for parameter, gradient in zip(self.parameters, graph.gradients, strict=True):
            parameter.grad = gradient
        return graph.loss.clone(), graph.state

    def _captured(self, places: list[Tensor], state: NetworkState, masks: Sequence[Masks]) -> _Graph:
        rest = iter(places[2:])
        own_state = [tuple(next(rest) for _ in layer) for layer in state]
        own_masks = [Masks(*(None if mask is None else next(rest) for mask in pair)) for pair in masks]

        def work() -> tuple[Tensor, NetworkState, Sequence[Tensor]]:
            loss, after = self.forward(places[0], places[1], own_state, own_masks)
            return loss.detach(), _cut(after), torch.autograd.grad(loss, list(self.parameters))

        replay, (loss, after, gradients) = captured(work)
        return _Graph(replay, places, loss, after, gradients)


def _cut(state: NetworkState) -> NetworkState:
    return [tuple(part.detach() for part in layer) for layer in state]


def why_plain(device: torch.device, processes: int) -> str | None:
    """Why the passes of a run are not captured; None where they are (but for records, whose windows vary)."""
    if device.type != "cuda":
        return "this device is not a GPU"
    return "several processes exchange gradients during the backward pass" if processes > 1 else None
