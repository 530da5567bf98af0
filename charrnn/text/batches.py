"""Records -> windows: batches of records of nearly the same length, each from a fresh state, next to no padding.

    batch   Ada......     every record of a batch begins in its first window; a batch of records that are longer than T
            Grace....     is read T symbols at a time, with the state carried, until its longest record ends
            Barbara..

Records are sorted by length, so a batch wastes only what its records differ. A batch of short records has more lanes
than B, of such as are nearly as long as its longest, up to a whole window of B x T symbols. Which of equally long
records stand side by side, and the order of the batches, are drawn anew in each epoch: as for `Lanes` by (seed, epoch),
and the whole position is the step.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from charrnn.text.lanes import Lanes, Window, fit
from charrnn.text.layout import Borders, Independent
from charrnn.text.marks import Labels
from charrnn.text.vocabulary import Ids, Vocabulary

SIMILAR = 0.9  # of the longest record of a batch
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RecordBatches:
    """Records laid out in batches of a multiple of `batch_size` lanes (B), read in windows of `seq_length` (T)."""

    ids: Ids
    records: Borders
    batch_size: int
    seq_length: int
    seed: int = 0
    labels: Labels | None = None  # which alone count

    @cached_property
    def lengths(self) -> Numbers:
        """Of the records, the longest first."""
        return np.sort(self.records.lengths)[::-1]

    @cached_property
    def batches(self) -> Numbers:
        """(batches, 3): the place of a batch's first record in that order, its lanes, its windows."""
        found, place = [], 0
        while place < len(self.lengths):
            longest = int(self.lengths[place])
            similar = int(np.searchsorted(-self.lengths, -SIMILAR * longest, side="right")) - place
            fits, needed = self.seq_length // longest, -(-similar // self.batch_size)
            lanes = self.batch_size * max(1, min(fits, needed))
            found.append((place, lanes, -(-longest // self.seq_length)))
            place += lanes
        place, lanes, windows = found[-1]
        found[-1] = place, -(-(len(self.lengths) - place) // self.batch_size) * self.batch_size, windows
        return np.array(found, dtype=np.int64)

    @property
    def windows(self) -> int:
        """Windows of one epoch."""
        return int(self.batches[:, 2].sum())

    @property
    def symbols(self) -> int:
        """Symbols that are read in one epoch."""
        return int(self.lengths.sum())

    @property
    def padding(self) -> float:
        """The share of all places of an epoch's windows at which nothing stands."""
        places = 0
        for place, lanes, windows in self.batches.tolist():
            rest = int(self.lengths[place]) - (windows - 1) * self.seq_length
            places += lanes * ((windows - 1) * self.seq_length + rest)
        return 1 - self.symbols / places

    def window(self, step: int) -> Window:
        """The batch of `step`, counted from 0 over all epochs."""
        epoch, index = divmod(step, self.windows)
        order, batches, ends = _arranged(self, epoch)
        turn = int(np.searchsorted(ends, index, side="right"))
        place, lanes, windows = self.batches[batches[turn]].tolist()
        offset = (index - int(ends[turn]) + windows) * self.seq_length
        chosen = order[place : place + lanes]
        length = min(self.seq_length, int(self.lengths[place]) - offset)
        first, asked, last = (self._padded(column[chosen], lanes) for column in self.records.columns)
        places = first + offset + np.arange(length + 1)[:, None]  # (T + 1, B)
        counted = (places[1:] > asked) & (places[1:] <= last)
        places = np.minimum(places, last)
        if self.labels is not None:
            counted &= self.labels.among(self.ids[places[1:]])
        return Window(self.ids, places, np.full(lanes, offset == 0), last + 1, counted, self.labels)

    def _padded(self, column: Numbers, lanes: int) -> Numbers:
        """A column of borders with empty records behind it."""
        return np.concatenate((column, np.zeros(lanes - len(column), dtype=np.int64)))


@lru_cache(maxsize=2)
def _arranged(of: RecordBatches, epoch: int) -> tuple[Numbers, Numbers, Numbers]:
    """The records from the longest on, the order of the batches, and after how many windows each of them ends."""
    generator = np.random.default_rng([of.seed, epoch])
    order = np.lexsort((generator.random(len(of.records)), -of.records.lengths))
    batches = generator.permutation(len(of.batches))
    return order, batches, np.cumsum(of.batches[batches, 2])


def fitting(ids: Ids, vocabulary: Vocabulary, batch_size: int, seq_length: int, shares: int = 1) -> tuple[int, int]:
    """The largest (batch size, sequence length) up to the asked ones that a text can fill, as `lanes.fit` has it.

    Short records do not shorten the sequence: a window of B x T symbols holds the more of them.
    """
    layout = vocabulary.layout
    if not isinstance(layout, Independent):
        return fit(len(ids), batch_size, seq_length, shares)
    records = len(layout.borders(ids))
    return min(batch_size, max(records - records % shares, 1)), seq_length


def windows_of(
    ids: Ids, vocabulary: Vocabulary, batch_size: int, seq_length: int, seed: int = 0
) -> Lanes | RecordBatches:
    """How a text is read in training: its records each by itself, or all of it in lanes."""
    layout = vocabulary.layout
    if isinstance(layout, Independent):
        return RecordBatches(ids, layout.borders(ids), batch_size, seq_length, seed, layout.labels)
    return Lanes(ids, batch_size, seq_length, seed)
