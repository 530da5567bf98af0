"""AdamW on the weights, and the exponential moving average of them that is evaluated, sampled and saved."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETAS, EPSILON = (0.7, 0.99), 1e-8  # less momentum than usual: measured, where batches are as small as here


class AdamW:
    """AdamW (Loshchilov and Hutter 2019) by torch's fused kernel; only matrices decay, never biases or norms.

    Recurrent matrices have `recurrent` times the learning rate of everything else.
    The class that torch has for it loads a compiler when it is made: a second and more of every start (measured).
    """

    def __init__(self, network: nn.Module, weight_decay: float, recurrent: float) -> None:
        named = dict(network.named_parameters())
        self.parameters = list(named.values())
        carried = [parameter for name, parameter in named.items() if ".weight_hh" in name]
        matrices = [parameter for name, parameter in named.items() if parameter.dim() > 1 and ".weight_hh" not in name]
        vectors = [parameter for parameter in self.parameters if parameter.dim() <= 1]
        # (what, how fast, how much of it decays)
        self.groups = ((carried, recurrent, weight_decay), (matrices, 1.0, weight_decay), (vectors, 1.0, 0.0))
        self.first = {parameter: torch.zeros_like(parameter, requires_grad=False) for parameter in self.parameters}
        self.second = {parameter: torch.zeros_like(parameter, requires_grad=False) for parameter in self.parameters}
        self.steps = {parameter: torch.zeros((), device=parameter.device) for parameter in self.parameters}

    def moments(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Adam's running moments of one parameter, zeros before the first step."""
        return {"moment1": self.first[parameter], "moment2": self.second[parameter]}

    def changing(self) -> list[Tensor]:
        """What a step changes, besides the parameters."""
        return [*self.first.values(), *self.second.values(), *self.steps.values()]

    def resume(self, steps: int) -> None:
        """Go on as if so many steps had been made, with the moments that stand there."""
        for made in self.steps.values():
            made.fill_(steps)

    @torch.no_grad()
    def step(self, learning_rate: float | Tensor, broken: Tensor | None = None) -> None:
        """Follow the gradients; where `broken` is 1 instead of 0 they are no numbers, and nothing changes."""
        for group, speed, decay in self.groups:
            learnt = [parameter for parameter in group if parameter.grad is not None]
            adamw(
                list[Tensor](learnt),
                [parameter.grad for parameter in learnt if parameter.grad is not None],
                [self.first[parameter] for parameter in learnt],
                [self.second[parameter] for parameter in learnt],
                [],
                [self.steps[parameter] for parameter in learnt],
                fused=True,
                found_inf=broken,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=learning_rate * speed,
                weight_decay=decay,
                eps=EPSILON,
                maximize=False,
            )


@torch.no_grad()
def update_average(average: Sequence[Tensor], weights: Sequence[Tensor], pull: float | Tensor) -> None:
    """Average <- (1 - pull) * average + pull * weights."""
    for mean, weight in zip(average, weights, strict=True):
        mean.lerp_(weight, pull)


def average_pull(step: int, decay: float) -> float:
    """1 - decay; early on more, 9 / (10 + step), so that the random start is soon forgotten."""
    return 1 - min(decay, (1 + step) / (10 + step))
