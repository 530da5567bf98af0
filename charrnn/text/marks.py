"""Characters that stand for no text: how the borders of records, vectors, gaps and labels look in a text that is read.

They are code points that Unicode keeps for the inside of programs, and for labels some of its private ones.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

END, ANSWER, VECTOR, GAP, FREE, LABEL = "\0", "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3", "\ufdd4"
BORDERS = frozenset({END, ANSWER, VECTOR, LABEL})
CONTROLS = frozenset({END, ANSWER, VECTOR, GAP, FREE, LABEL})
FIRST_LABEL = 0xF0000  # the k-th label is the k-th character from here on
MOST_LABELS = 0xFFFE


class Labels(NamedTuple):
    """Which ids are labels, and which one is read in their place: a network must not see what it is to say."""

    first: int
    last: int  # one behind them
    gap: int

    def among(self, ids: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Which of `ids` are labels, or stand where one is to be found or is not known."""
        return np.asarray((ids >= self.first) & (ids < self.last) | (ids == self.gap))

    def read(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The same ids as they are read."""
        return np.where(self.among(ids), self.gap, ids)
