"""Tables -> records: a column of CSV or TSV, a field of JSON Lines, and where answers are learnt the one of these.

The wanted values of each row (`rows.py`) become text: strings as they are, numbers as they are written there. A row
that lacks one (a null, an empty cell) is passed over, and how many were is said.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from charrnn.errors import DataError, SettingsError
from charrnn.text.marks import ANSWER, CONTROLS, END
from charrnn.text.records import SEPARATORS, Records
from charrnn.text.rows import check_there, is_table, rows_of

_LOOKED = 1000  # rows without a field, before it is said to be missing
_PIECE = 1 << 16  # characters that go on together
_NO_TEXT = re.compile(f"[{''.join(CONTROLS)}\ud800-\udfff]")  # JSON can have half of a surrogate pair


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
        return is_table(name)

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
    there, found, lacking = dict[str, None](), 0, 0
    for row in rows_of(name, pieces, wanted):
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
                check_there(name, wanted, there)
    if not found and lacking:
        check_there(name, wanted, there)
    if lacking and notices is not None:
        rows = "1 row" if lacking == 1 else f"{lacking:,} rows"
        notices.append(f"passed over {rows} of {name} without {' or '.join(wanted)}")


def _text(name: str, value: Any) -> str | None:
    """A value as it is learnt."""
    if isinstance(value, (list, dict)):
        kind = "a list" if isinstance(value, list) else "an object"
        raise DataError(f"{name} is {kind}", "only text and numbers can be learnt", "name another field")
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
    if found := _NO_TEXT.search(text or ""):
        raise DataError(f"{name} holds U+{ord(found[0]):04X}", "it is not a character of any text", "remove it")
    return text
