"""How texts lie in their ids: one continuous text, or many records that know nothing of each other.

What depends on it is asked of a layout, not decided anew in every room: where a text may be cut, what is read before
its first symbol, which symbols count. Records stand in one array, END before the first and after each:

    END  A d a  END  B o b  END            END  2 + 2 ANSWER 4  END  1 + 1 ANSWER 2  END

Where a record begins with vectors, each has an id of its own (see `vectors.py`), which is read and never counted. Where
words are labelled, each label stands behind its word and alone counts (see `labels.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charrnn.text.marks import Labels

Ids = npt.NDArray[np.unsignedinteger]
Places = npt.NDArray[np.int64]
_LOOK = 1 << 20  # ids


@dataclass(frozen=True)
class Borders:
    """Where records lie in their ids: `first` is the END before each, `last` its own; what counts follows `asked`."""

    first: Places
    asked: Places  # first, or its last vector, or the place of ANSWER
    last: Places

    def __len__(self) -> int:
        return len(self.first)

    @property
    def columns(self) -> tuple[Places, ...]:
        """All three."""
        return self.first, self.asked, self.last

    @property
    def lengths(self) -> Places:
        """Symbols of each record, its END included."""
        return self.last - self.first


class Continuous:
    """One text: the state is carried from its first symbol to its last; cut it anywhere; all of it counts."""

    records = answers = asks = False
    labels: Labels | None = None
    opening: tuple[int, ...] = ()  # what is read before a text's first symbol
    shared = 0  # symbols that a set has in common with the one before it

    def cut(self, ids: Ids, place: int) -> int:
        """Where to cut near `place`."""
        return place

    def head(self, ids: Ids, most: int) -> Ids:
        """The beginning of `ids`, about `most` symbols."""
        return ids[:most]

    def counted(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Whether each symbol counts in a score."""
        return np.ones(len(ids), dtype=bool)

    def questions(self, ids: Ids, most: int, symbols: int) -> list[Ids]:
        """What to ask a model that learnt this: the first questions of `ids`, or nothing at all."""
        return [ids[:0]]


@dataclass(frozen=True)
class Independent(Continuous):
    """Records: each is read from a zero state, and is whole or absent; of one with an answer the answer counts."""

    end_id: int
    answer_id: int | None = None
    beyond: int | None = None  # from which id on they stand for vectors, where records begin with some
    labels: Labels | None = None  # where words are labelled
    records = True
    shared = 1  # the END before a set's first record is the last of the set before

    @property
    def answers(self) -> bool:  # type: ignore[override]
        """Whether records are questions with answers."""
        return self.answer_id is not None

    @property
    def asks(self) -> bool:  # type: ignore[override]
        """Whether a record is what is to be said to something: a question, vectors, or words to be labelled."""
        return self.answers or self.beyond is not None or self.labels is not None

    @property
    def opening(self) -> tuple[int, ...]:  # type: ignore[override]
        """The END before a record."""
        return (self.end_id,)

    def borders(self, ids: Ids) -> Borders:
        """The records of `ids`, which begin with END and end with it."""
        ends = _places(ids, self.end_id)
        first, last = ends[:-1], ends[1:]
        return Borders(first, self._asked(ids, first) if self.answer_id is None else _places(ids, self.answer_id), last)

    def _asked(self, ids: Ids, first: Places) -> Places:
        """Behind which place of each record something is to be predicted: its END's, or that of its last vector."""
        if self.beyond is None:
            return first
        vectors = np.flatnonzero(ids >= self.beyond)
        before = np.searchsorted(vectors, first)
        return np.asarray(first + np.append(before[1:], len(vectors)) - before)

    def cut(self, ids: Ids, place: int) -> int:
        """Where to cut near `place` so that both sides hold a record, if there are two; else the last place."""
        inner = _places(ids, self.end_id)[1:-1]
        return int(inner[np.argmin(np.abs(inner - place))]) if len(inner) else len(ids) - 1

    def head(self, ids: Ids, most: int) -> Ids:
        """The first records."""
        return ids if len(ids) <= most else ids[: self.cut(ids, most) + 1]

    def counted(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Of questions and answers what comes after ANSWER, up to the END; of words their labels."""
        if self.labels is not None:
            return self.labels.among(ids)
        if self.answer_id is None:
            return super().counted(ids) if self.beyond is None else ids < self.beyond
        places = np.arange(len(ids))
        asked, ended = (
            np.maximum.accumulate(np.where(ids == mark, places, -1)) for mark in (self.answer_id, self.end_id)
        )
        return np.insert(asked[:-1] > ended[:-1], 0, False)

    def questions(self, ids: Ids, most: int, symbols: int) -> list[Ids]:
        """The first questions, at most `most` of them, out of the first `symbols` symbols."""
        if self.answer_id is None and self.beyond is None:
            return super().questions(ids, most, symbols)
        found = self.borders(ids[: self.cut(ids, symbols) + 1])
        places = zip(found.first[:most].tolist(), found.asked[:most].tolist(), strict=True)
        return [ids[first + 1 : answer + 1] for first, answer in places]

    def shuffled(self, ids: Ids, seed: int) -> Iterator[Ids]:
        """The same records in an order drawn by `seed`, in pieces."""
        ends = _places(ids, self.end_id)
        order = np.random.default_rng(seed).permutation(len(ends) - 1)
        yield ids[:1]
        for start in range(0, len(order), _LOOK >> 4):
            some = order[start : start + (_LOOK >> 4)]
            ranges = zip(ends[some].tolist(), ends[some + 1].tolist(), strict=True)
            yield np.concatenate([ids[first + 1 : last + 1] for first, last in ranges])


Layout = Continuous | Independent
CONTINUOUS = Continuous()


def _places(ids: Ids, wanted: int) -> Places:
    """Where `wanted` stands; looked for in pieces, so that mapped ids need not be in memory."""
    found = [start + np.flatnonzero(ids[start : start + _LOOK] == wanted) for start in range(0, len(ids), _LOOK)]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
