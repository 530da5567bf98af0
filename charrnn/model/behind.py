"""What stands behind the symbols that are predicted, for a network that reads both ways: places, in the order read.

A target at place j is predicted from the forward state after j - 1 and the backward state after j + 1. The backward
stack reads from the end of the text, or from so far behind the last target of a window that it has forgotten where it
began, and comes to the targets one after the other:

    text                 a  b  c  d  e  f  g  h  .  .
    targets                 b  c  d                     before each of them the forward stack has read a, b, c
    read backwards             c  d  e  f  g            g f e before d, g f e d before c, g f e d c before b
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
BEYOND = 128  # symbols behind its targets that a backward stack is shown where a text is scored or filled


class Behind(NamedTuple):
    """What a backward stack reads, and how much of it before each target: NumPy's arrays, or torch's tensors."""

    ids: Any  # (N, B), from the farthest one on; in a lane that has fewer, the last ones are never asked about
    read: Any  # (T, B): how many of them are read before a target; 0 where nothing stands behind it


def behind(targets: Places, ends: Places, most: int) -> Behind:
    """Where that stands behind targets at places (T, B), in lanes whose text ends before `ends` (B,).

    `most` is how many symbols behind the last target bring up the state. `ids` are places.
    """
    last = np.minimum(targets[-1] + most, ends - 1)
    read = np.maximum(last - targets, 0)
    longest = max(1, int(read[0].max()))  # there is always one, so that every weight has a gradient
    return Behind(np.maximum(last - np.arange(longest)[:, None], 0), read)
