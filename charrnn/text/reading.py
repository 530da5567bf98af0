"""Files, folders, glob patterns and standard input -> one text, piece by piece.

1. Every argument becomes a list of places (`places.py`): a file, the files of a folder, or standard input.
2. Every place is read as bytes, decompressed as it streams if its name or its first bytes say so (`packed.py`).
3. Bytes become characters by one codec, strictly (`decoding.py`).

Texts are joined in the order given, with nothing between them. This room knows neither vocabularies nor splits. A file
that was named is read or refused; a folder passes over files that are not text, and says how many and which.
"""

import gzip
import lzma
import re
import stat
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from charrnn.errors import DataError, MissingInputError, SettingsError, unreadable
from charrnn.text.decoding import MARKED, Decoding, check_encoding, decode
from charrnn.text.labels import Synced, unmarked
from charrnn.text.marks import END, VECTOR
from charrnn.text.packed import COMPRESSED, unpacked
from charrnn.text.pipes import as_it_comes
from charrnn.text.places import STDIN, is_folder, places
from charrnn.text.records import LINES, UNDIVIDED, Records
from charrnn.text.vectors import VectorFile, Vectors

PIECE = 1 << 18  # bytes; what is made of a piece then stays in a processor's cache


@dataclass(frozen=True)
class Source:
    """Where a text comes from, and how its bytes become symbols' characters (or stay bytes, for the unit `byte`)."""

    arguments: tuple[str, ...]
    unit: str = "char"
    decoding: Decoding = field(default_factory=Decoding)
    glob: str | None = None
    exclude: tuple[str, ...] = ()
    records: Records | None = None
    vectors: VectorFile | None = None  # that its records begin with
    gaps: bool = False  # whether a symbol is to stand for what is missing, or is to be labelled

    @property
    def how(self) -> Decoding:
        """How its bytes become characters: where records end with lines, a line ends however its file says so."""
        by_lines = self.records is not None and self.records.separator in LINES
        return replace(self.decoding, newlines="lf") if by_lines else self.decoding

    def readable_again(self) -> bool:
        """Whether nothing of it is a pipe."""
        return not any(name == STDIN or Path(name).is_fifo() for name in self.arguments)


def stream_text(source: Source, notices: list[str]) -> Iterator[str | bytes]:
    """The text of `source` in pieces; adds to `notices` what a user should know.

    Memory does not grow with a file that was named; a file of a folder is read whole before it is known to be text.

    Raises:
        SettingsError: no such encoding, or one for bytes.
        MissingInputError: a place is missing or unreadable.
        DataError: a file is not text in this encoding, or has what stands for gaps; a folder or pattern holds no text.
    """
    if source.vectors is not None:
        yield from led(stream_text(replace(source, vectors=None), notices), source.vectors.read())
        return
    check_encoding(source.decoding.encoding)
    if source.unit == "byte" and source.gaps:
        raise SettingsError("gaps need characters", "no byte is left that could stand for one", "leave `unit=byte` out")
    needing = [f"`{each}` needs" for each in source.decoding.special()]
    needing += ["records need"] * (source.records is not None)
    if source.unit == "byte" and needing:
        raise SettingsError(f"{needing[0]} characters", "raw bytes are read as they are", "leave `unit=byte` out")
    told, read, tables = list[str](), 0, source.records is not None and not source.records.are_in("")
    if source.records is not None:
        yield END
    for argument in source.arguments:
        found, passed = 0, list[tuple[str, DataError]]()
        lenient = is_folder(argument)
        for name in places(argument, source.glob, source.exclude, told):
            said: list[str] = []
            pieces = _text_of(name, source, said, advise=not lenient)
            if lenient:
                try:
                    pieces = iter(_whole(name, pieces, source.records))
                except DataError as error:
                    passed.append((name, error))
                    continue
            if source.gaps:
                pieces = unmarked(shown(name), pieces, labels=isinstance(source.records, Synced))
            yield from pieces if source.records is None else source.records.marked(shown(name), pieces, said)
            found, read = found + 1, read + 1
            told += said
        if passed:
            what = f"passed over {_files(len(passed))} in {argument} that are not {source.decoding.encoding} text"
            told.append(f"{what}{' or are not tables' * tables}, such as {passed[0][0]}")
        if not found:
            why = f"the first file there: {passed[0][1]}" if passed else "no file there can be read as text"
            raise DataError(f"no text in {argument}", why, "check `glob`, `exclude` and `encoding`")
    if marked := told.count(MARKED):
        told.append(f"dropped the byte order mark of {_files(marked)}")
    if read and told.count(UNDIVIDED) == read and source.records is not None:
        whole = "the text is one record" if read == 1 else f"each of {_files(read)} is one record"
        told.append(f"the separator {source.records.separator!r} does not occur: {whole}")
    notices += [notice for notice in told if notice not in (MARKED, UNDIVIDED)]


def led(pieces: Iterator[str | bytes], vectors: Vectors) -> Iterator[str]:
    """Records behind the marks of their vectors.

    Raises:
        DataError: there are not as many records as somebody has vectors.
    """
    record, begins = 0, False
    for piece in pieces:
        assert isinstance(piece, str)  # records are characters
        parts = list[str]()
        for part in re.split(f"({END})", piece):
            if part and begins and part != END:
                parts.append(VECTOR * (int(vectors.lengths[record]) if record < len(vectors) else 0))
                record, begins = record + 1, False
            parts.append(part)
            begins = begins or part == END
        yield "".join(parts)
    if record != len(vectors):
        what, why = f"{vectors.name} has vectors for {len(vectors):,} records", f"the text has {record:,}"
        raise DataError(what, why, "give one for each record; empty records do not count")


def shown(name: str) -> str:
    """What a place is called in a message."""
    return "standard input" if name == STDIN else name


def _text_of(name: str, source: Source, notices: list[str], *, advise: bool) -> Iterator[str | bytes]:
    if source.unit == "byte":
        return stream_bytes(name, raw=True)
    return decode(shown(name), stream_bytes(name), source.how, notices, advise=advise)


def _whole(name: str, pieces: Iterator[str | bytes], records: Records | None) -> list[str | bytes]:
    """A file of a folder: all of it is text, or none is taken. Bytes never fail, but a NUL says that they are none."""
    if records is not None and not records.are_in(name):
        raise DataError(f"{name} is not a table")
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


def stream_bytes(name: str, *, raw: bool = False) -> Iterator[bytes]:
    """The content of one file or of standard input for `-`, decompressed, in pieces; see `pipes.py` for empty ones.

    What is `raw` is decompressed only if its name says that it is compressed.
    """
    try:
        if name == STDIN:
            if sys.stdin is None:
                raise MissingInputError("cannot read standard input", "it is closed", "name a file")
            yield from as_it_comes(sys.stdin.buffer if raw else unpacked(sys.stdin.buffer), PIECE)
            return
        _check_file(name)
        with COMPRESSED.get(Path(name).suffix.lower(), open)(name, "rb") as opened:
            file, is_pipe = opened if raw else unpacked(opened), Path(name).is_fifo()
            yield from as_it_comes(file, PIECE) if is_pipe else iter(lambda: file.read(PIECE), b"")
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        _undecompressed(name, error)
    except OSError as error:
        if error.errno is None:  # bz2 has no error of its own
            _undecompressed(name, error)
        unreadable(error)


def _undecompressed(name: str, error: Exception) -> NoReturn:
    raise DataError(f"cannot decompress {shown(name)}", str(error).lower(), "check the file, or rename it") from error


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
