"""How much is dropped: the more often a text is read, and the more weights there are for each of its symbols, the more.

One rule for every text, network and length, fitted to what measured best between 5 readings of a megabyte by 1.3
weights a symbol and 60 of a hundred kilobytes by 15 (benchmarks/README.md):

    m = 0.1 log2(readings * root(weights / symbols) / 2.6), from 0 to 0.75    the share of units, in the run's mean
    m - 0.15, at least 0                                                      that of the recurrent weights

What is dropped grows over the run to twice its mean, but to no more than 0.5, or to m where that is more: what is
learnt early is common to all text.
"""

import math
from typing import NamedTuple

EACH_DOUBLING, FROM = 0.1, 2.6
MOST, FULL = 0.75, 0.5
FREE = 0.15  # of the units, before weights are dropped, too


class Dropping(NamedTuple):
    """What is dropped at the end of a run, and the share of it at the first step."""

    dropout: float
    weight_drop: float
    start: float


def dropping(readings: float, weights: float) -> Dropping:
    """For so many readings of a text, and so many weights for each of its symbols."""
    mean = min(MOST, max(0.0, EACH_DOUBLING * math.log2(max(1.0, readings * math.sqrt(weights) / FROM))))
    full = max(mean, min(FULL, 2 * mean))
    start = 2 * mean / full - 1 if full else 0.0
    return Dropping(round(full, 2), round(max(0.0, mean - FREE) * 2 / (1 + start), 2), round(start, 2))
