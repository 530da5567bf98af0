"""A text with gaps: where they are, how long they may be, and the text again once they are filled.

    Shall I comp___ thee        a gap of three symbols
    Shall I [...] thee          a gap of so many symbols as fit best, where `[...]` stands for one

What is known of the text is written again as it was, also where the model knows no symbol for it. Of words a gap takes
the space before it along, as words do (see `words.py`): what is written there begins with one.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.errors import DataError, SettingsError
from charrnn.text.marks import CONTROLS, FREE, GAP
from charrnn.text.vocabulary import Ids, Vocabulary

ANY, SPACED, UNSPACED = 0, 1, 2  # what may be written: any symbol; of words one with a space before it, or without
_MARKS = re.compile(f"( ?{GAP}| ?{FREE})")
_ONES = (GAP, FREE)


@dataclass(frozen=True)
class Gapped:
    """Symbols in a row, some of them missing."""

    ids: Ids  # anything where one is missing
    missing: npt.NDArray[np.bool_]
    kinds: npt.NDArray[np.int8]  # what may be written where one is missing
    free: npt.NDArray[np.bool_]  # where one stands for a gap of unknown length

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, first: int, last: int) -> "Gapped":
        """Some of it."""
        mine = slice(first, last)
        return Gapped(self.ids[mine], self.missing[mine], self.kinds[mine], self.free[mine])

    def put(self, place: int, symbols: int) -> "Gapped":
        """The same, where the gap of unknown length at `place` has so many symbols."""
        kinds = np.full(symbols, ANY, dtype=np.int8)
        kinds[:1] = self.kinds[place]
        new = Gapped(np.full(symbols, self.ids[place]), np.ones(symbols, bool), kinds, np.zeros(symbols, bool))
        return self.part(0, place).joined(new).joined(self.part(place + 1, len(self)))

    def joined(self, other: "Gapped") -> "Gapped":
        """One behind the other."""
        return Gapped(
            np.concatenate((self.ids, other.ids)),
            np.concatenate((self.missing, other.missing)),
            np.concatenate((self.kinds, other.kinds)),
            np.concatenate((self.free, other.free)),
        )


def marked(text: str, gap: str, gap_text: str | None) -> str:
    """The same text with marks for its gaps.

    Raises:
        SettingsError: `gap` is not one character, or `gap_text` is empty.
        DataError: the text holds such marks.
    """
    if len(gap) != 1:
        raise SettingsError(f"`gap` cannot be {gap!r}", "", "give one character")
    if gap_text == "":
        raise SettingsError("`gap_text` cannot be empty", "", "give what stands for a gap, as in [...]")
    if not (CONTROLS - {"\0"}).isdisjoint(text):
        what = "the text holds characters from U+FDD0 to U+FDD4"
        raise DataError(what, "they are not characters of any text", "remove them")
    text = text if gap_text is None else text.replace(gap_text, FREE)
    return text.replace(gap, GAP)


def gapped(text: str, vocabulary: Vocabulary) -> Gapped:
    """The symbols of a marked text; what the model does not know is left out."""
    parts: list[tuple[Ids, bool, int, bool]] = []
    words, blank = vocabulary.unit == "word", np.zeros(1, dtype=vocabulary.dtype)
    for part in _MARKS.split(text):
        if part[-1:] not in _ONES:
            parts.append((vocabulary.encode(part, unknown="skip"), False, ANY, False))
            continue
        if len(part) > 1 and not words:
            parts.append((vocabulary.encode(part[0], unknown="skip"), False, ANY, False))
        kind = ANY if not words else SPACED if len(part) > 1 else UNSPACED
        parts.append((blank, True, kind, part[-1] == FREE))
    sizes = [len(ids) for ids, *_ in parts]
    _, missing, kinds, free = zip(*parts, strict=True)
    columns = (np.repeat(np.array(c), sizes) for c in (missing, np.array(kinds, dtype=np.int8), free))
    return Gapped(np.concatenate([ids for ids, *_ in parts]), *columns)


def runs(gapped: Gapped) -> Iterator[tuple[int, int]]:
    """From where to where each gap is: missing symbols in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], gapped.missing, [False])).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def filled(text: str, written: Iterable[str]) -> str:
    """A marked text with its gaps filled, one after the other."""
    coming = iter(written)
    return "".join(part[:-1] + next(coming) if part[-1:] in _ONES else part for part in _MARKS.split(text))
