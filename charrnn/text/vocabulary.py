"""Text <-> ids, for characters (Unicode code points) and bytes.

A vocabulary is a unit and its sorted symbols; a symbol's id is its place in that order. Encoding is lossless or it
raises: no symbol is ever replaced or dropped unless the caller asks for it by name. The byte unit knows all 256 bytes,
so it never fails.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from charrnn.errors import DataError

Ids = npt.NDArray[np.unsignedinteger]
UNKNOWN = np.uint32(0xFFFFFFFF)
_NONE = 255  # in a table of bytes: no symbol
_LISTED = 5  # unknown characters named in one message


class UnknownSymbolError(DataError):
    """A text holds characters outside the vocabulary; says which, and where."""


class Alphabet:
    """The distinct symbols of a text that comes in pieces."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self._small = b""  # bytes, or ASCII
        self._present = np.zeros(0, dtype=bool)  # code points

    def add(self, piece: str | bytes) -> None:
        """Take up the symbols of a piece."""
        if isinstance(piece, bytes) or piece.isascii():
            new = (piece if isinstance(piece, bytes) else piece.encode()).translate(None, self._small)
            self._small += bytes(sorted(set(new)))
            return
        if not len(self._present):
            self._present = np.zeros(0x110000, dtype=bool)
        self._present[_code_points(piece)] = True

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
        both = Alphabet(self.unit)
        for alphabet in (self, other) if other is not None else (self,):
            both._small += alphabet._small
            if len(alphabet._present):
                both._present = both._present | alphabet._present if len(both._present) else alphabet._present
        return both

    def vocabulary(self) -> "Vocabulary":
        """The vocabulary of these symbols; all 256 for bytes."""
        return Vocabulary(self.unit, tuple(map(chr, range(256) if self.unit == "byte" else self.points)))


@dataclass(frozen=True)
class Vocabulary:
    """The symbols that a model reads and writes. `symbols[i]` is the text of id i (a Latin-1 character for a byte)."""

    unit: str
    symbols: tuple[str, ...]

    @classmethod
    def of(cls, content: str | bytes) -> "Vocabulary":
        """The vocabulary of a text: its distinct characters, or all 256 bytes for a byte string."""
        alphabet = Alphabet("byte" if isinstance(content, bytes) else "char")
        alphabet.add(content)
        return alphabet.vocabulary()

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def dtype(self) -> type[np.unsignedinteger]:
        """The smallest unsigned integer that holds every id."""
        return np.uint8 if len(self) <= 1 << 8 else np.uint16 if len(self) <= 1 << 16 else np.uint32

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over unit and symbols: equal exactly when two vocabularies give every text the same ids."""
        return hashlib.sha256(f"{self.unit}\0{''.join(self.symbols)}".encode()).hexdigest()

    @cached_property
    def _table(self) -> npt.NDArray[np.uint32]:
        """Code point -> id, with one more place than the highest symbol for everything beyond it."""
        points = np.array([ord(symbol) for symbol in self.symbols], dtype=np.int64)
        table = np.full(int(points.max(initial=-1)) + 2, UNKNOWN, dtype=np.uint32)
        table[points] = np.arange(len(self), dtype=np.uint32)
        return table

    @cached_property
    def _ascii(self) -> bytes:
        """ASCII -> id as a table for `bytes.translate`, which is ten times as fast as an array's lookup."""
        ids = self._table[np.minimum(np.arange(256), len(self._table) - 1)]
        return np.where(ids == UNKNOWN, _NONE, ids).astype(np.uint8).tobytes()

    def encode_all(self, pieces: Iterable[str | bytes]) -> Ids:
        """The ids of a text that comes in pieces, all of whose symbols are known."""
        parts = [self.encode(piece, name="the corpus") for piece in pieces]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=self.dtype)

    def lookup(self, content: str | bytes) -> npt.NDArray[np.uint32]:
        """The id of every symbol of `content`, UNKNOWN where there is none."""
        if self.unit == "byte":
            data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
            return np.frombuffer(data, dtype=np.uint8).astype(np.uint32)
        return self._table.take(_code_points(_text(content)), mode="clip")

    def encode(self, content: str | bytes, *, unknown: str = "error", name: str = "the text", start: int = 0) -> Ids:
        """Encode `content`, which stands at `start` of the text `name`; `unknown` is `error`, `skip` or `replace`.

        `replace` writes a symbol's nearest known relative (its Unicode decomposition: é becomes e), else a space,
        else leaves it out.

        Raises:
            UnknownSymbolError: with `error`, naming the characters and their positions (counted from 0).
        """
        if self.unit == "byte" and isinstance(content, bytes):
            return np.frombuffer(content, dtype=np.uint8)
        if isinstance(content, str) and len(self) <= _NONE and content.isascii():
            found = content.encode().translate(self._ascii)
            if _NONE not in found:
                return np.frombuffer(found, dtype=np.uint8)
        ids = self.lookup(content)
        places = np.flatnonzero(ids == UNKNOWN)
        if not len(places):
            return ids.astype(self.dtype)
        text = _text(content)
        if unknown == "error":
            raise self._unknown(text, places, name, start)
        if unknown == "replace":
            for place in places:
                ids[place] = self._relative(text[place])
        return np.asarray(ids[ids != UNKNOWN].astype(self.dtype))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; bytes that are not UTF-8 become U+FFFD. For the exact bytes use `to_bytes`."""
        return self.to_bytes(ids).decode("utf-8", "replace")

    def to_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes of `ids`: UTF-8 for characters, themselves for bytes."""
        return "".join(self.symbols[i] for i in ids).encode("latin-1" if self.unit == "byte" else "utf-8")

    def measure(self, ids: Ids) -> tuple[int, int]:
        """(characters, UTF-8 bytes) of an encoded text, without decoding it."""
        if self.unit == "byte":
            return int(np.count_nonzero((ids & 0xC0) != 0x80)), len(ids)
        widths = np.array([len(symbol.encode()) for symbol in self.symbols], dtype=np.int64)
        return len(ids), int(widths[ids].sum())

    def _relative(self, character: str) -> np.uint32:
        for candidate in (*unicodedata.normalize("NFKD", character), " "):
            known = self.lookup(candidate)[0]
            if known != UNKNOWN:
                return np.uint32(known)
        return UNKNOWN

    def _unknown(self, text: str, places: npt.NDArray[np.intp], name: str, start: int) -> UnknownSymbolError:
        listed = ", ".join(f"U+{ord(text[place]):04X} at {start + place}" for place in places[:_LISTED].tolist())
        more = f" and {len(places) - _LISTED} more" if len(places) > _LISTED else ""
        what = f"{name} has characters that the model does not know: {listed}{more}"
        return UnknownSymbolError(what, "", "use --unknown skip or --unknown replace")


def _text(content: str | bytes) -> str:
    if isinstance(content, str):
        return content
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"byte 0x{content[error.start]:02x} at offset {error.start} is not UTF-8"
        raise DataError(what, error.reason, "convert the text to UTF-8") from error


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
