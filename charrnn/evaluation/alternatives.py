"""What a network expected in place of each symbol of a passage: the nats of the symbol, and the likeliest ones.

One lane reads from the beginning of the text up to the passage, the state carried; where texts are records, the end of
a record is read in a fresh state, as in training. So a symbol's nats are those that `score.py` counts for it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.score import surprisals
from charrnn.evaluation.segments import Segment
from charrnn.model.behind import Behind
from charrnn.text.vocabulary import Ids


class Stepper(Protocol):
    """A network that reads one symbol in each lane at a time."""

    def initial_state(self, lanes: int) -> Any:
        """The state before anything was read."""

    def advance(self, ids: npt.NDArray[np.int64], state: Any) -> Any:
        """Ids (B,) -> the state after reading them."""

    def step(self, ids: npt.NDArray[np.int64], state: Any) -> tuple[npt.NDArray[np.float32], Any]:
        """Ids (B,) -> logits (B, V) and the state afterwards."""


class Read(NamedTuple):
    """A symbol, what it cost, and what was likely there."""

    symbol: int
    nats: float
    likeliest: list[tuple[int, float]]  # symbols and their probabilities, best first; of equals the lower id first


def read(network: Stepper, ids: Ids, first: int, last: int, top: int = 5, end_id: int | None = None) -> list[Read]:
    """The symbols ids[first:last], 1 <= first, each with the `top` likeliest of all V symbols in its place."""
    assert first >= 1, "nothing was read before the first symbol"
    state, found = network.initial_state(1), list[Read]()
    for place in range(1, last):
        before = ids[place - 1 : place].astype(np.int64)
        if before[0] == end_id:
            state = network.initial_state(1)
        if place < first:
            state = network.advance(before, state)
        else:
            logits, state = network.step(before, state)
            found.append(_read(int(ids[place]), logits[0].astype(np.float64), top))
    return found


class Among:
    """A reader that says how surprised it would be by each of the symbols [first, last), K of them, and by no other.

    With a `gap` a network that reads both ways is shown nothing else behind its targets: what it expects from the left.
    """

    def __init__(self, reader: Any, first: int, last: int, gap: int | None = None) -> None:
        self.reader, self.first, self.last, self.gap = reader, first, last, gap
        self.symbols, self.bidirectional = reader.symbols, reader.bidirectional
        self.initial_state = reader.initial_state

    def surprisal(
        self,
        inputs: npt.NDArray[np.int64],
        targets: npt.NDArray[np.int64],
        state: Any,
        behind: Behind | None = None,
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], Any]:
        """Nats of every symbol, (T, B, K), whether the one that stands there is the likeliest, and the state."""
        if behind is not None and self.gap is not None:
            behind = behind._replace(ids=np.full_like(behind.ids, self.gap))
        logits, state = self.reader.distributions(inputs, state, behind)
        among = logits[..., self.first : self.last].astype(np.float64)
        among -= among.max(axis=-1, keepdims=True)
        nats = np.log(np.exp(among).sum(axis=-1, keepdims=True)) - among
        return nats, nats.argmin(axis=-1) == targets - self.first, state


def read_both_ways(
    reader: Any, ids: Ids, first: int, last: int, segments: Sequence[Segment], top: int = 5, gap: int | None = None
) -> list[Read]:
    """The same of a network that reads both ways; with a `gap` what it expects from the left alone."""
    nats = np.full((len(ids), reader.symbols), np.nan)
    surprisals(Among(reader, 0, reader.symbols, gap), ids, list(segments), nats=nats)
    return [_read(int(ids[place]), -nats[place], top) for place in range(first, last)]


def _read(symbol: int, logits: npt.NDArray[np.float64], top: int) -> Read:
    powers = np.exp(logits - logits.max())
    nats = logits.max() + np.log(powers.sum()) - logits[min(symbol, len(logits) - 1)]  # of a vector it does not count
    top = min(top, len(logits))
    likely = np.flatnonzero(logits >= np.partition(logits, -top)[-top])  # `top` of them, or more that are equal
    best = likely[np.argsort(-logits[likely], kind="stable")[:top]]
    return Read(symbol, float(nats), list(zip(best.tolist(), (powers[best] / powers.sum()).tolist(), strict=True)))
