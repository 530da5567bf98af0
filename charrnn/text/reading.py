"""Files, folders, glob patterns and standard input -> one text, piece by piece.

1. Every argument becomes a list of places (`places.py`): a file, the files of a folder, or standard input.
2. Every place is read as bytes, decompressed as it streams if its name says so (.gz, .bz2, .xz).
3. Bytes become characters by one codec, strictly (`decoding.py`).

Texts are joined in the order given, with nothing between them. This room knows neither vocabularies nor splits. A file
that was named is read or refused; a folder passes over files that are not text, and says how many and which.
"""

import bz2
import gzip
import lzma
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from charrnn.errors import DataError, MissingInputError, SettingsError, unreadable
from charrnn.text.decoding import MARKED, Decoding, check_encoding, decode
from charrnn.text.places import STDIN, is_folder, places
from charrnn.text.records import LINES, Records
from charrnn.text.vocabulary import END

PIECE = 1 << 18  # bytes; what is made of a piece then stays in a processor's cache
COMPRESSED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


@dataclass(frozen=True)
class Source:
    """Where a text comes from, and how its bytes become symbols' characters (or stay bytes, for the unit `byte`)."""

    arguments: tuple[str, ...]
    unit: str = "char"
    decoding: Decoding = field(default_factory=Decoding)
    glob: str | None = None
    exclude: tuple[str, ...] = ()
    records: Records | None = None

    def readable_again(self) -> bool:
        """Whether nothing of it is a pipe."""
        return not any(name == STDIN or Path(name).is_fifo() for name in self.arguments)


def stream_text(source: Source, notices: list[str]) -> Iterator[str | bytes]:
    """The text of `source` in pieces; adds to `notices` what a user should know.

    Memory does not grow with a file that was named; a file of a folder is read whole before it is known to be text.

    Raises:
        SettingsError: no such encoding, or one for bytes.
        MissingInputError: a place is missing or unreadable.
        DataError: a file is not text in this encoding; a folder or pattern holds no text.
    """
    check_encoding(source.decoding.encoding)
    if source.unit == "byte" and (source.decoding.newlines != "keep" or source.records is not None):
        what = "`newlines=lf` needs" if source.records is None else "records need"
        raise SettingsError(f"{what} characters", "raw bytes are read as they are", "leave `unit=byte` out")
    told: list[str] = []
    if source.records is not None:
        yield END
    for argument in source.arguments:
        found, passed = 0, []
        lenient = is_folder(argument)
        for name in places(argument, source.glob, source.exclude):
            said: list[str] = []
            pieces = _text_of(name, source, said, advise=not lenient)
            if lenient:
                try:
                    pieces = iter(_whole(name, pieces))
                except DataError:
                    passed.append(name)
                    continue
            yield from pieces if source.records is None else source.records.marked(name, pieces)
            found, told = found + 1, told + said
        if passed:
            what = f"passed over {_files(len(passed))} in {argument} that are not {source.decoding.encoding} text"
            told.append(f"{what}, such as {passed[0]}")
        if not found:
            raise DataError(
                f"no text in {argument}", "no file there can be read as text", "check `glob`, `exclude` and `encoding`"
            )
    if marked := told.count(MARKED):
        told.append(f"dropped the byte order mark of {_files(marked)}")
    notices += [notice for notice in told if notice != MARKED]


def _text_of(name: str, source: Source, notices: list[str], *, advise: bool) -> Iterator[str | bytes]:
    if source.unit == "byte":
        return stream_bytes(name)
    shown, how = "standard input" if name == STDIN else name, source.decoding
    if source.records is not None and source.records.separator in LINES:  # a line ends however its file says so
        how = replace(how, newlines="lf")
    return decode(shown, stream_bytes(name), how, notices, advise=advise)


def _whole(name: str, pieces: Iterator[str | bytes]) -> list[str | bytes]:
    """A file of a folder: all of it is text, or none is taken. Bytes never fail, but a NUL says that they are none."""
    read = list(pieces)
    if any(isinstance(piece, bytes) and b"\0" in piece for piece in read):
        raise DataError(f"{name} is a binary file")
    return read


def check_files(source: Source) -> None:
    """Refuse names that lead to no file, before anything is read; what a folder holds is not looked at.

    Raises:
        MissingInputError: a place is missing, is neither a file nor a folder, or no file matches a pattern.
    """
    for argument in source.arguments:
        for name in () if is_folder(argument) else places(argument, source.glob, source.exclude):
            _check_file(name)


def _check_file(name: str) -> None:
    try:
        mode = stat.S_IFREG if name == STDIN else Path(name).stat().st_mode
    except OSError as error:
        unreadable(error)
    except ValueError as error:
        raise MissingInputError(f"cannot read {name!r}", str(error), "check the path") from error
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise MissingInputError(f"cannot read {name}", "it is neither a file nor a folder", "name a text file")


def read_bytes(name: str) -> bytes:
    """The content of one file, or of standard input for `-`."""
    return b"".join(stream_bytes(name))


def stream_bytes(name: str) -> Iterator[bytes]:
    """The content of one file, decompressed, or of standard input for `-`, in pieces."""
    try:
        if name == STDIN:
            if sys.stdin is None:
                raise MissingInputError("cannot read standard input", "it is closed", "name a file")
            yield from iter(lambda: sys.stdin.buffer.read(PIECE), b"")
            return
        _check_file(name)
        with COMPRESSED.get(Path(name).suffix, open)(name, "rb") as file:
            yield from iter(lambda: file.read(PIECE), b"")
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(f"cannot decompress {name}", str(error).lower(), "check the file, or rename it") from error
    except OSError as error:
        if error.errno is None:  # bz2 has no error of its own
            raise DataError(f"cannot decompress {name}", str(error).lower(), "check the file, or rename it") from error
        unreadable(error)


def stream_lines(name: str) -> Iterator[bytes]:
    """The lines of one file, or of standard input for `-`, without what ends them (a newline, also after a return)."""
    kept = b""
    for piece in stream_bytes(name):
        *lines, kept = (kept + piece).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in lines)
    if kept:
        yield kept


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
