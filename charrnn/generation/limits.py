"""What a sample may not write next, so that it neither repeats itself nor copies what it was trained on.

    no_repeat N   no span of N symbols is written twice; what stands in the prompt counts as written
    novel N       no span of N symbols stands in the training text

A span counts from its last symbol: it may begin in the prompt, and only what is in the prompt altogether is left as it
is. Both hold exactly: what is forbidden is looked up by a hash and then compared, symbol by symbol. A text whose every
continuation is forbidden ends.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from charrnn.errors import SettingsError
from charrnn.text.vocabulary import Ids

MOST = 1 << 25  # symbols of a training text whose spans are indexed: 1.5 GB while they are sorted
_BLOCK = 1 << 20
_BASE, _MASK = 0x9E3779B97F4A7C15, 2**64 - 1  # an odd number without a pattern


class Spans:
    """Every span of `size` symbols in a text: what follows the first `size` - 1 of them.

    An entry is a context, the `size` - 1 symbols, by its hash: where it stands in the text, and its distinct followers,
    which lie one after the other. Contexts that share a hash have an entry each, or several.
    """

    def __init__(self, ids: Ids, size: int) -> None:
        if len(ids) > MOST:
            what = f"the training text is too long for `novel`: {len(ids):,} symbols"
            raise SettingsError(what, f"at most {MOST:,} can be searched while writing", "leave it out")
        self.size, self._ids, self.context = size, np.asarray(ids), size - 1
        hashes, ends = self._hashes(), self._ids[self.context :]
        order = np.lexsort((ends, hashes))
        hashes, ends = hashes[order], ends[order]
        begins = np.ones(len(order), dtype=bool)  # an entry
        begins[1:] = (hashes[1:] != hashes[:-1]) | self._differ(order)
        fresh = begins.copy()  # a follower that its entry does not have yet
        fresh[1:] |= ends[1:] != ends[:-1]
        self.followers = ends[fresh]
        self.starts = np.append(np.flatnonzero(begins[fresh]), len(self.followers))
        self.hashes, self.places = hashes[begins], order[begins]

    def after(self, context: Sequence[int], hashed: int) -> npt.NDArray[np.unsignedinteger]:
        """What follows `context`, whose hash is given, anywhere in the text."""
        found: list[Ids] = []
        first = int(self.hashes.searchsorted(np.uint64(hashed)))
        for entry in range(first, len(self.hashes)):
            if self.hashes[entry] != hashed:
                break
            place = self.places[entry]
            if self._ids[place : place + self.context].tolist() == context:
                found.append(self.followers[self.starts[entry] : self.starts[entry + 1]])
        return found[0] if len(found) == 1 else np.concatenate([self.followers[:0], *found])

    def _hashes(self) -> npt.NDArray[np.uint64]:
        """Of the context at each place that has a follower: a polynomial in _BASE, modulo 2^64."""
        count = max(0, len(self._ids) - self.context)
        hashes = np.zeros(count, dtype=np.uint64)
        for first in range(self.context if count else 0):
            hashes *= np.uint64(_BASE)
            hashes += self._ids[first : first + count] + np.uint64(1)
        return hashes

    def _differ(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Whether each context differs from the one before it in `order`."""
        differ = np.zeros(max(0, len(order) - 1), dtype=bool)
        for start in range(0, len(differ), _BLOCK):
            some = order[start : start + _BLOCK + 1]
            for offset in range(self.context):
                symbols = self._ids[some + offset]
                differ[start : start + _BLOCK] |= symbols[1:] != symbols[:-1]
        return differ


class Limits:
    """The limits of one sample on its way: what was written last, and which spans there are so far."""

    def __init__(self, no_repeat: int | None, spans: Spans | None, prompt: Iterable[int]) -> None:
        self._repeat, self._spans = no_repeat, spans
        self._kept = max(no_repeat or 1, spans.size if spans is not None else 1) - 1
        self._last: list[int] = []  # symbols; at least those that any span may begin with
        self._seen: dict[tuple[int, ...], list[int]] = defaultdict(list)
        self._hash, self._gone = 0, pow(_BASE, spans.context, 2**64) if spans is not None else 0
        for symbol in prompt:
            self.take(symbol)

    def forbidden(self) -> npt.NDArray[np.int64]:
        """The ids that may not come next."""
        found: list[npt.ArrayLike] = []
        if self._repeat is not None and len(self._last) >= self._repeat - 1:
            found.append(self._seen.get(self._context(self._repeat), []))
        if self._spans is not None and len(self._last) >= self._spans.context:
            found.append(self._spans.after(list(self._context(self._spans.size)), self._hash))
        return np.concatenate([np.zeros(0, dtype=np.int64), *(np.asarray(each, dtype=np.int64) for each in found)])

    def take(self, symbol: int) -> None:
        """A symbol was written."""
        if self._repeat is not None and len(self._last) >= self._repeat - 1:
            self._seen[self._context(self._repeat)].append(symbol)
        if self._spans is not None:
            size = self._spans.context
            old = (self._last[-size] + 1 if len(self._last) >= size else 0) if size else symbol + 1
            self._hash = (self._hash * _BASE + symbol + 1 - old * self._gone) & _MASK
        self._last.append(symbol)
        if len(self._last) > 2 * self._kept + 64:
            del self._last[: -self._kept or None]

    def _context(self, size: int) -> tuple[int, ...]:
        """The last `size` - 1 symbols."""
        return tuple(islice(self._last, len(self._last) - size + 1, None))
