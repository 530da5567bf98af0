"""What a backward stack is not shown in a training step, so that it learns to do without, by (seed, step).

Of a text with gaps the forward stack reads what stands before a gap and what was written into it; the backward one
reads every gap as such. So a network that is taught this way knows the probability of a gap's symbols one after the
other, given both sides: p(x_1 | before, behind) p(x_2 | before, x_1, behind) ... Of the sequences of a batch, drawn
anew each time, in a third nothing is erased, as where a whole text is scored; in a third there are gaps; in a third
there is nothing else, so that the network also knows what the left side says alone.
"""

import numpy as np
import numpy.typing as npt

RATE = 0.06  # of symbols at which a gap begins, in the second third
LONGEST = 32  # symbols of a gap; its length is drawn so that its logarithm is uniform
_PURPOSE = 3  # beside those of dropout


def erased(rows: int, lanes: int, *, seed: int, step: int) -> npt.NDArray[np.bool_]:
    """(rows, lanes): True where a gap is read."""
    generator = np.random.Generator(np.random.SFC64([seed, step, 0, _PURPOSE]))
    kind = generator.integers(3, size=lanes)
    begins = generator.random((rows, lanes), dtype=np.float32) < RATE * (kind > 0)
    first, lane = np.nonzero(begins)
    length = np.exp2(generator.random(len(first)) * np.log2(LONGEST)).astype(np.int64)
    edges = np.zeros((rows + 1, lanes), dtype=np.int32)
    np.add.at(edges, (first, lane), 1)
    np.add.at(edges, (np.minimum(first + length, rows), lane), -1)
    return np.asarray((np.cumsum(edges[:-1], axis=0) > 0) | (kind > 1))
