"""A run that overfits: how it is noticed, and what is done about it.

Dropout and weight-drop are raised, and the run goes on. Measured on two overfitted networks (benchmarks/README.md),
that ended lower than they ever stood; where next to nothing can be learnt, it did not help. To let the rate fall at
once, from the best state or from where it is noticed, overfits only more; to go back to the best state first gains
little over going on.
"""

import math

from charrnn.config import RunConfig
from charrnn.learning.dropout import UNITS, WEIGHTS, rates_at
from charrnn.runs.progress import Progress

RISE = 0.003  # nats per symbol above the best score
NOISE = 0.3  # over the root of the symbols scored: by so much may scores of a small part rise for no reason
SETTLING = 2  # evaluations until it shows what was won


def noticed(config: RunConfig, progress: Progress, before: float | None, symbols: int) -> bool:
    """Whether dropout is to be raised now that `symbols` symbols were scored, as it was done `before`."""
    p = progress
    if not config.raise_dropout or before is None or p.validation_nats is None or p.best_nats is None:
        return False
    if p.step >= config.steps or (config.raised and p.step < config.raised[-1] + SETTLING * config.eval_every):
        return False
    return p.validation_nats > max(before, p.best_nats + max(RISE, NOISE / math.sqrt(symbols)))


def raised(config: RunConfig, step: int) -> RunConfig:
    """The same, with more dropout from `step` on."""
    return config.model_copy(update={"raised": [*config.raised, step]})


def told(config: RunConfig, progress: Progress) -> str:
    """What is said of it."""
    rates = rates_at(config, progress.step)
    rise = f"the validation score rose from {progress.best_nats:.4f} to {progress.validation_nats:.4f}"
    return f"{rise}: dropout is raised to {rates[UNITS]:.2f}, weight-drop to {rates[WEIGHTS]:.2f}"
