"""The lanes in which not every symbol may come next: limits hold there, or the rest of a prompt is still to be written.

What may be chosen and what a choice costs are two things: limits forbid, but leave the model's probabilities as they
are; the rest of a prompt is given, and its text costs what it costs given that.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.generation.choose import Logits
from charrnn.generation.healing import Network
from charrnn.generation.sample import NOTHING, Text


class Steering:
    """One step of the lanes `lanes`: what may be chosen there, and what it costs."""

    def __init__(self, texts: list[Text], lanes: list[int], logits: Logits, network: Network, state: Any) -> None:
        """`logits` are those of all lanes, (B, V); `state` is what comes with them, of `network`."""
        self.texts = {lane: texts[lane] for lane in lanes}
        self.costs = logits.astype(np.float64)  # the same numbers
        for lane, text in self.texts.items():
            if text.healing is not None:
                alone = network.select(state, np.array([lane]))
                self.costs[lane], _ = text.healing.logits(network, text.vocabulary, logits[lane : lane + 1], alone)
        self.allowed, self.fixed = self.costs.copy(), dict[int, int]()
        for lane, text in self.texts.items():
            if text.dictated:
                self.fixed[lane] = text.dictated.pop(0)
            elif text.limits is not None:
                self._forbid(lane, text)

    def chosen(self, drawn: npt.NDArray[np.int64], nats: npt.NDArray[np.float64]) -> None:
        """Put right, in place, what was drawn and what it cost; from here on that is written."""
        for lane, symbol in self.fixed.items():
            drawn[lane], nats[lane] = symbol, 0.0
        for lane, text in self.texts.items():
            symbol, healing = int(drawn[lane]), text.healing
            if symbol == NOTHING:
                text.limits = None
            elif text.limits is not None:
                text.limits.take(symbol)
            if healing is not None:
                text.healing = None
                if healing.spelling and symbol == healing.spelling[0]:
                    text.dictated = list(healing.spelling[1:])

    def _forbid(self, lane: int, text: Text) -> None:
        assert text.limits is not None
        forbidden = text.limits.forbidden()
        if text.healing is not None:  # what is in the prompt is left as it is
            forbidden = np.setdiff1d(forbidden, text.healing.covering)
        self.allowed[lane, forbidden] = -np.inf
        if self.allowed[lane].max() == -np.inf:
            self.allowed[lane], self.fixed[lane] = self.costs[lane], NOTHING
