"""x @ w without torch; the order of a row's sums depends neither on the number of rows nor on its place among them.

So a text is the same, to the last bit, whatever is read beside it. What BLAS does is tried out, not known.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
PART, REGISTER = 256, 16


class Product:
    """x @ w for each gate's matrix.

    BLAS adds up to PART products in one order if columns come in whole registers; zeros fill them up. It has another
    routine for a single row, so rows are computed at least in twos. That costs nothing: reading the weights is what
    takes time (measured at 512 units: 122 microseconds, and 115 for the single row).
    """

    def __init__(self, weights: Array) -> None:
        """`weights` is (G, K, N): one K x N matrix for each gate."""
        gates, inputs, self.columns = weights.shape
        parts = -(-inputs // PART)
        self.size = -(-inputs // parts)
        width = -(-self.columns // REGISTER) * REGISTER
        # One array, (parts, G, K / parts, N): from 4 MiB on it lies in huge pages, which are read a tenth faster.
        self.weights = np.zeros((parts, gates, self.size, width), dtype=np.float32)
        for part, start in enumerate(range(0, inputs, self.size)):
            rows = weights[:, start : start + self.size]
            self.weights[part, :, : rows.shape[1], : self.columns] = rows

    def __call__(self, x: Array) -> Array:
        """(B, K) -> (G, B, N)."""
        tile = rows_at_once()
        size = -(-len(x) // tile) * tile if tile else max(2, len(x))
        rows = x
        if size > len(x):
            rows = np.zeros((size, x.shape[1]), dtype=np.float32)
            rows[: len(x)] = x
        total = np.empty((self.weights.shape[1], size, self.weights.shape[3]), dtype=np.float32)
        for start in range(0, size, tile or size):
            self._multiply(rows[start : start + (tile or size)], total[:, start : start + (tile or size)])
        return total[:, : len(x), : self.columns]

    def _multiply(self, rows: Array, out: Array) -> None:
        """(B, K) -> (G, B, all columns), part by part."""
        for part, weights in enumerate(self.weights):
            some = rows[:, part * self.size : (part + 1) * self.size]
            if part:
                out += np.matmul(some, weights[:, : some.shape[1]])
            else:
                np.matmul(some, weights[:, : some.shape[1]], out=out)


@cache
def rows_at_once() -> int | None:
    """How many rows a call may have for all sums to have one order; None for any number from two on.

    With AVX-512 OpenBLAS needs no limit. Its routines for AVX2 go through rows by twelves, eights, fours and less, each
    adding up in an order of its own; eight at once are in one order.
    """
    generator = np.random.default_rng(0)
    row, weights = (generator.normal(size=size).astype(np.float32) for size in ((1, PART), (PART, 4 * REGISTER)))

    def agree(*counts: int) -> bool:
        return len({sums.tobytes() for count in counts for sums in np.repeat(row, count, axis=0) @ weights}) == 1

    return None if agree(*range(2, 64)) else next((tile for tile in (8, 4, 2) if agree(tile)), 1)
