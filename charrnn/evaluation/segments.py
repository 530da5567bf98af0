"""Which symbols of a text are read from a fresh state, and which of them are scored: the protocols.

A segment reads from `start` and scores from `scored`: what lies between is read only to bring the state up.

    carried     one segment: the state runs through the whole text
    lanes       several segments, each after a run-up long enough that its state has forgotten where it began
    cold        windows of N symbols, each from a zero state: the protocol of models with a context window
    alone       a segment for each record, from a zero state; of a record with an answer, the answer is scored
"""

from dataclasses import dataclass

import numpy as np

from charrnn.text.records import borders
from charrnn.text.vocabulary import Ids, Vocabulary

RUN_UP = 512


@dataclass(frozen=True)
class Segment:
    """Read the targets [start, end) from a zero state, count those of [scored, end)."""

    start: int
    scored: int
    end: int


def carried(symbols: int) -> list[Segment]:
    """One segment: every target after the first."""
    return [Segment(1, 1, symbols)] if symbols > 1 else []


def lanes(symbols: int, count: int, run_up: int = RUN_UP) -> list[Segment]:
    """At most `count` segments of equal length; all but the first have a run-up of at least `run_up` symbols."""
    count = max(1, min(count, (symbols - 1) // (2 * run_up)))
    length = -(-(symbols - 1 + (count - 1) * run_up) // count)
    ends = [min(symbols, 1 + length + index * (length - run_up)) for index in range(count)] if symbols > 1 else []
    return [Segment(end - length, before, end) for before, end in zip([1, *ends], ends, strict=False)]


def cold(symbols: int, window: int) -> list[Segment]:
    """Windows of `window` targets, each starting from nothing."""
    return [Segment(start, start, min(symbols, start + window)) for start in range(1, symbols, window)]


def alone(ids: Ids, vocabulary: Vocabulary) -> list[Segment]:
    """A segment for each record of `ids`, the longest first."""
    assert vocabulary.end_id is not None
    found = borders(ids, vocabulary.end_id, vocabulary.answer_id)
    order = np.argsort(-found.lengths, kind="stable")
    columns = (found.first[order] + 1, found.asked[order] + 1, found.last[order] + 1)
    return [Segment(*places) for places in zip(*(column.tolist() for column in columns), strict=True)]
