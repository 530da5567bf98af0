"""Everything that a training step changes; one window in, one loss out.

That is: the weights, their average, Adam's moments and the lanes' hidden state. Nothing here knows about clocks, files
or evaluations. Of several processes each trains its share of the lanes, and all have the same weights.

`tensors` and `restore` are each other's inverse, bit for bit: what they carry is what exact resuming needs.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.config import CELL_GATES, RunConfig
from charrnn.learning.distributed import ALONE, Group
from charrnn.learning.dropout import UNITS, WEIGHTS, mask_on
from charrnn.learning.optimizer import AdamW, update_average
from charrnn.learning.passes import CapturedPass, PlainPass, why_plain
from charrnn.learning.schedule import dropout_share, learning_rate
from charrnn.learning.teachers import Expected
from charrnn.model.cells import CELLS
from charrnn.model.network import CharRNN, Masks, NetworkState
from charrnn.text.lanes import Window

Arrays = dict[str, npt.NDArray[Any]]
_IGNORED = -100  # a target that is not counted, as cross_entropy has it


class Learner:
    """A network in training. `average` is the network that is evaluated, sampled and shared."""

    def __init__(self, config: RunConfig, symbols: int, group: Group = ALONE, expected: Expected | None = None) -> None:
        self.config, self.symbols, self.device = config, symbols, torch.device(config.device)
        self.expected = expected  # of teachers
        self.group = group
        self.share = self.group.share(config.batch_size)
        self.begin()

    def begin(self, weights: Mapping[str, npt.NDArray[Any]] | None = None) -> None:
        """Everything as before the first step: by the seed alone, or from another model's `weights`."""
        config = self.config
        torch.manual_seed(config.seed)
        self.network = CharRNN(config, self.symbols).to(self.device)
        if weights is not None:
            self.network.load_weights(weights)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.replica = self.group.replicated(self.network)
        self.parameters = list(self.network.parameters())
        self.averages: list[Tensor] = list(self.average.parameters())
        self.optimizer = AdamW(self.network, config.weight_decay)
        self.state = self.network.initial_state(self.share.stop - self.share.start)
        kind = PlainPass if why_plain(self.device, self.group.size) else CapturedPass
        self.whole = kind(self._forward, self.parameters)
        if self.replica is not self.network:
            # After its first backward pass DDP lays its buckets out anew, and the last bits of a sum over more than two
            # processes depend on where a gradient lies in them: have that done here, so that resuming changes nothing.
            nothing = torch.zeros(1, len(self.state[0][0]), dtype=torch.int64, device=self.device)
            self.replica(nothing, self.state)[0].sum().backward()

    @property
    def path(self) -> str:
        """How forward and backward are made, and why."""
        why = why_plain(self.device, self.group.size)
        return f"kernel by kernel, as {why}" if why else "captured as one CUDA graph (kernel by kernel for records)"

    def step(self, window: Window, index: int) -> tuple[Tensor, Tensor]:
        """Learn from one window as step `index`; returns (mean loss in nats, gradient norm before clipping).

        The hidden state is carried from window to window and cut from the graph: truncated backpropagation through
        time (Williams and Peng 1990). Lanes that start over start from zeros.
        """
        lanes = window.inputs.shape[1]
        share = self.group.share(lanes)
        inputs, wanted = (self._to_device(ids[:, share]) for ids in (window.inputs, self._wanted(window)))
        if window.fresh.all():
            self.state = self.network.initial_state(share.stop - share.start)
        elif window.fresh.any():
            kept = self._to_device(~window.fresh[share]).to(self.state[0][0].dtype)[:, None]
            self.state = [tuple(part * kept for part in layer) for layer in self.state]
        masks = self._masks(index, lanes, share)
        if window.counted is None:
            loss, state = self.whole(inputs, wanted, self.state, masks)
        else:  # the mean over all processes, of which each may count another number
            each = self.group.size / max(1, int(window.counted.sum()))
            counted = PlainPass(partial(self._forward, each=each), self.parameters)
            loss, state = counted(inputs, wanted, self.state, masks)
        norm = self._descend(index)
        self.state = [tuple(part.detach().float() for part in layer) for layer in state]
        if lanes != self.config.batch_size:  # a batch of short records, which ends with its only window
            self.state = self.network.initial_state(self.share.stop - self.share.start)
        return self.group.mean(loss), norm

    def _wanted(self, window: Window) -> npt.NDArray[Any]:
        """The targets (T, B); of a run that has teachers a distribution for each, (T, B, V)."""
        if self.expected is not None:
            return self.expected.targets(window, self.symbols).numpy()
        return window.targets if window.counted is None else np.where(window.counted, window.targets, _IGNORED)

    def _forward(
        self, inputs: Tensor, wanted: Tensor, state: NetworkState, masks: Sequence[Masks], each: float | None = None
    ) -> tuple[Tensor, NetworkState]:
        """The loss, a mean or `each` times the sum, and the state after the window."""
        precision = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision, cache_enabled=False):
            logits, state = self.replica(inputs, state, masks)
        loss = F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(0, 1), reduction="sum" if each else "mean")
        return (loss * each if each else loss), state

    def _masks(self, index: int, lanes: int, own: slice) -> list[Masks]:
        """Dropout's masks of step `index`, one pair for each layer, of this process's `own` lanes."""
        c = self.config
        share = dropout_share(index, start=c.dropout_start, steps=min([*c.legs, c.steps]))
        rates = {UNITS: share * c.dropout, WEIGHTS: share * c.weight_drop}
        shapes = {UNITS: (lanes, c.hidden), WEIGHTS: (CELL_GATES[c.cell] * c.hidden, c.hidden)}

        def mask(layer: int, what: int) -> Tensor | None:
            if rates[what] == 0:
                return None
            where = {"seed": c.seed, "step": index, "layer": layer, "what": what}
            drawn = mask_on(self.device, *shapes[what], rates[what], **where)
            return drawn[own] if what == UNITS else drawn

        return [Masks(mask(layer, UNITS), mask(layer, WEIGHTS)) for layer in range(c.layers)]

    def _descend(self, index: int) -> Tensor:
        """Clip the gradients (Pascanu et al. 2013), follow them, update the average; returns their norm before."""
        config = self.config
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, config.clip)
        peak, warmup = config.learning_rate, config.warmup
        self.optimizer.step(learning_rate(index, peak=peak, warmup=warmup, steps=config.steps, legs=config.legs))
        update_average(self.averages, self.parameters, decay=config.ema, step=index)
        return norm

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
        names = CELLS[self.config.cell].state_names
        self.state = [
            tuple(self._to_device(tensors[f"state.{index}.{part}"][self.share]) for part in names)
            for index in range(self.config.layers)
        ]

    def average_weights(self) -> Arrays:
        """The averaged weights by name, as arrays that no later step changes."""
        return {name: array.copy() for name, array in self.average.weights().items()}

    def _to_device(self, array: npt.NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type != "cuda":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)
