"""Text as characters: their code points, and the two spellings of accented letters.

An é is one character, or the letter e and an accent. Composed (NFC) and decomposed (NFD; Unicode's UAX 15) are the same
text to whoever reads it, and different symbols to a model that learnt one of them.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from charrnn.errors import DataError

Other = TypeVar("Other")
UNKNOWN = np.uint32(0xFFFFFFFF)
_NONE = 255  # in a table of bytes: no symbol


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The code points of `text`."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


class CodePoints:
    """The id of each code point that is a symbol."""

    def __init__(self, places: Mapping[str, int]) -> None:
        single = {ord(symbol): place for symbol, place in places.items() if len(symbol) == 1}
        # one more place than the highest symbol, for everything beyond it
        self.table = np.full(max(single, default=-1) + 2, UNKNOWN, dtype=np.uint32)
        self.table[list(single)] = list(single.values())

    def lookup(self, text: str) -> npt.NDArray[np.uint32]:
        """The id of every character of `text`, UNKNOWN where there is none."""
        return self.table.take(code_points(text), mode="clip")

    def lookup_ascii(self, text: str) -> npt.NDArray[np.uint8] | None:
        """The same of ASCII whose ids are below 255, ten times as fast; None where a character has none."""
        found = text.encode().translate(self._ascii)
        return None if _NONE in found else np.frombuffer(found, dtype=np.uint8)

    def relative(self, character: str) -> np.uint32:
        """The id of the nearest relative of a character that is a symbol, UNKNOWN where there is none."""
        found = (self.lookup(candidate)[0] for candidate in relatives(character))
        return next((known for known in found if known != UNKNOWN), UNKNOWN)

    @cached_property
    def _ascii(self) -> bytes:
        ids = self.table.take(np.arange(256), mode="clip")
        return np.where(ids == UNKNOWN, _NONE, ids).astype(np.uint8).tobytes()


def as_text(content: str | bytes, name: str) -> str:
    """The characters of a text called `name`.

    Raises:
        DataError: it is not UTF-8.
    """
    if isinstance(content, str):
        return content
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"byte 0x{content[error.start]:02x} at offset {error.start} of {name} is not UTF-8"
        raise DataError(what, error.reason, "convert the text to UTF-8") from error


def respelled(text: str, unknown: Callable[[str], int]) -> str:
    """`text` as it is, composed or decomposed: what has the fewest symbols that are `unknown`."""
    if text.isascii() or not unknown(text):
        return text
    return min((text, *(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))), key=unknown)


def in_whole(pieces: Iterable[str | Other], border: Callable[[str], int]) -> Iterator[str | Other]:
    """The same text in pieces that end at a `border`, the last in what it is asked about; what is not text passes."""
    kept = ""
    for piece in pieces:
        if not isinstance(piece, str):
            yield piece
            continue
        kept += piece
        place = border(kept)
        if place or not piece:
            yield kept[:place]
            kept = kept[place:]
    if kept:
        yield kept


def whole_letters(pieces: Iterable[str | Other]) -> Iterator[str | Other]:
    """The same text in pieces that do not begin with accents."""
    return in_whole(pieces, _last_letter)


def _last_letter(text: str) -> int:
    """Where the last letter begins, which an accent may follow; after a line's end none does."""
    if text.endswith("\n"):
        return len(text)
    place = len(text) - 1
    while place > 0 and unicodedata.combining(text[place]):
        place -= 1
    return max(place, 0)


def relatives(character: str) -> Iterator[str]:
    """What may stand for a character: what it decomposes into, then a space; nothing for an accent by itself."""
    yield from unicodedata.normalize("NFKD", character)
    if not unicodedata.combining(character):
        yield " "


class UnknownSymbolError(DataError):
    """A text holds characters outside the vocabulary; says which, and where."""


_LISTED = 5  # unknown characters named in one message


def unknown_symbols(text: str, places: list[int], name: str, start: int, why: str) -> UnknownSymbolError:
    """The error for the symbols of `text` at `places`, which stands at `start` of the text `name`."""
    listed = ", ".join(f"U+{ord(text[place]):04X} at {start + place}" for place in places[:_LISTED])
    more = f" and {len(places) - _LISTED} more" if len(places) > _LISTED else ""
    what = f"{name} has characters that the model does not know: {listed}{more}"
    remedies = "use `unknown=skip` to leave them out", "use `unknown=replace` to take the nearest known ones"
    return UnknownSymbolError(what, why, *remedies)
