"""text -> bits, while the network goes on learning from what it was just scored on: dynamic evaluation.

Krause et al. 2018, "Dynamic Evaluation of Neural Sequence Models". A text is read in segments, the state carried. Each
is scored first; then the gradient g of its mean cost, cut off where the segment begins, moves every weight theta, which
is drawn back to where it began, theta_0:

    theta <- theta + min(1, DECAY * rms / mean(rms)) * (theta_0 - theta) - RATE * g / rms

where rms is the root of the mean of g * g over all segments so far (in the paper over the training part, which a model
does not carry with it), and at least FLOOR of its mean over all weights: what has to do with a rare symbol would else
leap when that comes after a long time. No symbol's cost depends on a later one: the total is the length of a code that
could really be decoded, by learning from what is decoded.

Records are each read from a zero state, those that together have as many symbols as a segment side by side; what is
learnt is what counts of them.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.errors import DivergedError
from charrnn.evaluation.blocks import blocks
from charrnn.evaluation.score import Scored, charged
from charrnn.text.layout import Borders, Independent
from charrnn.text.vocabulary import Ids, Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

SEGMENT = 32  # symbols
RATE, DECAY = 6e-4, 0.001  # measured on a held-out part of the training part of tiny Shakespeare
FLOOR = 0.1
_TINY = 1e-12  # keeps apart what would be 0 / 0


class Network(Protocol):
    """A network in torch: what a `CharRNN` is here."""

    def __call__(self, ids: "Tensor", state: Any) -> "tuple[Tensor, Any]":
        """Ids (T, B) -> logits (T, B, V) and the state after the last step."""

    def initial_state(self, lanes: int) -> Any:
        """The state before anything was read, of each layer a tuple of tensors."""

    def parameters(self) -> "Iterator[Tensor]":
        """All weights, in a fixed order."""


def adapt(network: Network, pieces: Iterable[Ids], vocabulary: Vocabulary) -> Iterator[Scored]:
    """Ids that come in pieces -> segments with the nats of each, each found before `network` has learnt from it.

    Nothing is said of unknown symbols, nor of which were the likeliest.
    """
    reading, before, layout = Adaptation(network), None, vocabulary.layout
    for block in blocks(pieces, SEGMENT + 1, SEGMENT, vocabulary.end_id):  # the very first symbol is no target
        ids = block if before is None else np.concatenate((before, block))
        nats = np.full(len(ids), math.nan)
        if isinstance(layout, Independent):
            reading.read_records(ids, layout.borders(ids), nats)
        elif len(ids) > 1:
            counted = np.ones((len(ids) - 1, 1), dtype=bool)
            nats[1:] = reading.read(ids[:-1, None], ids[1:, None], counted, carried=True)[:, 0]
        nats = charged(vocabulary, ids, nats, begins=before is None)[len(ids) - len(block) :]
        yield Scored(block, nats, 0, np.zeros(len(block), dtype=bool))
        before = ids[-1:]


class Adaptation:
    """A network on its way through a text: its state, where its weights began, and the squares of its gradients."""

    def __init__(self, network: Network) -> None:
        import torch

        self.network, self.state = network, network.initial_state(1)
        self.weights = [weight for weight in network.parameters() if weight.requires_grad]
        self.origin = [weight.detach().clone() for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.origin]  # summed over segments
        self.segments = torch.zeros((), device=self.origin[0].device)
        self.again: Any = None  # a whole segment of one stream, captured on a GPU

    def read_records(self, ids: Ids, records: Borders, nats: npt.NDArray[np.float64]) -> None:
        """Write the nats of what counts of `records` into `nats` (n,), segment by segment, side by side."""
        self.state = self.network.initial_state(len(records))
        for offset in range(0, int(records.lengths.max(initial=0)), SEGMENT):
            places = records.first + 1 + np.arange(offset, offset + SEGMENT)[:, None]
            places = places[(places <= records.last).any(axis=1)]
            counted = (places > records.asked) & (places <= records.last)
            inside = np.minimum(places, records.last)
            targets = np.where(counted, ids[inside], 0)
            nats[places[counted]] = self.read(ids[inside - 1], targets, counted)[counted]

    def read(
        self, inputs: Ids, targets: Ids, counted: npt.NDArray[np.bool_], *, carried: bool = False
    ) -> npt.NDArray[np.float64]:
        """Nats of each of `targets` (T, B); then the weights have learnt from those that are `counted`.

        A state that is `carried` stays where it is from one segment to the next, which a GPU can then repeat.

        Raises:
            DivergedError: they are no numbers any more; left out of a score, they would make it better.
        """
        import torch

        device = self.segments.device
        read, wanted = (torch.from_numpy(ids.astype(np.int64)).to(device) for ids in (inputs, targets))
        if device.type == "cuda" and carried and len(inputs) == SEGMENT:
            nats = self._repeated(read, wanted)
        else:
            nats = self._segment(read, wanted, None if counted.all() else torch.from_numpy(counted).to(device))
        found = nats.double().cpu().numpy()
        if not np.isfinite(found).all():
            raise DivergedError("the network diverged while it adapted", "", "score without adapting")
        return np.asarray(found)

    def _segment(self, read: "Tensor", wanted: "Tensor", counted: "Tensor | None") -> "Tensor":
        """Nats (T, B); weights, squares and state are changed in place."""
        import torch
        from torch.nn import functional as F

        logits, state = self.network(read, self.state)
        nats = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view(wanted.shape)
        learnt = nats if counted is None else nats[counted]
        if learnt.numel():
            self._learn(torch.autograd.grad(learnt.mean(), self.weights))
        with torch.no_grad():
            for place, part in zip(chain(*self.state), chain(*state), strict=True):
                place.copy_(part)
        return nats.detach()

    def _repeated(self, read: "Tensor", wanted: "Tensor") -> "Tensor":
        """The same, launched as one."""
        from charrnn.model.graph import Repeated

        if self.again is None:
            self.places = read.clone(), wanted.clone()
            changing = [*self.weights, *self.squares, self.segments, *chain(*self.state)]
            self.again = Repeated(lambda: self._segment(*self.places, None), changing)
        for place, ids in zip(self.places, (read, wanted), strict=True):
            place.copy_(ids)
        return self.again()  # type: ignore[no-any-return]

    def _learn(self, gradients: "tuple[Tensor, ...]") -> None:
        """One step of the formula above."""
        import torch

        self.segments += 1
        with torch.no_grad():
            torch._foreach_addcmul_(self.squares, gradients, gradients)
            roots = [(squares / self.segments).sqrt_() for squares in self.squares]
            mean = torch.stack([root.sum() for root in roots]).sum() / sum(root.numel() for root in roots) + _TINY
            for weight, origin, root, gradient in zip(self.weights, self.origin, roots, gradients, strict=True):
                root.clamp_(min=FLOOR * mean)
                weight.lerp_(origin, (root * (DECAY / mean)).clamp_(max=1))
                weight.addcdiv_(gradient, root, value=-RATE)
