"""Files, folders, glob patterns and standard input -> one text.

1. Every argument becomes a list of places: a file, the files of a folder in sorted order, or standard input.
2. Every place is read as bytes; nothing is translated, so newlines stay what they are.
3. Bytes become characters by one codec, strictly; a byte order mark is dropped and said so.

Texts are joined in the order given, with nothing between them. This room knows neither vocabularies nor splits. A file
that was named is read or refused; a folder passes over files that are not text, and says how many and which.
"""

import codecs
import fnmatch
import glob as globbing
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NoReturn

from charrnn.errors import DataError, MissingInputError, SettingsError

STDIN = "-"
PIECE = 1 << 20  # bytes
# Folders that hold what was installed or generated rather than written.
PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})
_WIDE_MARKS = (
    *((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32")),
    *((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")),
)


@dataclass
class Text:
    """What was read: characters (or bytes, for the byte unit), and what a user should know about the reading."""

    content: str | bytes
    notices: list[str] = field(default_factory=list)


def read_text(arguments: Sequence[str], *, unit: str, encoding: str = "utf-8", glob: str | None = None) -> Text:
    """Read `arguments` as `stream_text` does, whole."""
    notices: list[str] = []
    parts = list(stream_text(arguments, unit=unit, encoding=encoding, glob=glob, notices=notices))
    return Text(b"".join(parts) if unit == "byte" else "".join(parts), notices)  # type: ignore[arg-type]


def stream_text(
    arguments: Sequence[str], *, unit: str, encoding: str = "utf-8", glob: str | None = None, notices: list[str]
) -> Iterator[str | bytes]:
    """Read `arguments` (files, folders, glob patterns, `-`) in order as one text, in pieces.

    Gives bytes for the unit `byte` and characters otherwise, and adds to `notices` what a user should know. Memory does
    not grow with a file that was named; a file of a folder is read whole before it is known to be text.

    Raises:
        SettingsError: no such encoding.
        MissingInputError: a place is missing or unreadable.
        DataError: a file is not text in this encoding; a folder or pattern holds no text.
    """
    check_encoding(encoding)
    marked = 0
    for argument in arguments:
        found, passed = 0, []
        lenient = os.path.isdir(argument)  # noqa: PTH112 - unlike Path.is_dir, false for any unusable name
        for name in _places(argument, glob):
            pieces = _text_of(name, unit, encoding)
            try:
                if lenient:
                    pieces = iter(_whole(name, pieces))
                for number, piece in enumerate(pieces):
                    mark = number == 0 and isinstance(piece, str) and piece.startswith("\ufeff")
                    marked += mark
                    yield piece[mark:]
            except DataError:
                if not lenient:
                    raise
                passed.append(name)
                continue
            found += 1
        if passed:
            what = f"passed over {_files(len(passed))} in {argument} that hold no {encoding} text, such as {passed[0]}"
            notices.append(what)
        if not found:
            raise DataError(
                f"no text in {argument}", "no file there is readable as text", "check --glob and --encoding"
            )
    if marked:
        notices.append(f"dropped the byte order mark of {_files(marked)}")


def check_encoding(encoding: str) -> None:
    """Refuse names that are not text encodings."""
    try:
        b"".decode(encoding)
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError) as error:
        raise SettingsError(f"no text encoding is called {encoding!r}", "", "try utf-8, latin-1 or cp1252") from error


def decode(name: str, chunks: Iterable[bytes], encoding: str) -> Iterator[str]:
    """Decode strictly, piece by piece; an error names file, line and byte offset."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    offset = lines = characters = 0
    for number, chunk in enumerate(chain(chunks, [b""])):
        for mark, wide in _WIDE_MARKS if number == 0 else ():
            if chunk.startswith(mark) and encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
                raise DataError(
                    f"{name} is not {encoding}", f"it begins with the mark of {wide}", f"pass --encoding {wide}"
                )
        try:
            piece = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            kept = len(error.object) - len(chunk)  # of the chunk before
            place = offset - kept + error.start
            line = lines - error.object.count(b"\n", 0, kept) + error.object.count(b"\n", 0, error.start) + 1
            what = f"{name}, line {line}: byte 0x{error.object[error.start]:02x} at offset {place} is not {encoding}"
            remedy = "pass the right --encoding, or --unit byte to learn raw bytes"
            raise DataError(what, error.reason, remedy) from error
        except UnicodeError as error:
            raise DataError(f"{name} is not {encoding}", str(error), "pass the right --encoding") from error
        if "\0" in piece:
            why = f"NUL at character {characters + piece.index(chr(0))}"
            raise DataError(f"{name} is a binary file", why, "pass --unit byte to learn raw bytes")
        offset, lines, characters = offset + len(chunk), lines + chunk.count(b"\n"), characters + len(piece)
        yield piece


def _text_of(name: str, unit: str, encoding: str) -> Iterator[str | bytes]:
    return stream_bytes(name) if unit == "byte" else decode(name, stream_bytes(name), encoding)


def _whole(name: str, pieces: Iterator[str | bytes]) -> list[str | bytes]:
    """A file of a folder: all of it is text, or none is taken. Bytes never fail, but a NUL says that they are none."""
    read = list(pieces)
    if any(isinstance(piece, bytes) and b"\0" in piece for piece in read):
        raise DataError(f"{name} is a binary file")
    return read


def _places(argument: str, glob: str | None) -> Iterator[str]:
    path = Path(argument)
    if not argument:
        raise MissingInputError("a CORPUS is empty", "perhaps a variable is not set", "name a text file")
    if argument == STDIN or (os.path.lexists(argument) and not os.path.isdir(argument)):  # noqa: PTH112
        yield argument
    elif os.path.isdir(argument):  # noqa: PTH112
        yield from _walk(path, glob)
    elif globbing.has_magic(argument):
        matches = sorted(match for match in globbing.glob(argument, recursive=True) if Path(match).is_file())  # noqa: PTH207
        if not matches:
            raise MissingInputError(f"no file matches {argument}", "", "check the pattern and the folder")
        yield from matches
    else:
        yield argument


def _walk(folder: Path, glob: str | None) -> Iterator[str]:
    for root, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in PASSED_OVER)
        for name in sorted(files):
            path = Path(root, name)
            if not name.startswith(".") and path.is_file() and (glob is None or _matches(path, folder, glob)):
                yield str(path)


def _matches(path: Path, folder: Path, glob: str) -> bool:
    return fnmatch.fnmatch(path.name, glob) or fnmatch.fnmatch(path.relative_to(folder).as_posix(), glob)


def read_bytes(name: str) -> bytes:
    """The content of one file, or of standard input for `-`."""
    return b"".join(stream_bytes(name))


def stream_bytes(name: str) -> Iterator[bytes]:
    """The content of one file, or of standard input for `-`, in pieces."""
    try:
        if name == STDIN:
            if sys.stdin is None:
                raise MissingInputError("cannot read standard input", "it is closed", "name a file")
            yield from iter(lambda: sys.stdin.buffer.read(PIECE), b"")
            return
        mode = Path(name).stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise MissingInputError(f"cannot read {name}", "it is neither a file nor a folder", "name a text file")
        with Path(name).open("rb") as file:
            yield from iter(lambda: file.read(PIECE), b"")
    except OSError as error:
        _unreadable(error)
    except ValueError as error:
        raise MissingInputError(f"cannot read {name!r}", str(error), "check the path") from error


def stream_lines(name: str) -> Iterator[bytes]:
    """The lines of one file, or of standard input for `-`, without what ends them (a newline, also after a return)."""
    kept = b""
    for piece in stream_bytes(name):
        *lines, kept = (kept + piece).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in lines)
    if kept:
        yield kept


def _unreadable(error: OSError) -> NoReturn:
    why = (error.strerror or str(error)).lower()
    raise MissingInputError(f"cannot read {error.filename}", why, "check the path and its permissions") from error


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
