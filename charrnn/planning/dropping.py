"""How much is dropped: the more often a text is read, and the more weights there are for each of its symbols, the more.

One rule for every text, network and length, fitted to what measured best between 5 readings of a megabyte by 1.3
weights a symbol and 60 of five kilobytes by 64 (benchmarks/README.md):

    r = 0.1 log2(readings / 1.4)                 u = log2(weights / symbols / 4)
    m = r, and where u > 0 another 0.08 u, at most r; at most 0.48 + 0.08 u + 0.04 max(0, u), from 0 to 0.75

m is the share of units that are dropped, as a mean over the run, and m - 0.2 that of the recurrent weights (none where
that is below 0). Both grow over the run: the first to twice its mean, but to no more than 0.5, or to m where that is
more; what is learnt early is common to all text.

Who also learns what teachers expect is kept from learning by heart by them: where they have a weight of a, a reading
counts as 1 - a of one.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from charrnn.config import ModelConfig, RunConfig, Wish
from charrnn.shapes import parameter_shapes
from charrnn.text.corpus import Corpus

EACH_READING, READINGS = 0.1, 1.4  # each doubling of the readings, from so many on
EACH_WEIGHT, WEIGHTS = 0.08, 4.0  # each doubling of the weights for a symbol, from so many on
LIMIT, WIDER = 0.48, 0.04  # the most, where there are so many, and what each doubling adds to it besides
MOST, FULL = 0.75, 0.5
WORTH = 100  # readings of a text, to a wide network; measured (benchmarks/README.md, "Runs that overfit")
MEMORISED = 2_000  # symbols: a shorter text is to be memorised
FREE = 0.2  # of the units, before weights are dropped, too


class Dropping(NamedTuple):
    """What is dropped at the end of a run, and the share of it at the first step."""

    dropout: float
    weight_drop: float
    start: float


def dropping(readings: float, weights: float) -> Dropping:
    """For so many readings of a text, and so many weights for each of its symbols."""
    wide = math.log2(weights / WEIGHTS)
    often = EACH_READING * math.log2(max(readings, READINGS) / READINGS)
    often += min(often, EACH_WEIGHT * max(0.0, wide))  # who reads once drops nothing, however wide
    most = LIMIT + EACH_WEIGHT * wide + WIDER * max(0.0, wide)
    mean = min(MOST, max(0.0, min(often, most)))
    full = max(mean, min(FULL, 2 * mean))
    start = 2 * mean / full - 1 if full else 0.0
    return Dropping(round(full, 2), round(max(0.0, mean - FREE) * 2 / (1 + start), 2), round(start, 2))


def weights_for(settings: Mapping[str, Any], corpus: Corpus) -> float:
    """How many weights the network of such settings has for each symbol of the training set."""
    network = {key: value for key, value in settings.items() if key in ModelConfig.model_fields} | {"dropout": 0.0}
    shapes = parameter_shapes(ModelConfig.model_validate(network), len(corpus.vocabulary))
    return sum(map(math.prod, shapes.values())) / len(corpus.train)


def counting(settings: Mapping[str, Any]) -> float:
    """What a reading counts as: less than one where teachers keep a network from learning by heart."""
    if not settings.get("distill_from"):
        return 1.0
    return float(1 - settings.get("distill_weight", RunConfig.model_fields["distill_weight"].default))


def worth(settings: Mapping[str, Any]) -> float:
    """How many readings a text is worth to a network with more than `WEIGHTS` for each symbol."""
    return WORTH / counting(settings)


def chosen(wish: Wish, settings: Mapping[str, Any], corpus: Corpus, readings: float) -> tuple[dict[str, float], str]:
    """What a run with such settings drops, by key, and why."""
    weights = weights_for(settings, corpus)
    why = f"for {readings:.2g} epochs of {weights:.2g} weights for each symbol"
    if settings.get("distill_from"):
        why = f"{why}, with teachers"
    found = dropping(readings * counting(settings), weights)
    if len(corpus.train) < MEMORISED:
        found, why = Dropping(0.0, 0.0, 1.0), "so short a text can only be memorised"
    if wish.get("dropout") is not None:
        found, why = Dropping(wish.get("dropout"), 0.0, 1.0), "only `dropout` was asked for"
    return {"dropout": found.dropout, "weight_drop": found.weight_drop, "dropout_start": found.start}, why


def unasked(wish: Wish, config: RunConfig, corpus: Corpus, readings: float) -> dict[str, float]:
    """What of that nobody asked for, in a run of `config` that was to be of another length."""
    rates, _ = chosen(wish, config.model_dump(), corpus, readings)
    return {key: rate for key, rate in rates.items() if wish.get(key) is None}


def may_rise(wish: Wish, corpus: Corpus) -> bool:
    """Whether more is dropped where the run overfits nevertheless: what was asked for is kept, unless that was, too."""
    if wish.get("raise_dropout") is not None:
        return bool(wish.get("raise_dropout"))
    return wish.get("dropout") is None and wish.get("weight_drop") is None and len(corpus.train) >= MEMORISED
