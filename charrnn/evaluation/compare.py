"""Several models on one text: how far a difference of their scores is from chance, and where it comes from.

A text falls into blocks of BLOCK characters, the same ones for every model whatever its unit: a symbol's nats belong to
the block in which its last character stands. Of a model only the sum of each block is kept. Blocks are long enough to
be nearly independent, symbols are not; so blocks are drawn again, with replacement, the same ones for both models (the
paired bootstrap of Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation").
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.score import Scored
from charrnn.text.vocabulary import Vocabulary

BLOCK = 1000  # characters
RESAMPLES = 10_000
SEED = 0
CONFIDENCE = 0.95
_SHOWN = 60  # characters with which a block begins

Numbers = npt.NDArray[np.float64]


class Difference(NamedTuple):
    """How many bits per character one model needs more than another, and between which bounds that is."""

    mean: float
    low: float
    high: float


class Passage(NamedTuple):
    """A block: its first character, counted from 0, how it begins, and the difference in bits per character there."""

    start: int
    begins: str
    bits_per_char: float


class Blocks:
    """What the blocks of a text cost one model."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.nats: Numbers = np.zeros(0)
        self.characters = 0
        self.begins: list[str] = []
        self.digest = hashlib.sha256()  # of the characters that counted

    def over(self, parts: Iterable[Scored]) -> Iterator[Scored]:
        """The same parts, which are added up while they pass."""
        for part in parts:
            self.add(part)
            yield part

    def add(self, part: Scored) -> None:
        """Add what comes next in the text."""
        counted = ~np.isnan(part.nats)
        ids = part.ids[counted]
        text = self.vocabulary.to_bytes(ids.tolist())
        self.digest.update(text)
        # A character of several bytes ends with a byte of no width, which stays in its block.
        ends = self.characters + np.cumsum(self.vocabulary.widths[0][ids])
        places = np.maximum(ends - 1, 0) // BLOCK
        sums: Numbers = np.zeros(max(len(self.nats), places.max(initial=-1) + 1))
        sums[: len(self.nats)] = self.nats
        np.add.at(sums, places, part.nats[counted])
        shown = text.decode("utf-8", "replace")
        for block in range(len(self.begins), len(sums)):
            start = block * BLOCK - self.characters
            self.begins.append(shown[start : start + _SHOWN])
        self.nats, self.characters = sums, int(ends[-1]) if len(ends) else self.characters

    @property
    def sizes(self) -> Numbers:
        """Characters of each block; the last may be shorter."""
        return np.minimum(BLOCK, self.characters - BLOCK * np.arange(len(self.nats))).astype(np.float64)


def same_text(one: Blocks, other: Blocks) -> bool:
    """Whether the same characters counted for both: a model leaves out what it does not know."""
    return one.digest.digest() == other.digest.digest()


def difference(mine: Blocks, best: Blocks) -> Difference | None:
    """What a model needs more than the best, with its 95 % interval; None where no interval can be found.

    That is of a text of a single block, and where not the same characters counted for both.
    """
    if len(mine.nats) < 2 or not same_text(mine, best):
        return None
    bits, sizes = (mine.nats - best.nats) / math.log(2), mine.sizes
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled(bits, sizes), [tail, 1 - tail]).tolist()
    return Difference(float(bits.sum() / sizes.sum()), low, high)


def resampled(bits: Numbers, sizes: Numbers) -> Numbers:
    """The mean of `bits` per character, RESAMPLES times, each over as many blocks drawn with replacement."""
    generator = np.random.default_rng(SEED)
    draws = (generator.integers(len(bits), size=len(bits)) for _ in range(RESAMPLES))
    return np.fromiter((bits[draw].sum() / sizes[draw].sum() for draw in draws), dtype=np.float64, count=RESAMPLES)


def passages(one: Blocks, other: Blocks, count: int = 3) -> list[Passage]:
    """The blocks whose cost differs most, what `one` needs more than `other`; none where they have no interval."""
    if len(one.nats) < 2 or not same_text(one, other):
        return []
    bits = (one.nats - other.nats) / math.log(2) / one.sizes
    most = np.argsort(-np.abs(bits), kind="stable")[:count].tolist()
    return [Passage(block * BLOCK, one.begins[block], float(bits[block])) for block in most]
