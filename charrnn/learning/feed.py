"""A window -> what a step is given of it, where the step is made: inputs, targets, and what stands behind them."""

import torch
from torch import Tensor

from charrnn.config import RunConfig
from charrnn.learning.erasing import erased
from charrnn.learning.held import Held, sent
from charrnn.learning.teachers import Expected
from charrnn.model.behind import Behind, behind
from charrnn.text.lanes import Window

BEYOND = 2  # symbols behind a window that bring up the backward state: measured, 8, 16 and 32 learn no better
IGNORED = -100  # a target that is not counted, as cross_entropy has it


class Feed:
    """The text of a run, and what teachers expect of it, on the device where they fit."""

    def __init__(
        self, config: RunConfig, symbols: int, device: torch.device, expected: Expected | None, gap: int | None
    ) -> None:
        self.config, self.symbols, self.device, self.expected, self.gap = config, symbols, device, expected, gap
        self.taught = expected.on(device) if expected else {}
        self.text: Held | None = None

    def gathered(self, window: Window, share: slice) -> tuple[Tensor, Tensor]:
        """Of a share of the lanes inputs (T, B) and targets (T, B); of a run that has teachers distributions."""
        if self.text is None or self.text.array is not window.ids:
            self.text = Held(window.ids, self.device)
        ids = self.text.take(window.places[:, share])
        inputs, wanted, counted = _read(ids[:-1], window), ids[1:], None
        if window.counted is not None:
            counted = sent(window.counted[:, share], self.device)
        if self.expected is not None:
            found = {name: held.take(window.places[1:, share]) for name, held in self.taught.items()}
            return inputs, self.expected.targets(found, wanted, counted, self.symbols)
        return inputs, wanted if counted is None else wanted.masked_fill(~counted, IGNORED)

    def behind(self, window: Window, share: slice, step: int) -> Behind | None:
        """What stands behind these targets, where a network reads both ways; but for labels, some of it erased."""
        if not self.config.bidirectional:
            return None
        assert self.text is not None
        assert self.gap is not None
        found = behind(window.places[1:, share], window.ends[share], BEYOND)
        ids = _read(self.text.take(found.ids), window)
        if window.labels is None:
            rows, lanes = self.config.seq_length + BEYOND, window.places.shape[1]
            gone = erased(rows, lanes, seed=self.config.seed, step=step)[: len(ids), share]
            ids = ids.masked_fill(sent(gone, self.device), self.gap)
        return Behind(ids, sent(found.read, self.device))


def _read(ids: Tensor, window: Window) -> Tensor:
    """The same ids, labels as gaps."""
    if window.labels is None:
        return ids
    return ids.masked_fill((ids >= window.labels.first) & (ids < window.labels.last), window.labels.gap)
