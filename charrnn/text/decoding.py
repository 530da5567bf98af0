"""Bytes in pieces -> characters in pieces, strictly unless asked otherwise, whatever a border between pieces cuts.

A byte order mark is dropped, and one of UTF-16 or UTF-32 says how to read a text that nobody said to be anything else.
"""

import codecs
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from charrnn.errors import DataError, SettingsError
from charrnn.text.likely import likely_encoding

_WIDE_MARKS = (
    *((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32")),
    *((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")),
)
_LONGEST_MARK = 4  # bytes
_OTHERWISE = ("replace what cannot be decoded with `errors=replace`", "train on raw bytes with `unit=byte`")
_REMEDIES = ("give the right `encoding`", *_OTHERWISE)


@dataclass(frozen=True)
class Decoding:
    """How bytes become characters.

    encoding: a codec; utf-8 gives way to the mark of another Unicode encoding.
    errors: `strict`, `replace` (undecodable bytes become U+FFFD) or `ignore` (they are left out).
    newlines: `keep`, or `lf` (carriage returns, also before a line feed, become line feeds).
    """

    encoding: str = "utf-8"
    errors: str = "strict"
    newlines: str = "keep"


def check_encoding(encoding: str) -> None:
    """Refuse names that are not text encodings."""
    try:
        b"".decode(encoding)
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError) as error:
        raise SettingsError(f"no text encoding is called {encoding!r}", "", "try utf-8, latin-1 or cp1252") from error


def mark_of(start: bytes) -> str | None:
    """The wide Unicode encoding whose mark a text begins with."""
    return next((wide for mark, wide in _WIDE_MARKS if start.startswith(mark)), None)


def decode(
    name: str, chunks: Iterable[bytes], how: Decoding, notices: list[str] | None = None, *, advise: bool = False
) -> Iterator[str]:
    """Decode the file called `name`.

    Raises:
        DataError: naming file, line and byte offset; for what is not UTF-8, on request, also a likely encoding.
    """
    notices = [] if notices is None else notices
    coming, first = iter(chunks), b""
    for chunk in coming:
        first += chunk
        if len(first) >= _LONGEST_MARK:
            break
    encoding = how.encoding
    if _is_utf8(encoding) and (wide := mark_of(first)):
        encoding = wide
        notices.append(f"read {name} as {wide}: it begins with its mark")
    decoder: Any = codecs.getincrementaldecoder(encoding)(how.errors)
    lines = io.IncrementalNewlineDecoder(None, translate=True) if how.newlines == "lf" else None
    place = _Place(name, encoding)
    begun = False
    for chunk, final in chain(((chunk, False) for chunk in chain([first], coming)), [(b"", True)]):
        try:
            piece = decoder.decode(chunk, final=final)
        except UnicodeDecodeError as error:
            remedies = _advice(error.object) if advise and _is_utf8(encoding) else _REMEDIES
            raise place.undecodable(error, chunk, remedies) from error
        except UnicodeError as error:
            raise DataError(f"{name} is not {encoding}", str(error), *_REMEDIES) from error
        place.pass_over(chunk, piece)
        if piece and not begun:
            begun = True
            if piece[0] == "\ufeff":
                piece = piece[1:]
                notices.append(MARKED)
        yield piece if lines is None else lines.decode(piece, final=final)


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def _advice(undecodable: bytes) -> tuple[str, ...]:
    """What to do about bytes that are not UTF-8, where all before them was."""
    likely = likely_encoding(undecodable)
    return (f"it looks like {likely}: give `encoding={likely}`", *_OTHERWISE) if likely else _REMEDIES


MARKED = "a byte order mark"  # a notice that is counted, not shown one by one


@dataclass
class _Place:
    """How far a file was read."""

    name: str
    encoding: str
    offset: int = 0
    lines: int = 0
    characters: int = 0

    def pass_over(self, chunk: bytes, piece: str) -> None:
        """Count what was read; a NUL says that it is no text."""
        if "\0" in piece:
            why = f"NUL at character {self.characters + piece.index(chr(0))}"
            raise DataError(
                f"{self.name} is a binary file", why, "name a text file", "train on raw bytes with `unit=byte`"
            )
        self.offset += len(chunk)
        self.lines += int(np.count_nonzero(np.frombuffer(chunk, dtype=np.uint8) == 10))  # ten times as fast as count
        self.characters += len(piece)

    def undecodable(self, error: UnicodeDecodeError, chunk: bytes, remedies: Sequence[str]) -> DataError:
        """Where the decoder failed at; it had kept some bytes of the chunk before."""
        kept = len(error.object) - len(chunk)
        line = self.lines - error.object.count(b"\n", 0, kept) + error.object.count(b"\n", 0, error.start) + 1
        where = f"{self.name}, line {line}: byte 0x{error.object[error.start]:02x} at offset"
        return DataError(f"{where} {self.offset - kept + error.start} is not {self.encoding}", error.reason, *remedies)
