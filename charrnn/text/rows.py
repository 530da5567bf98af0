"""A table -> its rows: CSV and TSV, JSON Lines.

1. A file's lines come in pieces and are held only as long as their row lasts (a quoted cell may have several lines).
2. The reader of its kind makes rows of them, names -> values; the kind is known by its name, else by its first line.

A new kind of table is one reader and one line in READERS. Only the readers of the standard library are used.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from charrnn.errors import DataError
from charrnn.text.packed import COMPRESSED

Row = Mapping[str, Any]
Lines = Iterator[str | None]  # None where a pipe makes a pause
Reader = Callable[[str, Lines, Sequence[str]], Iterator[Row | None]]
LONGEST = 1 << 28  # characters of a line or a cell
_SHOWN = 20  # names in a message
_DELIMITERS = ",;\t|"
_SEPARATES = re.compile(r"sep=.\s*", re.IGNORECASE)  # what spreadsheets put before the names


def is_table(name: str) -> bool:
    """Whether a file is called as a table."""
    return _suffix(name) in READERS


def rows_of(name: str, pieces: Iterable[str | bytes], wanted: Sequence[str]) -> Iterator[Row | None]:
    """The rows of the table `name`, in which values of such names are looked for; None where a pipe makes a pause.

    Raises:
        DataError: it is no such table.
    """
    lines = lines_of(name, pieces)
    known = READERS.get(_suffix(name))
    reader, lines = (known, lines) if known is not None else _recognised(lines)
    return reader(name, lines, wanted)


def lines_of(name: str, pieces: "Iterable[str] | Iterable[bytes] | Iterable[str | bytes]") -> Iterator[Any]:
    """The lines of a text with what ends them, held only as long as they last; None where a pipe makes a pause."""
    held, size = list[Any](), 0
    for piece in pieces:
        newline: Any = "\n" if isinstance(piece, str) else b"\n"
        *whole, rest = piece.split(newline)
        for line in whole:
            yield newline[:0].join([*held, line, newline])
            held, size = [], 0
        held.append(rest)
        size += len(rest)
        if size > LONGEST:
            raise DataError(
                f"{name} has a line of more than {LONGEST:,} characters", "", "check that it is a text of lines"
            )
        if not piece:
            yield None
    if any(held):
        yield held[0][:0].join(held)


def check_there(name: str, wanted: Sequence[str], there: Iterable[str]) -> None:
    """Refuse a table that does not have all of the `wanted` names among those that are there."""
    names = list(there)
    for key in wanted:
        if key not in names:
            more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
            raise DataError(f"{name} has no {key!r}", f"it has {', '.join(names[:_SHOWN])}{more}", "name one of them")


def _suffix(name: str) -> str:
    path = Path(name)
    return (Path(path.stem) if path.suffix.lower() in COMPRESSED else path).suffix.lower()


def _recognised(lines: Lines) -> tuple[Reader, Lines]:
    """The reader of a table whose name says nothing, by its first line."""
    first = next((line for line in lines if line and line.strip()), "")
    return (_json_rows if first.lstrip().startswith(("{", "[")) else _delimited), chain([first] if first else [], lines)


def _delimited(name: str, lines: Lines, wanted: Sequence[str]) -> Iterator[Row | None]:
    """The rows of CSV or TSV below its first line, the names."""
    csv.field_size_limit(LONGEST)
    feed, header, delimiter = _Feed(name, lines), list[str](), ","
    for line in lines:
        if line is None:
            yield None
        elif not line.strip() or (not header and _SEPARATES.fullmatch(line)):
            feed.number += 1
        elif not header:
            delimiter, header = _header(name, line, feed, wanted)
        else:
            begun, cells = feed.number + 1, feed.row(line, delimiter)
            if any(
                map(str.strip, cells[len(header) :])
            ):  # an empty one is what a delimiter at the end of the line leaves
                names = "1 name" if len(header) == 1 else f"{len(header):,} names"
                what = f"{name}, line {begun}: {len(cells):,} cells stand below {names}"
                raise DataError(what, "", f"put what holds {delimiter!r} between quotation marks")
            yield dict(zip(header, cells, strict=False))


def _header(name: str, line: str, feed: "_Feed", wanted: Sequence[str]) -> tuple[str, list[str]]:
    """What stands between the cells, and the names."""
    told = [[cell.strip() for cell in next(csv.reader([line], delimiter=each))] for each in _DELIMITERS]
    likeliest = max(range(len(told)), key=lambda place: (len({*wanted} & {*told[place]}), len(told[place]) > 1))
    delimiter = _DELIMITERS[likeliest]
    names = [cell.strip() for cell in feed.row(line, delimiter)]
    check_there(name, wanted, names)
    for key in wanted:
        if names.count(key) > 1:
            raise DataError(f"{name} has {names.count(key)} columns called {key!r}", "", "rename all but one")
    return delimiter, names


class _Feed:
    """The lines of a row, given to the reader one by one as it asks for them."""

    def __init__(self, name: str, lines: Lines) -> None:
        self.name, self.lines, self.number = name, lines, 0

    def row(self, line: str, delimiter: str) -> list[str]:
        """The cells of the row that begins with `line`."""
        begun = self.number + 1
        try:
            return next(csv.reader(self._from(line, begun), delimiter=delimiter, strict=True))
        except csv.Error as error:
            what = f"{self.name}, line {begun}: {error}".replace("\t", "\\t")
            raise DataError(what, "", "check the quotation marks there: within a cell they are doubled") from error

    def _from(self, line: str, begun: int) -> Iterator[str]:
        self.number += 1
        yield line
        for more in self.lines:
            if more is not None:
                self.number += 1
                yield more
        what = f"{self.name}: a quotation mark in line {begun} is never closed"
        raise DataError(what, "", "close it, or double it where it is part of the text")


def _json_rows(name: str, lines: Lines, wanted: Sequence[str]) -> Iterator[Row | None]:
    """The objects of JSON Lines; numbers stay as they are written."""
    number = 0
    for line in lines:
        number += line is not None
        if line is None or not line.strip():
            if line is None:
                yield None
            continue
        try:
            row = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            remedy = "write one object per line, as jq -c '.[]' does with a list"
            raise DataError(f"{name}, line {number}: that is not a JSON object", "", remedy)
        yield row


READERS: dict[str, Reader] = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), _delimited),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), _json_rows),
}
