"""Dropout's masks (Srivastava et al. 2014), a function of (seed, step, layer), so that nothing has to be remembered."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.config import RunConfig
from charrnn.learning.schedule import dropped

UNITS, WEIGHTS = 0, 1  # what is dropped


def rates_at(config: RunConfig, step: int) -> dict[int, float]:
    """The shares of UNITS and WEIGHTS that `step` drops; they have grown when the first leg of a run is complete."""
    steps = min([*config.legs, config.steps])
    return {
        what: dropped(rate, step, start=config.dropout_start, steps=steps, raised=config.raised)
        for what, rate in ((UNITS, config.dropout), (WEIGHTS, config.weight_drop))
    }


def dropout_mask(
    rows: int, columns: int, rate: float, *, seed: int, step: int, layer: int, what: int = UNITS
) -> npt.NDArray[np.float32]:
    """(rows, columns): 0 with probability `rate` (to 1/65536), else 1 / (1 - rate).

    One mask serves all steps of a window (Gal and Ghahramani 2016): measured as good as a new one for every step, and
    drawing those took a twelfth of the training time.
    """
    number = rows * columns
    # SFC64's raw words, four draws in each: measured, half the time of what NumPy makes of them by itself.
    drawn = np.random.SFC64([seed, step, layer, what]).random_raw(-(-number // 4)).view(np.uint16)[:number]
    return (drawn.reshape(rows, columns) >= round(rate * 2**16)) * np.float32(1 / (1 - rate))


def mask_on(
    device: torch.device, rows: int, columns: int, rate: float, *, seed: int, step: int, layer: int, what: int
) -> Tensor:
    """Such a mask where it is needed: on a CPU drawn by NumPy, on a GPU there, from a key made of the same numbers.

    torch draws on a GPU by Philox (Salmon et al. 2011), which counts: nothing of it has to be remembered either. The
    two kinds of device draw different masks.
    """
    if device.type == "cpu":
        return torch.from_numpy(dropout_mask(rows, columns, rate, seed=seed, step=step, layer=layer, what=what))
    (key,) = np.random.SeedSequence([seed, step, layer, what]).generate_state(1, np.uint64) >> np.uint64(1)
    generator = torch.Generator(device).manual_seed(int(key))
    kept = torch.rand(rows, columns, device=device, generator=generator) >= rate
    return kept * (1 / (1 - rate))
