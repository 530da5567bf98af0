"""The distinct symbols of a text that comes in pieces, counted where something depends on how often they stand there.

From it the vocabulary is made. With `--min-count N` characters that stand there fewer than N times are folded into one
unknown symbol. Words are always counted: the frequent ones become symbols, all others are spelled in characters.
"""

from collections import Counter
from typing import Any

import numpy as np

from charrnn.errors import SettingsError
from charrnn.text.characters import code_points
from charrnn.text.labels import LABELLED, check, symbols_of
from charrnn.text.marks import CONTROLS, FIRST_LABEL, GAP, VECTOR
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.words import words

MOST_WORDS = 8_192  # in a vocabulary whose --min-count was left to the program
_POINTS = 0x110000


class Alphabet:
    """The symbols of a text, so far.

    Raises:
        SettingsError: rare bytes were to be folded.
    """

    def __init__(self, unit: str, min_count: int | None = None, labelled: bool = False) -> None:
        if unit == "byte" and (min_count or 1) > 1:
            raise SettingsError("`min_count` is for characters and words", "a byte is one of 256", "leave it out")
        self.unit, self.min_count, self.labelled = unit, min_count, labelled
        self.counting = unit == "char" and min_count is not None and min_count > 1
        self._small = b""  # bytes, or ASCII
        self._present = np.zeros(0, dtype=bool)  # code points
        self._counts = np.zeros(_POINTS if self.counting else 0, dtype=np.int64)
        self.words: Counter[str] = Counter()
        self.labels, self.names = set[str](), 0  # and how many characters are written for them, less one each

    def add(self, piece: str | bytes) -> None:
        """Take up the symbols of a piece; words and labels must not go on in the next one."""
        if self.labelled and isinstance(piece, str):
            names = LABELLED.findall(piece)
            self.labels.update(names)
            self.names += sum(map(len, names)) + len(names)  # of three characters and more there is one symbol
            piece = LABELLED.sub("", piece)
        if self.unit == "word" and isinstance(piece, str):
            self.words.update(words(piece))
        if self.counting and isinstance(piece, str):
            found = np.bincount(code_points(piece))
            self._counts[: len(found)] += found
        if isinstance(piece, bytes) or piece.isascii():
            new = (piece if isinstance(piece, bytes) else piece.encode()).translate(None, self._small)
            self._small += bytes(sorted(set(new)))
            return
        if not len(self._present):
            self._present = np.zeros(_POINTS, dtype=bool)
        self._present[code_points(piece)] = True

    @property
    def points(self) -> list[int]:
        """The code points (or bytes), sorted."""
        return sorted({*self._small, *np.flatnonzero(self._present).tolist()})

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.points)

    def example(self) -> str:
        """One of them."""
        return chr(self.points[0])

    def joined(self, other: "Alphabet | None") -> "Alphabet":
        """The symbols of both."""
        both = Alphabet(self.unit, self.min_count)
        for alphabet in (self, other) if other is not None else (self,):
            both._small += alphabet._small
            if len(alphabet._present):
                both._present = both._present | alphabet._present if len(both._present) else alphabet._present
            both._counts = both._counts + alphabet._counts
            both.words.update(alphabet.words)
            both.labels |= alphabet.labels
        return both

    def vocabulary(self, end: str | None = None, answer: str | None = None, *, gaps: bool = False) -> Vocabulary:
        """The vocabulary of these symbols; all 256 for bytes. For everything else see `Vocabulary`.

        Raises:
            DataError: there are too many labels.
        """
        if self.unit == "byte":
            return Vocabulary("byte", tuple(map(chr, range(256))))
        symbols = {chr(point) for point in self.points}
        labels = tuple(sorted(self.labels))
        others: dict[str, Any] = {"vectors": VECTOR in symbols and end is not None, "gaps": gaps, "labels": labels}
        if gaps:
            check(labels)
            symbols |= {GAP, *symbols_of(labels).values()}
        if self.counting:
            common = {symbol for symbol in symbols if self._counts[ord(symbol)] >= (self.min_count or 0)}
            kept = common | {symbol for symbol in symbols if symbol in CONTROLS or ord(symbol) >= FIRST_LABEL}
            return Vocabulary("char", tuple(sorted(kept)), end, answer, kept != symbols, **others)
        return Vocabulary(self.unit, tuple(sorted(symbols | self._frequent_words())), end, answer, **others)

    def length(self, characters: int, vocabulary: Vocabulary) -> int:
        """How many ids a text of so many `characters`, whose alphabet this is, has in `vocabulary`."""
        if self.unit != "word":
            return characters - self.names
        return (
            characters
            - self.names
            - sum(count * (len(word) - 1) for word, count in self.words.items() if word in vocabulary)
        )

    def _frequent_words(self) -> set[str]:
        if self.unit != "word":
            return set()
        counts = sorted((count for word, count in self.words.items() if len(word) > 1), reverse=True)
        if self.min_count is None:
            self.min_count = max(2, counts[MOST_WORDS] + 1 if len(counts) > MOST_WORDS else 2)
        return {word for word, count in self.words.items() if len(word) > 1 and count >= self.min_count}
