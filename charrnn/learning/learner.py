"""Everything that a training step changes; one window in, one loss out.

That is: the weights, their average, Adam's moments and the lanes' hidden state. Nothing here knows about clocks, files
or evaluations. Of several processes each trains its share of the lanes, and all have the same weights.

`tensors` and `restore` are each other's inverse, bit for bit: what they carry is what exact resuming needs.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self

import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.config import RunConfig
from charrnn.learning.captured_step import CapturedStep, Learn, Learnt, Number, why_plain
from charrnn.learning.distributed import ALONE, Group
from charrnn.learning.dropout import UNITS, WEIGHTS, mask_on, rates_at
from charrnn.learning.feed import Feed
from charrnn.learning.held import sent
from charrnn.learning.optimizer import AdamW, average_pull, update_average
from charrnn.learning.schedule import learning_rate
from charrnn.learning.teachers import Expected
from charrnn.model.behind import Behind
from charrnn.model.cells import CELLS, autocast, persistent
from charrnn.model.network import CharRNN, Masks, NetworkState
from charrnn.shapes import CELL_GATES
from charrnn.text.corpus import Corpus, Standardised
from charrnn.text.lanes import Window

Arrays = dict[str, npt.NDArray[Any]]


LOSS_SCALE = 2.0**13  # at first, of float16: a power of two, so that nothing but the exponents of gradients changes


class Learner:
    """A network in training. `average` is the network that is evaluated, sampled and shared."""

    def __init__(
        self,
        config: RunConfig,
        symbols: int,
        group: Group = ALONE,
        expected: Expected | None = None,
        vectors: Standardised | None = None,
        gap: int | None = None,
    ) -> None:
        self.config, self.symbols, self.device = config, symbols, torch.device(config.device)
        self.group = group
        self.feed = Feed(config, symbols, self.device, expected, gap)
        self.vectors = vectors  # that records begin with
        self.rate = 0.0  # of the last step
        self.share = self.group.share(config.batch_size)
        self.begin()

    @classmethod
    def of(cls, config: RunConfig, corpus: Corpus, group: Group = ALONE, expected: Expected | None = None) -> Self:
        """A learner for `corpus`."""
        v = corpus.vocabulary
        return cls(config, len(v), group, expected, corpus.standardised(), v.gap_id)

    def begin(self, weights: Mapping[str, npt.NDArray[Any]] | None = None) -> None:
        """Everything as before the first step: by the seed alone, or from another model's `weights`."""
        config = self.config
        torch.manual_seed(config.seed)
        self.network = CharRNN(config, self.symbols).to(self.device)
        if weights is not None:
            self.network.load_weights(weights)
        if self.network.vectors is not None and self.vectors is not None:
            self.network.vectors.table = self.vectors.rows
            self.network.vectors.standardise(self.vectors.mean, self.vectors.deviation)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.replica = self.group.replicated(self.network)
        self.parameters = list(self.network.parameters())
        self.averages: list[Tensor] = list(self.average.parameters())
        self.optimizer = AdamW(self.network, config.weight_decay, CELLS[config.cell].recurrent)
        self.state = self.network.initial_state(self.share.stop - self.share.start)
        # float16 has no room for small gradients: the loss is scaled up, and the gradients down again.
        self.scale = torch.full((), LOSS_SCALE, device=self.device) if config.precision == "float16" else None
        plain = why_plain(self.device, self.group.size)
        self.learn: Learn | CapturedStep = self._learn if plain else CapturedStep(self._learn, self._changing)
        if self.replica is not self.network:
            # After its first backward pass DDP lays its buckets out anew, and the last bits of a sum over more than two
            # processes depend on where a gradient lies in them: have that done here, so that resuming changes nothing.
            nothing = torch.zeros(1, len(self.state[0][0]), dtype=torch.int64, device=self.device)
            there = Behind(nothing, nothing) if config.bidirectional else None
            self.replica(nothing, self.state, behind=there)[0].sum().backward()

    @property
    def path(self) -> str:
        """How a step is made, and why."""
        c, why = self.config, why_plain(self.device, self.group.size)
        how = f"kernel by kernel, as {why}" if why else "captured as one CUDA graph (kernel by kernel for records)"
        widths = [c.embedding or self.symbols, *[c.hidden] * (c.layers - 1)]
        lanes = self.share.stop - self.share.start
        if self.device.type != "cuda" or not all(
            persistent(c.cell, width, c.hidden, lanes, c.precision) for width in widths
        ):
            return how
        return f"{how}, the recurrence by cuDNN's persistent kernel"

    def step(self, window: Window, index: int) -> tuple[Tensor, Tensor]:
        """Learn from one window as step `index`; returns (mean loss in nats, gradient norm before clipping).

        The hidden state is carried from window to window and cut from the graph: truncated backpropagation through
        time (Williams and Peng 1990). Lanes that start over start from zeros.
        """
        lanes, config = window.places.shape[1], self.config
        share = self.group.share(lanes)
        inputs, wanted = self.feed.gathered(window, share)
        there = self.feed.behind(window, share, index)
        if window.fresh.all():
            self.state = self.network.initial_state(share.stop - share.start)
        elif window.fresh.any():
            kept = sent(~window.fresh[share], self.device).to(self.state[0][0].dtype)[:, None]
            self.state = [tuple(part * kept for part in layer) for layer in self.state]
        masks, peak, warmup = self._masks(index, lanes, share), config.learning_rate, config.warmup
        self.rate = learning_rate(index, peak=peak, warmup=warmup, steps=config.steps, legs=config.legs)
        learn: Learn | CapturedStep = self.learn
        if window.counted is not None:  # the mean over all processes, of which each may count another number
            learn = partial(self._learn, each=self.group.size / max(1, int(window.counted.sum())))
        pull = average_pull(index, config.ema)
        loss, norm, state = learn(inputs, wanted, there, self.state, masks, self.rate, pull)
        while self.scale is not None and self.scale > 1 and not norm.isfinite():
            self.scale *= 0.5  # nothing has changed: once more, with room for larger gradients
            loss, norm, state = learn(inputs, wanted, there, self.state, masks, self.rate, pull)
        self.state = [tuple(part.detach().float() for part in layer) for layer in state]
        if lanes != config.batch_size:  # a batch of short records, which ends with its only window
            self.state = self.network.initial_state(self.share.stop - self.share.start)
        return self.group.mean(loss), norm

    def _learn(
        self,
        inputs: Tensor,
        wanted: Tensor,
        there: Behind | None,
        state: NetworkState,
        masks: Sequence[Masks],
        rate: Number,
        pull: Number,
        each: float | None = None,
    ) -> Learnt:
        """A whole step: forward and backward through one window, then down; the loss is a mean, or `each` x a sum."""
        with autocast(self.device, self.config.precision):
            logits, after = self.replica(inputs, state, masks, there)
        loss = F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(0, 1), reduction="sum" if each else "mean")
        loss = loss * each if each else loss
        for parameter in self.parameters:
            parameter.grad = None
        (loss if self.scale is None else loss * self.scale).backward()
        return Learnt(
            loss.detach(), self._descend(rate, pull), [tuple(part.detach() for part in layer) for layer in after]
        )

    def _descend(self, rate: Number, pull: Number) -> Tensor:
        """Clip the gradients (Pascanu et al. 2013), follow them, update the average; returns their norm before.

        Where gradients of a scaled loss are no numbers any more, nothing changes.
        """
        broken = None
        if self.scale is not None:
            gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
            torch._foreach_div_(gradients, self.scale)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        if self.scale is not None:
            broken = (~norm.isfinite()).float()
            pull = pull * (1 - broken)
        self.optimizer.step(rate, broken)
        update_average(self.averages, self.parameters, pull)
        return norm

    def _changing(self) -> list[Tensor]:
        """What a step changes in place."""
        return [*self.parameters, *self.averages, *self.optimizer.changing()]

    def _masks(self, index: int, lanes: int, own: slice) -> list[Masks]:
        """Dropout's masks of step `index`, one pair for each layer, of this process's `own` lanes."""
        c = self.config
        rates = rates_at(c, index)
        shapes = {UNITS: (lanes, c.hidden), WEIGHTS: (CELL_GATES[c.cell] * c.hidden, c.hidden)}

        def mask(layer: int, what: int) -> Tensor | None:
            if rates[what] == 0:
                return None
            where = {"seed": c.seed, "step": index, "layer": layer, "what": what}
            drawn = mask_on(self.device, *shapes[what], rates[what], **where)
            return drawn[own] if what == UNITS else drawn

        layers = range(c.layers * (1 + c.bidirectional))
        return [Masks(mask(layer, UNITS), mask(layer, WEIGHTS)) for layer in layers]

    def tensors(self) -> Arrays:
        """All of it but the average, as CPU arrays that no later step changes."""
        found: dict[str, Tensor] = {}
        for name, parameter in self.network.named_parameters():
            found[f"weights.{name}"] = parameter.detach()
            for moment, tensor in self.optimizer.moments(parameter).items():
                found[f"{moment}.{name}"] = tensor
        for index, layer in enumerate(self.state):
            for part, tensor in zip(CELLS[self.config.cell].state_names, layer, strict=True):
                found[f"state.{index}.{part}"] = self.group.lanes(tensor)
        if self.scale is not None:
            found["loss_scale"] = self.scale[None]
        return {name: tensor.cpu().numpy().copy() for name, tensor in found.items()}

    def restore(
        self, tensors: Mapping[str, npt.NDArray[Any]], average: Mapping[str, npt.NDArray[Any]], step: int
    ) -> None:
        """Become the learner that had made `step` steps when `tensors` and its average were taken."""
        self.network.load_weights({name: tensors[f"weights.{name}"] for name in average})
        self.average.load_weights(average)
        for name, parameter in self.network.named_parameters():
            for moment, tensor in self.optimizer.moments(parameter).items():
                tensor.copy_(torch.from_numpy(tensors[f"{moment}.{name}"]))
        self.optimizer.resume(step)
        if self.scale is not None and "loss_scale" in tensors:
            self.scale.fill_(float(tensors["loss_scale"][0]))
        names = CELLS[self.config.cell].state_names
        self.state = [
            tuple(sent(tensors[f"state.{index}.{part}"][self.share], self.device) for part in names)
            for index in range(self.config.layers)
        ]

    def average_weights(self) -> Arrays:
        """The averaged weights by name, as arrays that no later step changes."""
        return {name: array.copy() for name, array in self.average.weights().items()}
