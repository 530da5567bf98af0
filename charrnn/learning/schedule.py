"""Learning rate and dropout as functions of the step, and of nothing else, so that resuming depends on no clock."""

from collections.abc import Sequence

STEADY = 0.4  # of the steps after the warm-up are at the peak
FINAL_SHARE = 0.005  # of the peak, reached at the last step
RAISE = 1 / 3


def learning_rate(step: int, *, peak: float, warmup: int, steps: int, legs: Sequence[int] = ()) -> float:
    """Linear warm-up over `warmup` steps, the peak, and straight down to near zero at the last of `steps`.

    Hägele et al. 2024, constant learning rate and cooldown: here mostly better than a half cosine (measured).

    `step` counts from 0; the first step already learns at peak / (warmup + 1). A run that was made longer, at the
    steps `legs`, warms up and falls again in each of its legs, of which the later ones warm up over a tenth at most.
    """
    first = max((leg for leg in legs if leg <= step), default=0)
    step, steps = step - first, min((leg for leg in legs if leg > step), default=steps) - first
    warmup = min(warmup, steps // 10) if first else warmup
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, steps - 1 - warmup)
    left = min(1.0, max(0.0, 1 - progress) / (1 - STEADY))
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * left)


def dropped(rate: float, step: int, *, start: float, steps: int, raised: Sequence[int] = ()) -> float:
    """The share that is dropped: from `start` times `rate` at the first step straight to `rate` at the last of `steps`.

    What is learnt early is common to all text and cannot be learnt by heart; what is learnt late can (Morerio
    et al. 2017, curriculum dropout). From each of the steps `raised` on a third of what was kept is dropped as well.
    """
    grown = rate * (start + (1 - start) * min(1.0, step / max(1, steps - 1)))
    return 1 - (1 - grown) * (1 - RAISE) ** sum(step >= at for at in raised)
