"""Many independent texts in one: names, tunes, log lines, questions with their answers.

A record ends at a separator, which is read as one symbol, END. Where answers follow a text (`--target-after`), the
first such text of a record is one symbol too, ANSWER, and only what follows it counts. Records stand in one array:

    "Ada\nBob\n"            END A d a END B o b END
    "2+2=4\n1+1=2\n"        END 2 + 2 ANSWER 4 END 1 + 1 ANSWER 2 END

so that what a record's first symbol is predicted from is always END, read in a fresh state. Empty records are left out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.errors import DataError, SettingsError
from charrnn.text.vocabulary import ANSWER, CONTROLS, END, Ids

SEPARATORS = {"lines": "\n", "blank-line": "\n\n", "files": ""}
LINES = (SEPARATORS["lines"], SEPARATORS["blank-line"])
_LOOK = 1 << 20  # ids


@dataclass(frozen=True)
class Records:
    """How a text falls into records: what stands between them (nothing: they are files), and before their answers."""

    separator: str
    answer: str | None = None

    def marked(self, name: str, pieces: Iterable[str | bytes]) -> Iterator[str]:
        """The records of the file `name`, each with END behind it, ANSWER for the text before its answer.

        Raises:
            DataError: a record without the text that its answer follows.
        """
        held, last, number = list[str](), "", 0
        overlap = max(len(self.separator) - 1, 0)
        for piece in pieces:
            assert isinstance(piece, str)  # records of bytes are refused before
            if not CONTROLS.isdisjoint(piece):
                raise DataError(f"{name} holds U+FDD0", "that is no character of any text", "remove it")
            held.append(piece)
            if self.separator and self.separator in last + piece:
                *records, rest = "".join(held).split(self.separator)
                yield self._joined(name, records, number)
                number += len(records)
                held, last = [rest], ""
            last = (last + held[-1])[-overlap:] if overlap else ""
        yield self._joined(name, ["".join(held)], number)

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
        raise SettingsError("`records` and `record_separator` exclude each other", "", "give one of them")
    if not (kind or separator or answer):
        return None
    return Records(separator or SEPARATORS[kind or "lines"], answer)


@dataclass(frozen=True)
class Borders:
    """Where records lie in their ids: `first` is the END before each, `last` its own; what counts follows `asked`."""

    first: npt.NDArray[np.int64]
    asked: npt.NDArray[np.int64]  # first, or the place of ANSWER
    last: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)

    @property
    def columns(self) -> tuple[npt.NDArray[np.int64], ...]:
        """All three."""
        return self.first, self.asked, self.last

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Symbols of each record, its END included."""
        return self.last - self.first


def borders(ids: Ids, end_id: int, answer_id: int | None) -> Borders:
    """The records of `ids`, which begin with END and end with it."""
    ends = _places(ids, end_id)
    first, last = ends[:-1], ends[1:]
    return Borders(first, first if answer_id is None else _places(ids, answer_id), last)


def nearest_end(ids: Ids, end_id: int, place: int) -> int:
    """Where to cut near `place` so that both sides hold a record, if there are two; else the last place."""
    ends = _places(ids, end_id)
    inner = ends[1:-1]
    return int(inner[np.argmin(np.abs(inner - place))]) if len(inner) else len(ids) - 1


def shuffled(ids: Ids, end_id: int, seed: int) -> Iterator[Ids]:
    """The same records in an order drawn by `seed`, in pieces."""
    ends = _places(ids, end_id)
    order = np.random.default_rng(seed).permutation(len(ends) - 1)
    yield ids[:1]
    for start in range(0, len(order), _LOOK >> 4):
        some = order[start : start + (_LOOK >> 4)]
        ranges = zip(ends[some].tolist(), ends[some + 1].tolist(), strict=True)
        yield np.concatenate([ids[first + 1 : last + 1] for first, last in ranges])


def _places(ids: Ids, wanted: int) -> npt.NDArray[np.int64]:
    """Where `wanted` stands; looked for in pieces, so that mapped ids need not be in memory."""
    found = [start + np.flatnonzero(ids[start : start + _LOOK] == wanted) for start in range(0, len(ids), _LOOK)]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
