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
from charrnn.text.likely import WHOLE, Likely, likely_encodings
from charrnn.text.packed import BEGINNING, check_document
from charrnn.text.visible import visible
from charrnn.text.wide import mark_of, unmarked_wide

_EXCERPT = 24  # characters before and behind what differs
_RAW = "train on raw bytes with `unit=byte`"
_OTHERWISE = ("replace what cannot be decoded with `errors=replace`", _RAW)
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

    def special(self) -> list[str]:
        """What differs from UTF-8, strictly and as it stands: arguments that raw bytes have no use for."""
        asked = {"encoding": "utf-8" if _is_utf8(self.encoding) else self.encoding}
        asked |= {"errors": self.errors, "newlines": self.newlines}
        return [f"{key}={value}" for key, value in asked.items() if value != getattr(Decoding, key)]


def check_encoding(encoding: str) -> None:
    """Refuse names that are not text encodings."""
    try:
        b"".decode(encoding)
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError) as error:
        raise SettingsError(f"no text encoding is called {encoding!r}", "", "try utf-8, latin-1 or cp1252") from error


def decode(
    name: str, chunks: Iterable[bytes], how: Decoding, notices: list[str] | None = None, *, advise: bool = False
) -> Iterator[str]:
    """Decode the file called `name`.

    Raises:
        DataError: naming file, line and byte offset; for what is not UTF-8, on request, also a likely encoding.
    """
    notices = [] if notices is None else notices
    coming = iter(chunks)
    first = _begun(coming)
    check_document(name, b"".join(first))
    encoding = how.encoding
    if _is_utf8(encoding) and (wide := mark_of(b"".join(first))):
        encoding = wide
        notices.append(f"read {name} as {wide}: it begins with its mark")
    advise = advise and _is_utf8(encoding)
    decoder: Any = codecs.getincrementaldecoder(encoding)(how.errors)
    lines = io.IncrementalNewlineDecoder(None, translate=True) if how.newlines == "lf" else None
    place = _Place(name, encoding)
    begun = False
    for chunk, final in chain(((chunk, False) for chunk in chain(first, coming)), [(b"", True)]):
        try:
            piece = decoder.decode(chunk, final=final)
        except UnicodeDecodeError as error:
            remedies = _advice(name, error.object, coming) if advise else _REMEDIES
            raise place.undecodable(error, chunk, remedies) from error
        except UnicodeError as error:
            raise DataError(f"{name} is not {encoding}", str(error), *_REMEDIES) from error
        if "\0" in piece:
            if advise:
                _check_wide(name, chunk)
            raise place.binary(piece)
        place.pass_over(chunk, piece)
        if piece and not begun:
            begun = True
            if piece[0] == "\ufeff":
                piece = piece[1:]
                notices.append(MARKED)
        yield piece if lines is None else lines.decode(piece, final=final)


def _begun(coming: Iterator[bytes]) -> list[bytes]:
    """The first chunks, as many as tell what a file is, in one; and behind it the pause of a pipe, if there was one."""
    first = b""
    for chunk in coming:
        first += chunk
        if len(first) >= BEGINNING:
            break
        if first and not chunk:
            return [first, b""]
    return [first]


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def _advice(name: str, undecodable: bytes, coming: Iterator[bytes]) -> tuple[str, ...]:
    """What to do about bytes that are not UTF-8, where all before them was."""
    evidence = undecodable
    while len(evidence) < WHOLE and (chunk := next(coming, b"")):
        evidence += chunk
    _check_wide(name, evidence)
    likely = likely_encodings(evidence)
    if not likely:
        return _REMEDIES
    first = likely[0].encoding
    if likely[0].clear:
        return f"it looks like {first}: give `encoding={first}`", *_OTHERWISE
    *others, last = [f"{each.encoding} ({line!r})" for each, line in zip(likely, _excerpts(likely), strict=True)]
    named = f"{', '.join(others)} or {last}" if others else last
    return f"it may be {named}: give the `encoding` that reads right", *_OTHERWISE


def _check_wide(name: str, evidence: bytes) -> None:
    """Refuse what is UTF-16 or UTF-32 without a mark, by name."""
    wide = unmarked_wide(evidence)
    if wide:
        why = f"it is probably {wide[:6].upper()} without a byte order mark"
        raise DataError(f"{name} is not utf-8", why, f"give `encoding={wide}`", _RAW)


def _excerpts(likely: list[Likely]) -> list[str]:
    """What each makes of the line, about where they differ."""
    lines = [each.line for each in likely]
    if len(lines) == 1:
        place = next((place for place, character in enumerate(lines[0]) if not character.isascii()), 0)
    else:
        place = next((place for place, these in enumerate(zip(*lines, strict=False)) if len(set(these)) > 1), 0)
    return [visible(line[max(0, place - _EXCERPT) : place + _EXCERPT].strip()).replace("`", "'") for line in lines]


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
        """Count what was read."""
        self.offset += len(chunk)
        self.lines += int(np.count_nonzero(np.frombuffer(chunk, dtype=np.uint8) == 10))  # ten times as fast as count
        self.characters += len(piece)

    def binary(self, piece: str) -> DataError:
        """A NUL says that it is no text."""
        why = f"NUL at character {self.characters + piece.index(chr(0))}"
        return DataError(f"{self.name} is a binary file", why, "name a text file", _RAW)

    def undecodable(self, error: UnicodeDecodeError, chunk: bytes, remedies: Sequence[str]) -> DataError:
        """Where the decoder failed at; it had kept some bytes of the chunk before."""
        kept = len(error.object) - len(chunk)
        line = self.lines - error.object.count(b"\n", 0, kept) + error.object.count(b"\n", 0, error.start) + 1
        where = f"{self.name}, line {line}: byte 0x{error.object[error.start]:02x} at offset"
        return DataError(f"{where} {self.offset - kept + error.start} is not {self.encoding}", error.reason, *remedies)
