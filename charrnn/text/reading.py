"""Files, folders, glob patterns and standard input -> one text.

1. Every argument becomes a list of places: a file, the files of a folder in sorted order, or standard input.
2. Every place is read as bytes; nothing is translated, so newlines stay what they are.
3. Bytes become characters by one codec, strictly; a byte order mark is dropped and said so.

Texts are joined in the order given, with nothing between them. This room knows neither vocabularies nor splits. A file
that was named is read or refused; a folder passes over files that are not text, and says how many and which.
"""

import fnmatch
import glob as globbing
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from charrnn.errors import DataError, MissingInputError, SettingsError

STDIN = "-"
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
    """Read `arguments` (files, folders, glob patterns, `-`) in order as one text.

    Returns bytes for the unit `byte` and characters otherwise.

    Raises:
        SettingsError: no such encoding.
        MissingInputError: a place is missing or unreadable.
        DataError: a file is not text in this encoding; a folder or pattern holds no text.
    """
    check_encoding(encoding)
    text = Text(content=b"" if unit == "byte" else "")
    parts: list[str | bytes] = []
    for argument in arguments:
        found = len(parts)
        lenient = os.path.isdir(argument)  # noqa: PTH112 - unlike Path.is_dir, false for any unusable name
        passed: list[str] = []
        for name in _places(argument, glob):
            try:
                data = read_bytes(name)
                parts.append(_bytes_of_text(name, data, lenient) if unit == "byte" else decode(name, data, encoding))
            except DataError:
                if not lenient:
                    raise
                passed.append(name)
        if passed:
            text.notices.append(
                f"passed over {_files(len(passed))} in {argument} that hold no {encoding} text, such as {passed[0]}"
            )
        if len(parts) == found:
            raise DataError(
                f"no text in {argument}", "no file there is readable as text", "check --glob and --encoding"
            )
    text.notices += _drop_marks(parts)
    text.content = b"".join(parts) if unit == "byte" else "".join(parts)  # type: ignore[arg-type]
    return text


def check_encoding(encoding: str) -> None:
    """Refuse names that are not text encodings."""
    try:
        b"".decode(encoding)
        "".encode(encoding)
    except (LookupError, ValueError) as error:
        raise SettingsError(f"no text encoding is called {encoding!r}", "", "try utf-8, latin-1 or cp1252") from error


def decode(name: str, data: bytes, encoding: str) -> str:
    """Decode strictly; the error names file, line and byte offset."""
    for mark, wide in _WIDE_MARKS:
        if data.startswith(mark) and encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
            raise DataError(
                f"{name} is not {encoding}", f"it begins with the mark of {wide}", f"pass --encoding {wide}"
            )
    try:
        content = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"{name}, line {line}: byte 0x{data[error.start]:02x} at offset {error.start} is not {encoding}"
        raise DataError(what, error.reason, "pass the right --encoding, or --unit byte to learn raw bytes") from error
    except UnicodeError as error:
        raise DataError(f"{name} is not {encoding}", str(error), "pass the right --encoding") from error
    if "\0" in content:
        offset = content.index("\0")
        raise DataError(f"{name} is a binary file", f"NUL at character {offset}", "pass --unit byte to learn raw bytes")
    return content


def _drop_marks(parts: list[str | bytes]) -> list[str]:
    """Drop byte order marks from decoded parts; raw bytes are left alone."""
    marked = [index for index, part in enumerate(parts) if isinstance(part, str) and part.startswith("\ufeff")]
    for index in marked:
        parts[index] = parts[index][1:]
    return [f"dropped the byte order mark of {_files(len(marked))}"] if marked else []


def _bytes_of_text(name: str, data: bytes, lenient: bool) -> bytes:
    """Bytes never fail, but a folder gives only files without NUL."""
    if lenient and b"\0" in data:
        raise DataError(f"{name} is a binary file")
    return data


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
    try:
        if name == STDIN and sys.stdin is None:
            raise MissingInputError("cannot read standard input", "it is closed", "name a file")
        if name == STDIN:
            return sys.stdin.buffer.read()
        mode = Path(name).stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise MissingInputError(f"cannot read {name}", "it is neither a file nor a folder", "name a text file")
        return Path(name).read_bytes()
    except OSError as error:
        _unreadable(error)
    except ValueError as error:
        raise MissingInputError(f"cannot read {name!r}", str(error), "check the path") from error


def _unreadable(error: OSError) -> NoReturn:
    why = (error.strerror or str(error)).lower()
    raise MissingInputError(f"cannot read {error.filename}", why, "check the path and its permissions") from error


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
