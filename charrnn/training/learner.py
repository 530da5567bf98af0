"""Everything that a training step changes; one window in, one loss out.

That is: the weights, their average, Adam's moments, the lanes' hidden state and dropout's generator. Nothing here knows
about clocks, files or evaluations.

`tensors` and `restore` are each other's inverse, bit for bit: what they carry is what exact resuming needs.
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from charrnn.config import RunConfig
from charrnn.errors import DataError
from charrnn.model.cells import CELLS
from charrnn.model.network import CharRNN
from charrnn.text.lanes import Window
from charrnn.training.optimizer import build_optimizer, moments, update_average
from charrnn.training.schedule import learning_rate

Arrays = dict[str, npt.NDArray[Any]]


class Learner:
    """A network in training. `average` is the network that is evaluated, sampled and shared."""

    def __init__(self, config: RunConfig, symbols: int) -> None:
        self.config, self.symbols, self.device = config, symbols, torch.device(config.device)
        self.begin()

    def begin(self, weights: Mapping[str, npt.NDArray[Any]] | None = None) -> None:
        """Everything as before the first step: by the seed alone, or from another model's `weights`."""
        config = self.config
        torch.manual_seed(config.seed)
        self.network = CharRNN(config, self.symbols).to(self.device)
        if weights is not None:
            self.network.load_weights(weights)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.parameters: list[Tensor] = list(self.network.parameters())
        self.averages: list[Tensor] = list(self.average.parameters())
        self.optimizer = build_optimizer(self.network, config)
        self.state = self.network.initial_state(config.batch_size)

    def step(self, window: Window, index: int) -> tuple[Tensor, Tensor]:
        """Learn from one window as step `index`; returns (mean loss in nats, gradient norm before clipping).

        The hidden state is carried from window to window and cut from the graph: truncated backpropagation through
        time (Williams and Peng 1990). Lanes that start over start from zeros.
        """
        inputs, targets = self._to_device(window.inputs), self._to_device(window.targets)
        if window.fresh.any():
            kept = self._to_device(~window.fresh).to(self.state[0][0].dtype)[:, None]
            self.state = [tuple(part * kept for part in layer) for layer in self.state]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            logits, state = self.network(inputs, self.state)
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self._descend(index)
        self.state = [tuple(part.detach().float() for part in layer) for layer in state]
        return loss.detach(), norm

    def _descend(self, index: int) -> None:
        config = self.config
        rate = learning_rate(index, peak=config.learning_rate, warmup=config.warmup, steps=config.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        update_average(self.averages, self.parameters, decay=config.ema, step=index)

    def tensors(self, step: int) -> Arrays:
        """All of it but the average, after `step` steps, as CPU arrays that no later step changes."""
        found: dict[str, Tensor] = {"generator": self._generator_state()}
        for name, parameter in self.network.named_parameters():
            found[f"weights.{name}"] = parameter.detach()
            for moment, tensor in moments(self.optimizer, parameter, step).items():
                found[f"{moment}.{name}"] = tensor
        for index, layer in enumerate(self.state):
            for part, tensor in zip(CELLS[self.config.cell].state_names, layer, strict=True):
                found[f"state.{index}.{part}"] = tensor
        return {name: tensor.cpu().numpy().copy() for name, tensor in found.items()}

    def restore(
        self, tensors: Mapping[str, npt.NDArray[Any]], average: Mapping[str, npt.NDArray[Any]], step: int
    ) -> None:
        """Become the learner that had made `step` steps when `tensors` and its average were taken."""
        self.network.load_weights({name: tensors[f"weights.{name}"] for name in average})
        self.average.load_weights(average)
        for name, parameter in self.network.named_parameters():
            self.optimizer.state[parameter].clear()
            for moment, tensor in moments(self.optimizer, parameter, step).items():
                tensor.copy_(torch.from_numpy(tensors[f"{moment}.{name}"]))
        names = CELLS[self.config.cell].state_names
        self.state = [
            tuple(self._to_device(tensors[f"state.{index}.{part}"]) for part in names)
            for index in range(self.config.layers)
        ]
        self._set_generator_state(torch.from_numpy(tensors["generator"].copy()), step)

    def average_weights(self) -> Arrays:
        """The averaged weights by name, as arrays that no later step changes."""
        return {name: array.copy() for name, array in self.average.weights().items()}

    def _to_device(self, array: npt.NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type != "cuda":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def _generator_state(self) -> Tensor:
        on_gpu = self.device.type == "cuda"
        return torch.cuda.get_rng_state(self.device) if on_gpu else torch.get_rng_state()

    def _set_generator_state(self, state: Tensor, step: int) -> None:
        try:
            self._take_generator_state(state, step)
        except RuntimeError as error:
            raise DataError(
                "the checkpoint's generator state is none", str(error), "resume from another one"
            ) from error

    def _take_generator_state(self, state: Tensor, step: int) -> None:
        if state.shape != self._generator_state().shape:  # taken on another kind of device
            torch.manual_seed(self.config.seed + step)
        elif self.device.type == "cuda":
            torch.cuda.set_rng_state(state, self.device)
        else:
            torch.set_rng_state(state)
