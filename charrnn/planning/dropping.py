"""How much is dropped: the more often a text is read, and the more weights there are for each of its symbols, the more.

One rule for every text, network and length, fitted to what measured best between 5 readings of a megabyte by 1.3
weights a symbol and 60 of five kilobytes by 64 (benchmarks/README.md). With u = log2(weights / symbols / 8),

    m = 0.1 log2(readings / 1.4) + 0.08 max(0, u), at most 0.54 + 0.08 u, from 0 to 0.75

is the share of units that are dropped, as a mean over the run, and m - 0.2 that of the recurrent weights (none where
that is below 0). Both grow over the run: the first to twice its mean, but to no more than 0.5, or to m where that is
more; what is learnt early is common to all text.
"""

import math
from typing import NamedTuple

EACH_READING, READINGS = 0.1, 1.4  # each doubling of the readings, from so many on
EACH_WEIGHT, WEIGHTS, LIMIT = 0.08, 8.0, 0.54  # each doubling of the weights; the most where there are 8 a symbol
MOST, FULL = 0.75, 0.5
FREE = 0.2  # of the units, before weights are dropped, too


class Dropping(NamedTuple):
    """What is dropped at the end of a run, and the share of it at the first step."""

    dropout: float
    weight_drop: float
    start: float


def dropping(readings: float, weights: float) -> Dropping:
    """For so many readings of a text, and so many weights for each of its symbols."""
    wider = EACH_WEIGHT * math.log2(weights / WEIGHTS)
    often = EACH_READING * math.log2(max(readings, READINGS) / READINGS) + max(0.0, wider)
    mean = min(MOST, max(0.0, min(often, LIMIT + wider)))
    full = max(mean, min(FULL, 2 * mean))
    start = 2 * mean / full - 1 if full else 0.0
    return Dropping(round(full, 2), round(max(0.0, mean - FREE) * 2 / (1 + start), 2), round(start, 2))
