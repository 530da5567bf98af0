"""Tables -> records: a column of CSV or TSV, a field of JSON Lines, and where answers are learnt the one of these.

1. A file's lines come in pieces and are held only as long as their row lasts (a quoted cell may have several lines).
2. The reader of its kind makes rows of them, names -> values; the kind is known by its name, else by its first line.
3. The wanted values become text: strings as they are, numbers as they are written there. A row that lacks one (a null,
   an empty cell) is passed over, and how many were is said.

A new kind of table is one reader and one line in READERS. Only the readers of the standard library are used.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from charrnn.errors import DataError, SettingsError
from charrnn.text.marks import ANSWER, CONTROLS, END
from charrnn.text.packed import COMPRESSED
from charrnn.text.records import SEPARATORS, Records

Row = Mapping[str, Any]
Lines = Iterator[str | None]  # None where a pipe makes a pause
Reader = Callable[[str, Lines, Sequence[str]], Iterator[Row | None]]
LONGEST = 1 << 28  # characters of a line or a cell
_LOOKED = 1000  # rows without a field, before it is said to be missing
_PIECE = 1 << 16  # characters that go on together
_SHOWN = 20  # names in a message
_DELIMITERS = ",;\t|"
_NO_TEXT = re.compile(f"[{''.join(CONTROLS)}\ud800-\udfff]")  # JSON can have half of a surrogate pair
_SEPARATES = re.compile(r"sep=.\s*", re.IGNORECASE)  # what spreadsheets put before the names


@dataclass(frozen=True)
class Fields(Records):
    """Records that are values of a table: of `field`, and behind it of `target`."""

    field: str = ""
    target: str | None = None
    only: bool = True  # whether a text that is not called as a table is one, too, and not lines

    def marked(self, name: str, pieces: Iterable[str | bytes], notices: list[str] | None = None) -> Iterator[str]:
        """The records of the file `name`, as `Records` has them.

        Raises:
            DataError: it is no such table, or has no such field.
        """
        if not (self.only or self.are_in(name)):
            yield from self.as_text().marked(name, pieces, notices)
            return
        held, size = list[str](), 0
        for record in values(name, pieces, [self.field] if self.target is None else [self.field, self.target], notices):
            if record is not None:
                held.append(ANSWER.join(record) + END)
                size += len(held[-1])
            if record is None or size > _PIECE:
                yield "".join(held)
                held, size = [], 0
        yield "".join(held)

    def are_in(self, name: str) -> bool:
        """Whether a file is called as a table."""
        return _suffix(name) in READERS

    def loose(self) -> "Fields":
        """The same records, in a table or, where a file is not called as one, on lines."""
        return replace(self, only=False)

    def as_text(self) -> Records:
        """The same records where a text holds them, each on a line."""
        return Records(self.separator, self.answer)


def fields_of(field: str | None, target: str | None, *others: str | None) -> Fields | None:
    """The records that are values of a table, if any were asked for.

    Raises:
        SettingsError: a target without a field, or other records, too.
    """
    if field is None:
        if target is not None:
            raise SettingsError("`target` needs `field`", "an answer follows a text", "name the field of the text, too")
        return None
    if any(other is not None for other in others):
        what = "`field` cannot be used with `records`, `record_separator` or `target_after`"
        raise SettingsError(what, "each row is a record", "leave them out; `target` names the field of the answer")
    return Fields(SEPARATORS["lines"], None if target is None else "\t", field, target)


def values(
    name: str, pieces: Iterable[str | bytes], wanted: Sequence[str], notices: list[str] | None = None
) -> Iterator[list[str] | None]:
    """The `wanted` values of each row of the table `name`, as texts; None where a pipe makes a pause."""
    lines = lines_of(name, pieces)
    known = READERS.get(_suffix(name))
    reader, lines = (known, lines) if known is not None else _recognised(lines)
    there, found, lacking = dict[str, None](), 0, 0
    for row in reader(name, lines, wanted):
        if row is None:
            yield None
            continue
        place = f"row {found + lacking + 1} of {name}"
        texts = [_text(f"{key!r} of {place}", row.get(key)) for key in wanted]
        whole = [text for text in texts if text]
        if len(whole) == len(texts):
            found += 1
            yield whole
            continue
        lacking += 1
        if not found:
            there |= dict.fromkeys(row)
            if lacking == _LOOKED:
                _check_there(name, wanted, there)
    if not found and lacking:
        _check_there(name, wanted, there)
    if lacking and notices is not None:
        rows = "1 row" if lacking == 1 else f"{lacking:,} rows"
        notices.append(f"passed over {rows} of {name} without {' or '.join(wanted)}")


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


def _suffix(name: str) -> str:
    path = Path(name)
    return (Path(path.stem) if path.suffix.lower() in COMPRESSED else path).suffix.lower()


def _recognised(lines: Lines) -> tuple[Reader, Lines]:
    """The reader of a table whose name says nothing, by its first line."""
    first = next((line for line in lines if line and line.strip()), "")
    return (_json_rows if first.lstrip().startswith(("{", "[")) else _delimited), chain([first] if first else [], lines)


def _check_there(name: str, wanted: Sequence[str], there: Iterable[str]) -> None:
    names = list(there)
    for key in wanted:
        if key not in names:
            more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
            raise DataError(f"{name} has no {key!r}", f"it has {', '.join(names[:_SHOWN])}{more}", "name one of them")


def _text(name: str, value: Any) -> str | None:
    """A value as it is learnt."""
    if isinstance(value, (list, dict)):
        kind = "a list" if isinstance(value, list) else "an object"
        raise DataError(f"{name} is {kind}", "only text and numbers can be learnt", "name another field")
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
    if found := _NO_TEXT.search(text or ""):
        raise DataError(f"{name} holds U+{ord(found[0]):04X}", "it is not a character of any text", "remove it")
    return text


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
            yield dict(zip(header, feed.row(line, delimiter), strict=False))


def _header(name: str, line: str, feed: "_Feed", wanted: Sequence[str]) -> tuple[str, list[str]]:
    """What stands between the cells, and the names."""
    told = [[cell.strip() for cell in next(csv.reader([line], delimiter=each))] for each in _DELIMITERS]
    likeliest = max(range(len(told)), key=lambda place: (len({*wanted} & {*told[place]}), len(told[place]) > 1))
    delimiter = _DELIMITERS[likeliest]
    names = [cell.strip() for cell in feed.row(line, delimiter)]
    _check_there(name, wanted, names)
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
            return next(csv.reader(self._from(line, begun), delimiter=delimiter))
        except csv.Error as error:
            raise DataError(f"{self.name}, line {begun}: {error}", "", "check the quotation marks there") from error

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
