"""What of a held-out part stands in the training part too, word for word: such passages flatter its score.

Of one text, passages of SPAN symbols are looked for at every place of the training part by a rolling hash, and what it
finds is compared; of records, whole records are. At most the first LOOKED symbols of each part are looked at.
"""

import numpy as np
import numpy.typing as npt

from charrnn.text.layout import Independent
from charrnn.text.vocabulary import Ids, Vocabulary

SPAN = 64
LOOKED = 1 << 24
_BASE = 0x9E3779B97F4A7C15  # odd, so that no symbol is lost in the product
_BLOCK = 1 << 20


def duplicates(train: Ids, held_out: Ids, vocabulary: Vocabulary) -> tuple[int, int]:
    """(found in `train`, all) passages or records of `held_out`."""
    train, held_out = train[:LOOKED], held_out[:LOOKED]
    layout = vocabulary.layout
    if not isinstance(layout, Independent):
        return _passages(train, held_out)
    seen, records = (_records(ids, layout) for ids in (train, held_out))
    known = set(seen)
    return sum(record in known for record in records), len(records)


def _records(ids: Ids, layout: Independent) -> list[bytes]:
    found = layout.borders(ids)
    return [ids[first:last].tobytes() for first, last in zip(found.first.tolist(), found.last.tolist(), strict=True)]


def _passages(train: Ids, held_out: Ids) -> tuple[int, int]:
    """Passages that follow each other in `held_out` without a gap."""
    count = len(held_out) // SPAN
    if not count or len(train) < SPAN:
        return 0, count
    passages = held_out[: count * SPAN].reshape(count, SPAN)
    size = _BLOCK // SPAN * SPAN or SPAN
    parts = [held_out[start : min(start + size, count * SPAN)] for start in range(0, count * SPAN, size)]
    hashes = np.concatenate([_hashes(part)[::SPAN] for part in parts])
    order = np.argsort(hashes, kind="stable")
    ranked, found = hashes[order], np.zeros(count, dtype=bool)
    for start in range(0, len(train) - SPAN + 1, _BLOCK):
        block = train[start : start + _BLOCK + SPAN - 1]
        here = _hashes(block)
        ranks = np.minimum(np.searchsorted(ranked, here), count - 1)
        places = np.flatnonzero(ranked[ranks] == here)
        firsts = places[np.unique(ranks[places], return_index=True)[1]]
        for place in firsts.tolist():
            same = order[np.searchsorted(ranked, here[place]) : np.searchsorted(ranked, here[place], side="right")]
            found[same] |= (passages[same] == block[place : place + SPAN]).all(axis=1)
    return int(found.sum()), count


def _hashes(ids: Ids) -> npt.NDArray[np.uint64]:
    """Of the SPAN symbols from each place on: the sum of s_i b^(SPAN - 1 - i) modulo 2^64 (Karp and Rabin 1987)."""
    values = (ids.astype(np.uint64) + np.uint64(1)) * np.uint64(_BASE)
    values ^= values >> np.uint64(29)
    power, width = _BASE, 1
    while width < SPAN:  # from passages of `width` symbols to those of twice as many
        values = values[:-width] * np.uint64(power) + values[width:]
        power, width = power * power % 2**64, 2 * width
    return values
