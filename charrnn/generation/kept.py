"""The writings of gaps that a search keeps, side by side."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.model.numpy_network import NumpyNetwork

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Kept:
    """B writings: the state and the features after what was read last, ln p, and what is not settled yet."""

    state: Any
    features: Array  # (B, H); zeros before the first symbol
    scores: npt.NDArray[np.float64]  # (B,)
    written: npt.NDArray[np.int64]  # (B, symbols)

    def only(self, network: NumpyNetwork, rows: npt.NDArray[np.int64]) -> "Kept":
        """Some of them."""
        return Kept(network.select(self.state, rows), self.features[rows], self.scores[rows], self.written[rows])

    def costing(self, more: npt.NDArray[np.float64]) -> "Kept":
        """The same, each with so much more (or rather less) ln p."""
        return replace(self, scores=self.scores + more)

    def pruned(self, network: NumpyNetwork, margin: float) -> "Kept":
        """Those that are at most so many nats worse than the best."""
        good = np.flatnonzero(self.scores >= self.scores.max() - margin)
        return self if len(good) == len(self.scores) else self.only(network, good)
