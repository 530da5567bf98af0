"""AdamW on the weights, and the exponential moving average of them that is evaluated, sampled and saved."""

import torch
from torch import nn

from charrnn.config import OptimisationConfig

BETAS = (0.9, 0.99)


def build_optimizer(network: nn.Module, config: OptimisationConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); only matrices decay, never biases or norms."""
    matrices = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=BETAS, fused=True)


def moments(optimizer: torch.optim.AdamW, parameter: nn.Parameter, step: int) -> dict[str, torch.Tensor]:
    """Adam's running moments of one parameter; zeros where no step was made yet."""
    state = optimizer.state[parameter]
    if not state:
        state["step"] = torch.tensor(float(step), device=parameter.device)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
    return {"moment1": state["exp_avg"], "moment2": state["exp_avg_sq"]}


@torch.no_grad()
def update_average(average: list[torch.Tensor], weights: list[torch.Tensor], *, decay: float, step: int) -> None:
    """Average <- decay * average + (1 - decay) * weights.

    Early on the decay is smaller, (1 + step) / (10 + step), so that the random start is soon forgotten.
    """
    torch._foreach_lerp_(average, weights, 1 - min(decay, (1 + step) / (10 + step)))
