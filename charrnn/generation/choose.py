"""How a symbol is chosen from logits: pure functions, no state, no generator of their own.

Order: temperature, then top-k, then top-p, then min-p, each on what the one before left, then one draw.
"""

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.floating]
Probabilities = npt.NDArray[np.float64]


# Whatever numpy is told to raise: a probability may be too small for a float.
_small = np.errstate(under="ignore")


@_small
def softmax(logits: Logits) -> Probabilities:
    """exp(y_i) / sum_j exp(y_j) over the last axis, in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


@_small
def distribution(
    logits: Logits,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
) -> Probabilities:
    """The distribution to draw from: (..., V) logits -> (..., V) probabilities.

    temperature: divides the logits (Ackley et al. 1985); 0 takes the likeliest (the first of equals).
    top_k: keep the k likeliest; symbols as likely as the k-th are kept too (Fan et al. 2018).
    top_p: keep the likeliest until their sum reaches p (Holtzman et al. 2020).
    min_p: keep what is at least min_p times as likely as the likeliest (Nguyen et al. 2024).
    """
    if temperature == 0:
        return np.asarray(np.eye(logits.shape[-1])[logits.argmax(axis=-1)])
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    with np.errstate(over="ignore"):  # a tiny temperature sends all but the likeliest to minus infinity
        kept = softmax(shifted / temperature)
    if top_k is not None and top_k < kept.shape[-1]:
        kth = np.sort(kept, axis=-1)[..., -top_k, None]
        kept = np.where(kept >= kth, kept, 0.0)
    if top_p is not None and top_p < 1:
        kept = np.where(_inside(kept / kept.sum(axis=-1, keepdims=True), top_p), kept, 0.0)
    if min_p is not None:
        kept = np.where(kept >= min_p * kept.max(axis=-1, keepdims=True), kept, 0.0)
    return np.asarray(kept / kept.sum(axis=-1, keepdims=True))


@_small
def draw(probabilities: Probabilities, uniform: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The symbol at which the cumulative distribution passes `uniform` in [0, 1): (B, V), (B,) -> (B,)."""
    cumulative = probabilities.cumsum(axis=-1)
    passed = cumulative > uniform[:, None] * cumulative[:, -1:]
    return np.asarray(passed.argmax(axis=-1))


@_small
def surprisal(logits: Logits, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """-ln p(id) in nats at temperature 1, whatever the choice was made from: (B, V), (B,) -> (B,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(axis=-1)) - shifted[np.arange(len(ids)), ids])


def _inside(probabilities: Probabilities, top_p: float) -> npt.NDArray[np.bool_]:
    order = np.argsort(-probabilities, axis=-1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=-1)
    before = ranked.cumsum(axis=-1) - ranked  # what stands above each symbol
    inside = np.empty(probabilities.shape, dtype=bool)
    np.put_along_axis(inside, order, before < top_p, axis=-1)
    return inside
