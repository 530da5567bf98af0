"""Arrays that windows are taken from by the places of their symbols: a text, and what teachers expect of it.

On a GPU they lie there, in their own small type, and a step sends nothing but places. What would take more than a
share of the memory that is free stays where it is, and is gathered there.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SHARE = 0.25  # of a GPU's free memory that one array may take
_PIECE = 1 << 24  # elements that are copied at once
_UNSIGNED = {np.dtype(np.uint16): np.int16, np.dtype(np.uint32): np.int32}  # torch gathers no unsigned ones on a GPU


class Held:
    """One array (n, ...), on the device where it fits; integers are ids."""

    def __init__(self, array: npt.NDArray[Any], device: torch.device) -> None:
        self.array, self.device = array, device
        self.there: Tensor | None = None
        if device.type == "cuda" and array.nbytes <= SHARE * torch.cuda.mem_get_info(device)[0]:
            self.there = self._uploaded()

    def take(self, places: npt.NDArray[np.int64]) -> Tensor:
        """What stands at `places`: ids as int64, everything else as float32."""
        if self.there is None:
            found = self.array[places]
            return sent(found.astype(np.int64 if found.dtype.kind in "iu" else np.float32), self.device)
        there = self.there[sent(places, self.device)]
        if there.is_floating_point():
            return there.float()
        return there.long() & np.iinfo(self.array.dtype).max  # of 16 bits the sign is none

    def _uploaded(self) -> Tensor:
        """A copy on the device, made piece by piece, as the array may be a file."""
        signed = _UNSIGNED.get(self.array.dtype, self.array.dtype)
        empty = torch.from_numpy(np.empty(0, dtype=signed)).dtype
        there = torch.empty(self.array.shape, dtype=empty, device=self.device)
        each = max(1, _PIECE // max(1, self.array[:1].size))
        for start in range(0, len(self.array), each):
            piece = np.ascontiguousarray(self.array[start : start + each]).view(signed)
            there[start : start + each] = torch.from_numpy(piece.copy()).to(self.device)
        return there


def sent(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """A copy of `array` on the device; a GPU is not waited for."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
