"""Ids that come in pieces of any length -> blocks of one length, or up to where a pipe makes a pause."""

from collections.abc import Iterable, Iterator

import numpy as np

from charrnn.text.vocabulary import Ids


def blocks(
    pieces: Iterable[Ids], first: int, size: int, end_id: int | None = None, grain: int | None = None
) -> Iterator[Ids]:
    """The same ids in blocks of `size`; the first has `first` of them, the last what is left.

    With an `end_id` each ends with one, and may be longer for it. With a `grain` a block ends before an empty piece,
    too, after as many whole grains as there are.
    """
    kept: list[Ids] = []
    for piece in pieces:
        kept.append(piece)
        if grain is not None and not len(piece):
            ids = np.concatenate(kept)
            last = np.flatnonzero(ids == end_id)[-1:] + 1 if end_id is not None else None
            cut = len(ids) - (len(ids) + size - first) % grain if last is None else int(last.sum())
            kept = [ids[max(0, cut) :]]
            if cut > 0:
                yield ids[:cut]
                first = size
        while sum(map(len, kept)) >= first:
            ids, cut = np.concatenate(kept), first
            if end_id is not None:
                ends = np.flatnonzero(ids[first - 1 :] == end_id)
                cut = first + int(ends[0]) if len(ends) else 0
            kept = [ids[cut:]]
            if not cut:
                break
            yield ids[:cut]
            first = size
    if sum(map(len, kept)):
        yield np.concatenate(kept)
