"""Many independent texts in one: names, tunes, log lines, questions with their answers.

A record ends at a separator, which is read as one symbol, END. Where answers follow a text (`--target-after`), the
first such text of a record is one symbol too, ANSWER, and only what follows it counts. So what a record's first symbol
is predicted from is always END, read in a fresh state. Empty records are left out. How records lie in ids: `layout.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from charrnn.errors import DataError, SettingsError
from charrnn.text.marks import ANSWER, BORDERS, END

SEPARATORS = {"lines": "\n", "blank-line": "\n\n", "files": ""}
UNDIVIDED = "a file that is one record"  # a notice that is counted, not shown one by one
LINES = (SEPARATORS["lines"], SEPARATORS["blank-line"])


@dataclass(frozen=True)
class Records:
    """How a text falls into records: what stands between them (nothing: they are files), and before their answers."""

    separator: str
    answer: str | None = None

    def marked(self, name: str, pieces: Iterable[str | bytes], notices: list[str] | None = None) -> Iterator[str]:
        """The records of the file `name`, each with END behind it, ANSWER for the text before its answer.

        What a user should know is added to `notices`.

        Raises:
            DataError: a record without the text that its answer follows.
        """
        held, last, number = list[str](), "", 0
        overlap = max(len(self.separator) - 1, 0)
        for piece in pieces:
            assert isinstance(piece, str)  # records of bytes are refused before
            if found := BORDERS.intersection(piece):
                what = f"{name} holds U+{ord(min(found)):04X}"
                raise DataError(what, "it is not a character of any text", "remove it")
            held.append(piece)
            if self.separator and self.separator in last + piece:
                *records, rest = "".join(held).split(self.separator)
                yield self._joined(name, records, number)
                number += len(records)
                held, last = [rest], ""
            last = (last + held[-1])[-overlap:] if overlap else ""
            if not piece:
                yield piece
        if not number and self.separator not in ("", SEPARATORS["lines"]) and notices is not None:
            notices.append(UNDIVIDED)
        yield self._joined(name, ["".join(held)], number)

    def are_in(self, name: str) -> bool:
        """Whether a file that is called so may hold them."""
        return True

    def loose(self) -> "Records":
        """The same records, in a file of their own kind or not."""
        return self

    def as_text(self) -> "Records":
        """The same records where they do not stand in a file of their own kind."""
        return self

    def _joined(self, name: str, records: list[str], number: int) -> str:
        if self.separator == SEPARATORS["blank-line"]:
            records = [record.strip("\n") for record in records]
        if self.answer is not None:
            records = [self._answered(name, record, number + place) for place, record in enumerate(records, 1)]
        return "".join([record + END for record in records if record])

    def _answered(self, name: str, record: str, number: int) -> str:
        assert self.answer is not None
        if record and self.answer not in record:
            what = f"record {number} of {name} has no {self.answer!r}"
            raise DataError(
                what, "an answer must follow it in each record", "correct the text", "correct `target_after`"
            )
        return record.replace(self.answer, ANSWER, 1)


def records_of(kind: str | None, separator: str | None, answer: str | None) -> Records | None:
    """The records that `--records`, `--record-separator` and `--target-after` ask for.

    Raises:
        SettingsError: two kinds at once.
    """
    if kind and separator is not None:
        raise SettingsError("`records` and `record_separator` cannot be used together", "", "give one of them")
    if not (kind or separator or answer):
        return None
    return Records(separator or SEPARATORS[kind or "lines"], answer)
