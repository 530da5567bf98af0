"""Which symbols of a text are read from a fresh state, and which of them are scored: the protocols.

A segment reads from `start` and scores from `scored`: what lies between is read only to bring the state up.

    lanes       several segments, each after a run-up long enough that its state has forgotten where it began;
                of one lane the state runs through the whole text
    cold        windows of N symbols, each from a zero state: the protocol of models with a context window
    alone       a segment for each record, from a zero state; of a record with an answer, the answer is scored
"""

from dataclasses import dataclass

import numpy as np

from charrnn.text.layout import Ids, Independent, Layout

RUN_UP = 512


@dataclass(frozen=True)
class Segment:
    """Read the targets [start, end) from a zero state, count those of [scored, end).

    A network that reads both ways reads back from no farther than `limit`.
    """

    start: int
    scored: int
    end: int
    limit: int


def segmented(ids: Ids, layout: Layout, count: int, window: int | None = None) -> list[Segment]:
    """How `ids` are read: each record alone, in windows from nothing, or in at most `count` lanes (one: carried)."""
    if isinstance(layout, Independent):
        return alone(ids, layout)
    return cold(len(ids), window) if window else lanes(len(ids), count)


def lanes(symbols: int, count: int, run_up: int = RUN_UP) -> list[Segment]:
    """At most `count` segments of equal length; all but the first have a run-up of at least `run_up` symbols."""
    count = max(1, min(count, (symbols - 1) // (2 * run_up)))
    length = -(-(symbols - 1 + (count - 1) * run_up) // count)
    ends = [min(symbols, 1 + length + index * (length - run_up)) for index in range(count)] if symbols > 1 else []
    return [Segment(end - length, before, end, symbols) for before, end in zip([1, *ends], ends, strict=False)]


def cold(symbols: int, window: int) -> list[Segment]:
    """Windows of `window` targets, each starting from nothing."""
    starts = range(1, symbols, window)
    return [Segment(start, start, min(symbols, start + window), min(symbols, start + window)) for start in starts]


def alone(ids: Ids, layout: Independent) -> list[Segment]:
    """A segment for each record of `ids`, the longest first."""
    found = layout.borders(ids)
    order = np.argsort(-found.lengths, kind="stable")
    columns = (found.first[order] + 1, found.asked[order] + 1, found.last[order] + 1, found.last[order] + 1)
    return [Segment(*places) for places in zip(*(column.tolist() for column in columns), strict=True)]
