"""Ids -> windows for truncated backpropagation through time.

The text is cut into B equal lanes that are read side by side, T symbols at a time:

    text     [offset | lane 0                  | lane 1                  | lane 2                  | rest]
    lane 0    window 0 | window 1 | ... | window W-1
    lane 1    window 0 | window 1 | ... | window W-1        a batch is one column of windows: (T, B)

Window w+1 begins where window w ended, so the hidden state can be carried; it starts afresh only where an epoch does.
What B lanes of W whole windows leave over (less than one batch) is used as a random offset that differs each epoch.

The first epoch alone is read in pieces of PIECE windows, in random order, each from a fresh state: a run that is over
before it ends has then seen a little of everything, and not the beginning of each lane (see benchmarks/README.md).

The order is a function of (seed, epoch) and the position is one integer, the step; nothing here remembers anything.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from charrnn.text.marks import Labels
from charrnn.text.vocabulary import Ids

PIECE = 8  # windows


@dataclass(frozen=True)
class Window:
    """One batch, by where its symbols stand in a text, so that they can be gathered wherever that text is held.

    `fresh` marks lanes whose state must start at zero. Of records, `counted` (T, B) marks the targets that stand for
    something: others are padding, or a question. `labels` are read as gaps.
    """

    ids: Ids  # the text
    places: npt.NDArray[np.int64]  # (T + 1, B): every symbol is the target of the one before it
    fresh: npt.NDArray[np.bool_]  # (B,)
    ends: npt.NDArray[np.int64]  # (B,): before which place the text of a lane ends
    counted: npt.NDArray[np.bool_] | None = None  # None: all
    labels: Labels | None = None

    @property
    def inputs(self) -> npt.NDArray[np.int64]:
        """What is read, (T, B)."""
        ids = self.ids[self.places[:-1]].astype(np.int64)
        return ids if self.labels is None else self.labels.read(ids)

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """What is to be predicted, (T, B)."""
        return self.ids[self.places[1:]].astype(np.int64)


@dataclass(frozen=True)
class Lanes:
    """A text laid out in `batch_size` lanes (B), read in windows of `seq_length` (T)."""

    ids: Ids
    batch_size: int
    seq_length: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.windows < 1:
            raise ValueError(f"{len(self.ids)} symbols do not fill a batch of {self.batch_size} x {self.seq_length}")

    @property
    def windows(self) -> int:
        """Windows of one epoch (W)."""
        return (len(self.ids) - 1) // (self.batch_size * self.seq_length)

    @property
    def symbols(self) -> int:
        """Symbols that are read in one epoch."""
        return self.windows * self.batch_size * self.seq_length

    def offset(self, epoch: int) -> int:
        """Where lane 0 begins in `epoch`."""
        slack = (len(self.ids) - 1) - self.windows * self.batch_size * self.seq_length
        return int(np.random.default_rng([self.seed, epoch]).integers(slack + 1))

    def window(self, step: int) -> Window:
        """The batch of `step`, counted from 0 over all epochs."""
        epoch, index = divmod(step, self.windows)
        lane_starts = self.offset(epoch) + np.arange(self.batch_size) * self.windows * self.seq_length
        fresh, window = index == 0, index
        if epoch == 0:
            piece, inside = divmod(index, PIECE)
            fresh, window = inside == 0, int(_pieces(self.windows, self.seed)[piece]) * PIECE + inside
        places = np.arange(self.seq_length + 1)[:, None] + (lane_starts + window * self.seq_length)[None, :]
        ends = np.full(self.batch_size, len(self.ids))
        return Window(self.ids, places, np.full(self.batch_size, fresh), ends)


@lru_cache(maxsize=2)
def _pieces(windows: int, seed: int) -> npt.NDArray[np.int64]:
    """Which piece of an epoch of so many windows comes when; what is less than a piece comes last."""
    whole = windows // PIECE
    return np.append(np.random.default_rng([seed, windows]).permutation(whole), whole)


def fit(symbols: int, batch_size: int, seq_length: int, shares: int = 1) -> tuple[int, int]:
    """The largest (batch size, sequence length) up to the asked ones that `symbols` ids can fill.

    The sequence length gives way last: a lane that is too short teaches nothing about context. A batch size that gives
    way stays a multiple of `shares` where it can.
    """
    seq_length = max(1, min(seq_length, symbols - 1))
    most = max(1, (symbols - 1) // seq_length)
    return batch_size if batch_size <= most else max(most - most % shares, 1), seq_length
