"""What other networks expect at every place of a text: distributions to learn from, besides the text itself.

Hinton et al. 2015, "Distilling the Knowledge in a Neural Network". With p the mean of the teachers' distributions, q
the student's and w the weight of what they teach, the loss at a place whose next symbol is t is

    (1 - w) * -ln q(t) + w * sum over v of p(v) * -ln q(v)

the cross-entropy against w p and, for the rest, t. So p is all that a step needs: it is found once, the state carried
through the text, and kept in half precision. Of a large alphabet the likeliest symbols are kept; what they leave of p
goes to t.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charrnn.evaluation.blocks import blocks
from charrnn.evaluation.score import LANES, surprisals
from charrnn.evaluation.segments import RUN_UP, segmented
from charrnn.learning.held import Held
from charrnn.model.behind import Behind
from charrnn.model.network import CharRNN, NetworkState
from charrnn.model.torch_reader import TorchReader
from charrnn.text.survey import Tell, now_and_then
from charrnn.text.vocabulary import Ids, Vocabulary

Rows = npt.NDArray[Any]
WHOLE, LIKELIEST = 256, 64  # symbols of an alphabet that is kept whole; of a larger one so many for each place
_HELD = 1 << 26  # probabilities in memory while they are found


@dataclass(frozen=True)
class Expected:
    """The teachers' distributions at every place of a training set: rows of probabilities, and of whose they are."""

    rows: Rows  # (n,): `p` (K,) and, of a large alphabet, `symbols` (K,)
    weight: float

    def on(self, device: torch.device) -> dict[str, Held]:
        """The rows, to be taken on `device`."""
        return {name: Held(self.rows[name], device) for name in self.rows.dtype.names or ()}

    def targets(self, found: Mapping[str, Tensor], wanted: Tensor, counted: Tensor | None, symbols: int) -> Tensor:
        """What a network over so many `symbols` learns where `wanted` (T, B) stand and the rows that were `found`.

        (T, B, V), zeros where none is `counted`.
        """
        p = found["p"] * self.weight
        if "symbols" in found:
            p = p.new_zeros(*p.shape[:2], symbols).scatter_(-1, found["symbols"], p)
        rest = 1 - p.sum(-1, keepdim=True)
        p.scatter_add_(-1, wanted[..., None], rest)
        return p if counted is None else p * counted[..., None]


def row_of(symbols: int) -> np.dtype[Any]:
    """What is kept of a distribution over so many symbols."""
    if symbols <= WHOLE:
        return np.dtype([("p", np.float16, (symbols,))])
    return np.dtype([("p", np.float16, (LIKELIEST,)), ("symbols", np.uint32, (LIKELIEST,))])


def expectations(networks: Sequence[CharRNN], ids: Ids, vocabulary: Vocabulary, tell: Tell) -> Iterator[Rows]:
    """The rows of a training set, block by block; a place that nothing predicts has none of p."""
    readers, tell = [Expecting(network) for network in networks], now_and_then(tell)

    def poll() -> None:
        whole = len(ids) * len(readers)  # but some are read twice
        tell(f"teachers: read {min(whole, sum(reader.seen for reader in readers)):,} of {whole:,} symbols")

    context = 1 if vocabulary.layout.records else RUN_UP
    size = max(1 << 14, _HELD // len(vocabulary))
    before = ids[:0]
    for block in blocks([ids], size + 1, size, vocabulary.end_id):
        text = np.concatenate((before, block))
        segments = segmented(text, vocabulary.layout, LANES)
        mean = np.zeros((len(text), len(vocabulary)), dtype=np.float32)
        for reader in readers:
            one = np.zeros_like(mean)
            surprisals(reader, text, segments, side_by_side=LANES, poll=poll, nats=one)
            mean += one / len(readers)
        yield _rows(mean[len(before) :], row_of(len(vocabulary)))
        before = text[-context:]


def _rows(mean: npt.NDArray[np.float32], dtype: np.dtype[Any]) -> Rows:
    rows = np.zeros(len(mean), dtype=dtype)
    if "symbols" not in (dtype.names or ()):
        rows["p"] = mean
        return rows
    likeliest = np.argpartition(mean, -LIKELIEST, axis=1)[:, -LIKELIEST:]
    rows["symbols"], rows["p"] = likeliest, np.take_along_axis(mean, likeliest, axis=1)
    return rows


class Expecting(TorchReader):
    """A network that says how likely it finds each symbol, in place of how surprised it is by the one that comes."""

    seen = 0  # symbols so far

    def surprisal(
        self,
        inputs: npt.NDArray[np.int64],
        targets: npt.NDArray[np.int64],
        state: NetworkState,
        behind: Behind | None = None,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], NetworkState]:
        """The distribution at every place, (T, B, V)."""
        self.seen += targets.size
        with torch.no_grad():
            logits, state = self.network(torch.from_numpy(inputs).to(self.device), state)
            found = logits.float().softmax(-1).cpu().numpy()
        return found, np.zeros(targets.shape, dtype=bool), state
