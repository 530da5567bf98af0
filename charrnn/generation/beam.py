"""What probably comes next: the likeliest continuations of a text, by beam search.

With one step this is the distribution of the next symbol, exactly; with more, the best of those found with `width`
texts kept after every symbol, and exactly the best where `width` holds all of them.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.generation.choose import softmax
from charrnn.generation.generate import Stepper
from charrnn.text.vocabulary import Ids, Vocabulary


class Prediction(NamedTuple):
    """What may come next, and how probable it is."""

    text: str
    probability: float


def continuations(
    network: Stepper, vocabulary: Vocabulary, text: Ids, steps: int, width: int
) -> list[tuple[npt.NDArray[np.int64], float]]:
    """At most `width` continuations of `text` (at least one symbol) by `steps` symbols, with their probabilities.

    The likeliest comes first; of equals the one whose symbols come first in the vocabulary.
    """
    state = network.initial_state(1)
    for symbol in text:
        logits, state = network.step(np.array([symbol], dtype=np.int64), state)
    found, scores = np.zeros((1, 0), dtype=np.int64), np.zeros(1)
    for step in range(steps):
        logits[:, vocabulary.unwritten] = -np.inf
        with np.errstate(divide="ignore"):  # a probability may be too small for a float
            candidates = scores[:, None] + np.log(softmax(logits))
        best = np.argsort(-candidates, axis=None, kind="stable")[:width]
        rows, symbols = np.divmod(best, network.symbols)
        found, scores = np.column_stack((found[rows], symbols)), candidates.flat[best]
        if step + 1 < steps:
            rows = np.where(symbols == vocabulary.end_id, -1, rows)  # the next record begins from nothing
            logits, state = network.step(symbols, network.select(state, rows))
    order = np.lexsort((*found.T[::-1], -scores))
    return [(found[place], float(np.exp(scores[place]))) for place in order]
