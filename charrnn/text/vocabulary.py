"""Text <-> ids, for characters (Unicode code points), bytes and words.

A vocabulary is a unit and its sorted symbols; a symbol's id is its place in that order. Encoding is lossless or it
raises: no symbol is ever replaced or dropped unless the caller asks for it by name, or the vocabulary folds rare ones.
The byte unit knows all 256 bytes, so it never fails; a word that is no symbol is spelled in characters.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from charrnn.text.characters import UNKNOWN, CodePoints, as_text, respelled, unknown_symbols, whole_letters
from charrnn.text.labels import single, symbols_of
from charrnn.text.layout import CONTINUOUS, Independent, Layout
from charrnn.text.layout import Ids as Ids
from charrnn.text.marks import ANSWER, END, GAP, VECTOR, Labels
from charrnn.text.words import spelled, whole_words

_CHARACTERS = 0x110000 - 2048  # code points without surrogates
_SPELLED = "its accented letters are spelled otherwise (composed or decomposed)"


@dataclass(frozen=True)
class Vocabulary:
    """The symbols that a model reads and writes. `symbols[i]` is the text of id i (a Latin-1 character for a byte)."""

    unit: str
    symbols: tuple[str, ...]
    end: str | None = None  # how the end of a record is written, where texts are records
    answer: str | None = None  # what stands between a record's question and its answer, where only that counts
    folds: bool = False  # whether one more id, the last, stands for every other character
    vectors: bool = False  # whether records begin with vectors, which have ids of their own, from len(self) on
    gaps: bool = False  # whether a symbol stands for what is missing, or is to be labelled
    labels: tuple[str, ...] = ()  # what the last symbols say, where words are labelled

    @classmethod
    def of(cls, content: str | bytes) -> "Vocabulary":
        """The vocabulary of a text: its distinct characters, or all 256 bytes for a byte string."""
        if isinstance(content, bytes):
            return cls("byte", tuple(map(chr, range(256))))
        return cls("char", tuple(sorted(set(content))))

    def __len__(self) -> int:
        return len(self.symbols) + self.folds

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._places

    @property
    def dtype(self) -> type[np.unsignedinteger]:
        """The smallest unsigned integer that holds every id."""
        if self.vectors:
            return np.uint32
        return np.uint8 if len(self) <= 1 << 8 else np.uint16 if len(self) <= 1 << 16 else np.uint32

    @cached_property
    def end_id(self) -> int | None:
        """The id that ends a record, where texts are records."""
        return self._places[END] if self.end is not None else None

    @cached_property
    def answer_id(self) -> int | None:
        """The id after which a record's answer begins, where only that counts."""
        return self._places[ANSWER] if self.answer is not None else None

    @cached_property
    def layout(self) -> Layout:
        """How texts lie in their ids."""
        if self.end_id is None:
            return CONTINUOUS
        labels = None if self.gap_id is None or not self.labels else Labels(*self._labelled, self.gap_id)
        return Independent(self.end_id, self.answer_id, len(self) if self.vectors else None, labels)

    @cached_property
    def gap_id(self) -> int | None:
        """The id that is read where something is missing, or is to be labelled."""
        return self._places[GAP] if self.gaps else None

    @cached_property
    def _label_symbols(self) -> dict[str, str]:
        return symbols_of(self.labels)

    def _single(self, text: str) -> str:
        return single(text, self._label_symbols) if self.labels else text

    @property
    def _labelled(self) -> tuple[int, int]:
        return len(self.symbols) - len(self.labels), len(self.symbols)

    @cached_property
    def unwritten(self) -> list[int]:
        """The ids that no text is written with: unknown characters, labels, and what an answer follows."""
        marks = [(ANSWER, self.answer is not None), (VECTOR, self.vectors), (GAP, self.gaps)]
        unknown = [len(self.symbols)] * self.folds
        return [self._places[mark] for mark, there in marks if there] + [*range(*self._labelled)] + unknown

    @cached_property
    def spelling(self) -> float:
        """Nats of saying which of all characters an unknown one is, each as likely, so that a score stays a code."""
        return math.log(max(1, _CHARACTERS - len(self.symbols)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything: equal exactly when two vocabularies give every text the same ids."""
        whole = self.unit, self.symbols, self.end, self.answer, self.folds, *[True] * self.vectors
        more = (self.labels,) if self.gaps else ()
        return hashlib.sha256(json.dumps((*whole, *more)).encode()).hexdigest()

    @cached_property
    def _places(self) -> dict[str, int]:
        return {symbol: place for place, symbol in enumerate(self.symbols)}

    @cached_property
    def written(self) -> tuple[str, ...]:
        """What each id is written as."""
        marks = (END, self.end), (ANSWER, self.answer), (VECTOR, "" if self.vectors else None), (GAP, "_")
        shown = {symbol: text for symbol, text in marks if text is not None}
        single = self.symbols[: self._labelled[0]]
        return (*(shown.get(symbol, symbol) for symbol in single), *self.labels, *["\ufffd"] * self.folds)

    @cached_property
    def widths(self) -> npt.NDArray[np.int64]:
        """(2, V): the characters and the UTF-8 bytes of each id; a byte is a character unless it continues one."""
        if self.unit == "byte":
            return np.array([[(byte & 0xC0) != 0x80 for byte in range(256)], [1] * 256], dtype=np.int64)
        found = np.array([(len(text), len(text.encode())) for text in self.written], dtype=np.int64).reshape(-1, 2)
        found[slice(*self._labelled)] = 1  # a label is one choice
        return found.T

    @cached_property
    def lengths(self) -> list[int]:
        """How much of the length of a sample each id takes: its characters; a byte takes one."""
        return [1] * 256 if self.unit == "byte" else self.widths[0].tolist()

    @cached_property
    def _points(self) -> CodePoints:
        return CodePoints(self._places)

    def lookup(self, content: str | bytes, name: str = "the text") -> npt.NDArray[np.uint32]:
        """The id of every symbol of `content`, UNKNOWN where there is none."""
        if self.unit == "byte":
            data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
            return np.frombuffer(data, dtype=np.uint8).astype(np.uint32)
        text = self._single(as_text(content, name))
        if self.unit == "word":
            return np.array(spelled(text, self._places, int(UNKNOWN)), dtype=np.uint32)
        return self._points.lookup(text)

    def encode(self, content: str | bytes, *, unknown: str = "error", name: str = "the text", start: int = 0) -> Ids:
        """Encode `content`, which stands at `start` of the text `name`; `unknown` is `error`, `skip` or `replace`.

        `replace` reads accented letters in the spelling that is known (see `characters.py`). What is still unknown it
        writes as its nearest relative (its Unicode decomposition: é becomes e), else as a space, else leaves it out,
        as it does accents that stand by themselves. A vocabulary that folds writes every unknown symbol as its last.

        Raises:
            UnknownSymbolError: with `error`, naming the characters and their positions (counted from 0).
        """
        if self.unit == "byte" and isinstance(content, bytes):
            return np.frombuffer(content, dtype=np.uint8)
        if self.unit == "char" and isinstance(content, str) and len(self) < 256 and content.isascii():
            found = self._points.lookup_ascii(content)
            if found is not None:
                return found
        ids = self.lookup(content, name)
        missing = np.flatnonzero(ids == UNKNOWN)
        if self.folds:
            ids[missing] = len(self.symbols)
        elif len(missing):
            text, places = self._single(as_text(content, name)), self._where(ids)[missing]
            other = respelled(text, self.count_unknown)
            if unknown == "error":
                raise unknown_symbols(text, places.tolist(), name, start, _SPELLED if other != text else "")
            if unknown == "replace" and other != text:
                return self.encode(other, unknown=unknown, name=name)
            if unknown == "replace":
                ids[missing] = [self._points.relative(text[place]) for place in places]
        return np.asarray(ids[ids != UNKNOWN].astype(self.dtype))

    def stream(
        self,
        pieces: Iterable[str | bytes | Ids],
        unknown: str,
        name: str = "the text",
        missing: list[int] | None = None,
    ) -> Iterator[Ids]:
        """The ids of a text that comes in pieces; how many symbols were unknown is added to `missing`."""
        start, rows = 0, 0
        coming: Iterable[str | bytes | Ids] = whole_letters(pieces) if unknown == "replace" else pieces
        coming = whole_words(coming) if self.unit == "word" else coming
        for piece in coming:
            if not isinstance(piece, (str, bytes)):
                yield piece
                continue
            if unknown == "replace" and isinstance(piece, str):
                piece = respelled(piece, self.count_unknown)
            if missing is not None:
                missing[0] += self.count_unknown(piece)
            ids = self.numbered(self.encode(piece, unknown=unknown, name=name, start=start), rows)
            rows += int((ids >= len(self)).sum()) if self.vectors else 0
            yield ids
            start += len(piece)

    def numbered(self, ids: Ids, rows: int = 0) -> Ids:
        """The same, where each vector has the id of its row, behind so many that came before."""
        if not self.vectors:
            return ids
        places = np.flatnonzero(ids == self._places[VECTOR])
        ids = ids.astype(self.dtype)  # a copy
        ids[places] = len(self) + rows + np.arange(len(places))
        return ids

    def unnumbered(self, ids: Ids) -> Ids:
        """The same, where all vectors have one id again: that of a symbol that writes nothing."""
        return np.where(ids < len(self), ids, self._places[VECTOR]).astype(self.dtype) if self.vectors else ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; bytes that are not UTF-8 become U+FFFD. For the exact bytes use `to_bytes`."""
        return self.to_bytes(ids).decode("utf-8", "replace")

    def to_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes of `ids`: UTF-8 for characters and words, themselves for bytes."""
        return "".join([self.written[i] for i in ids]).encode("latin-1" if self.unit == "byte" else "utf-8")

    def measure(self, ids: Ids) -> tuple[int, int]:
        """(characters, UTF-8 bytes) of an encoded text, without decoding it."""
        characters, size = self.widths @ np.bincount(self.unnumbered(ids), minlength=len(self))
        return int(characters), int(size)

    def count_unknown(self, content: str | bytes) -> int:
        """How many symbols of `content` there is no id for."""
        return int((self.lookup(content) == UNKNOWN).sum())

    def _where(self, ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """The place in its text of every id of a lookup."""
        if self.unit != "word":
            return np.arange(len(ids))
        widths = np.append(self.widths[0], 1)[np.minimum(ids, len(self))]
        return np.asarray(np.cumsum(widths) - widths)
