"""What counting gets on the same text: interpolated Kneser-Ney n-grams, so that a network's score means something.

p_k(w | context) = max(c(context w) - D_k, 0) / c(context) + D_k N(context) / c(context) * p_{k-1}(w | shorter context)

with D_k = n_1 / (n_1 + 2 n_2), N the number of different symbols seen after the context, and below the highest order
c the number of different symbols seen *before* the gram instead of its count (Kneser and Ney 1995; Chen and Goodman
1999). The bottom is the uniform distribution. A context never seen passes straight to the shorter one.
"""

import numpy as np
import numpy.typing as npt

from charrnn.text.vocabulary import Ids

Numbers = npt.NDArray[np.int64]
COUNTED_SYMBOLS = 1_000_000  # of a training part's end; more changes little and costs seconds


def kneser_ney(train: Ids, held_out: Ids, symbols: int, order: int = 6) -> float:
    """Mean nats per symbol of `held_out` under an n-gram of `train`; its first symbols see the end of `train`."""
    text = np.concatenate([train, held_out]).astype(np.int64)
    grams = _numbered(text, symbols, order)
    probability = np.full(len(held_out), 1.0 / symbols)
    for k in range(1, order + 1):
        probability = _interpolate(grams, k, len(train), k == order, probability)
    return float(-np.log(probability).mean())


def _numbered(text: Numbers, symbols: int, order: int) -> list[Numbers]:
    """For every order k, the number of the k-gram that ends at each place; order 0 has one gram."""
    grams = [np.zeros(len(text), dtype=np.int64)]
    for _ in range(order):
        before = np.concatenate([[0], grams[-1][:-1]])
        grams.append(np.unique(before * symbols + text, return_inverse=True)[1] + 1)  # 0: nothing, before the text
    return grams


def _interpolate(
    grams: list[Numbers], k: int, train: int, highest: bool, lower: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The k-gram probabilities of all held-out places, from those of order k - 1."""
    gram, context = grams[k], np.concatenate([[0], grams[k - 1][:-1]])
    seen, first = np.unique(gram[:train], return_index=True)
    count = np.zeros(gram.max() + 1, dtype=np.int64)
    if highest:
        count += np.bincount(gram[:train], minlength=len(count))
    else:
        longer = np.unique(grams[k + 1][:train], return_index=True)[1]
        count += np.bincount(gram[longer], minlength=len(count))
    total = np.bincount(context[first], weights=count[seen], minlength=context.max() + 1)
    followers = np.bincount(context[first], minlength=len(total))
    once, twice = np.count_nonzero(count == 1), np.count_nonzero(count == 2)
    discount = once / (once + 2 * twice) if once else 0.5
    here, after = gram[train:], context[train:]
    sure = np.maximum(count[here] - discount, 0) + discount * followers[after] * lower
    return np.where(total[after] > 0, sure / np.maximum(total[after], 1), lower)
