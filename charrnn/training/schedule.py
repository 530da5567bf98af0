"""The learning rate as a function of the step, and of nothing else, so that resuming never depends on a clock."""

import math

FINAL_SHARE = 0.005  # of the peak, reached at the last step


def learning_rate(step: int, *, peak: float, warmup: int, steps: int) -> float:
    """Linear warm-up over `warmup` steps, then a half cosine to near zero at the last of `steps` (Loshchilov 2017).

    `step` counts from 0; the first step already learns at peak / (warmup + 1).
    """
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * progress)))
