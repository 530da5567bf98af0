"""How much of a text is copied: the share of its n-grams that stand in the training text, and its longest such span.

The text is short, the training text may not fit into memory. So the distinct n-grams of the text are numbered, and the
training text is read block by block, each of its places having the number of the n-gram that begins there, if the text
holds it at all. Numbers of n-grams are numbers of pairs (Karp, Miller and Rosenberg 1972): with m the largest power of
two below n, an n-gram is the pair of its first and its last m symbols, which overlap. So the longest span is found in
a few doublings and a bisection, even in a text that repeats itself. Nothing is hashed: the numbers are exact.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.text.vocabulary import Ids

_BLOCK = 1 << 16  # places of the training text; measured: larger ones leave the cache and take a quarter longer

Numbers = npt.NDArray[np.int64]


class Novelty(NamedTuple):
    """What of a text stands in the training text too."""

    shares: dict[int, float]  # n -> of its n-grams, place by place; an n longer than the text is left out
    start: int  # of the longest span, in the text; the first of equals
    length: int  # of that span, in symbols


def novelty(train: Ids, text: Ids, sizes: Sequence[int] = range(4, 13)) -> Novelty:
    """Compare `text` with `train`, which may be mapped from a file; a `sizes` is at least 1."""
    grams = _Grams(text)
    found = {n: np.zeros(len(grams.keys(n)), dtype=bool) for n in sizes if n <= len(text)}
    longest, start = 0, 0
    for first in range(0, len(train) if len(text) else 0, _BLOCK):
        block = train[first : first + _BLOCK + len(text) - 1]  # what begins in a block may end after it
        length, place = _compare(grams, block, found)
        if (length, -place) > (longest, -start):
            longest, start = length, place
    shares = {n: float(seen[grams.numbers(n)].mean()) for n, seen in found.items()}
    return Novelty(shares, start, longest)


def _compare(grams: "_Grams", block: Ids, found: dict[int, npt.NDArray[np.bool_]]) -> tuple[int, int]:
    """Mark in `found` what stands in `block`; returns the length of the longest span, and its first place."""
    size, numbers = 1, grams.symbols_in(block)
    while (numbers >= 0).any():
        for n in found:
            if n == size or _half(n) == size:
                here = numbers if n == size else grams.pairs_in(numbers, n)
                found[n][here[here >= 0]] = True
        longer = grams.pairs_in(numbers, 2 * size)
        if not (longer >= 0).any():
            return grams.longest_in(numbers, size)
        size, numbers = 2 * size, longer
    return 0, 0


def _half(n: int) -> int:
    """The largest power of two below n, of a symbol 0."""
    return 1 << (n - 1).bit_length() >> 1


class _Grams:
    """The distinct n-grams of a text, numbered in the order of their keys."""

    def __init__(self, text: Ids) -> None:
        self.size = len(text)
        self.known = {1: _numbered(text.astype(np.int64))}

    def keys(self, n: int) -> Numbers:
        """Of each n-gram the symbol, or the numbers of both halves in one."""
        return self._of(n)[0]

    def numbers(self, n: int) -> Numbers:
        """Of the n-gram at each place of the text."""
        return self._of(n)[1]

    def symbols_in(self, block: Ids) -> Numbers:
        """The number of the symbol at each place of `block`, -1 where the text has no such symbol."""
        symbols = self.keys(1)
        table = np.full(symbols.max() + 2, -1)
        table[symbols] = np.arange(len(symbols))
        return table.take(block, mode="clip")

    def pairs_in(self, halves: Numbers, n: int) -> Numbers:
        """The number of the n-gram at each place, -1 for none, from the numbers of its halves."""
        keys, last = self.keys(n), halves[n - _half(n) :]
        first = halves[: len(last)]
        numbers = np.full(len(last), -1)
        if len(keys):
            places = np.flatnonzero((first >= 0) & (last >= 0))
            wanted = self._key(first[places], last[places], n)
            ranks = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            same = keys[ranks] == wanted
            numbers[places[same]] = ranks[same]
        return numbers

    def longest_in(self, numbers: Numbers, size: int) -> tuple[int, int]:
        """The longest span, from `size` symbols to less than twice as many: its length and first place."""
        longest, too_long, here = size, min(2 * size, self.size + 1), numbers
        while too_long - longest > 1:
            n = (longest + too_long) // 2
            longer = self.pairs_in(numbers, n)
            if (longer >= 0).any():
                longest, here = n, longer
            else:
                too_long = n
        return longest, int(np.isin(self.numbers(longest), here).argmax())

    def _of(self, n: int) -> tuple[Numbers, Numbers]:
        if n not in self.known:
            half = self.numbers(_half(n))
            last = half[n - _half(n) :]
            self.known[n] = _numbered(self._key(half[: len(last)], last, n))
        return self.known[n]

    def _key(self, first: Numbers, last: Numbers, n: int) -> Numbers:
        return first * len(self.keys(_half(n))) + last


def _numbered(keys: Numbers) -> tuple[Numbers, Numbers]:
    """The distinct keys in order, and the place of each key among them."""
    distinct, numbers = np.unique(keys, return_inverse=True)
    return distinct, numbers
