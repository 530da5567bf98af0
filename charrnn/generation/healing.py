"""A prompt that ends within a word, or in the space before one: what is written begins with that rest.

    "cash fl" -> reads "cash", and writes a symbol that begins with " fl", or spells " ", "f", "l" and goes on freely

A model of words has never seen a text cut there: " " stands before what is no word, and "f", "l" in words that are
rare. So the prompt is taken back to the last border that no continuation can move, and the first choice is made among
all ways to write the rest: each symbol that begins with it, and its spelling in characters, whose probabilities are
multiplied.

What is exact: given that the text begins with the prompt, each of these ways has its probability under the model,
divided by the sum over all of them. What is left out: ways in which no text is ever encoded, such as a word in two
symbols that are no characters. Training gives them next to nothing. With a temperature other than 1 the spelling is one
choice.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.generation.choose import Logits, softmax
from charrnn.text.vocabulary import Vocabulary


class Network(Protocol):
    """A network that reads one symbol in each lane at a time."""

    def select(self, state: Any, rows: npt.NDArray[np.int64]) -> Any:
        """The state of these lanes, in this order; a fresh one for each -1."""

    def step(self, ids: npt.NDArray[np.int64], state: Any) -> tuple[npt.NDArray[np.float32], Any]:
        """Ids (B,) -> logits (B, V) and the state afterwards."""


class Healing(NamedTuple):
    """The ways to write a rest: ids that begin with it, and the ids of its characters if that is another way."""

    begin: npt.NDArray[np.int64]
    spelling: tuple[int, ...]
    covering: tuple[int, ...]  # of the first choice, those after which nothing is written but the rest

    @classmethod
    def of(cls, vocabulary: Vocabulary, rest: str) -> "Healing":
        """The ways to write `rest`, at least one character, each of which the model knows."""
        begin = [place for place, symbol in enumerate(vocabulary.symbols) if symbol.startswith(rest)]
        spelling = tuple(map(vocabulary.symbols.index, rest)) if len(rest) > 1 else ()
        whole = [place for place in begin if vocabulary.symbols[place] == rest]
        return cls(np.array(begin, dtype=np.int64), spelling, (*whole, *spelling[:1]))

    def logits(
        self, network: Network, vocabulary: Vocabulary, logits: Logits, state: Any
    ) -> tuple[npt.NDArray[np.float64], Any]:
        """Ln of the probability of each way, (V,), from the logits (1, V) that come with a state of one lane.

        That of the spelling stands at its first character. Also the state before its last one was read.
        """
        ways = np.full(logits.shape[-1], -np.inf)
        known = _log_softmax(logits)
        ways[self.begin] = known[self.begin]
        if self.spelling:
            spelt = known[self.spelling[0]]
            for last, following in zip(self.spelling, self.spelling[1:], strict=False):
                logits, after = network.step(np.array([last], dtype=np.int64), state)
                logits[:, vocabulary.unwritten] = -np.inf
                spelt += _log_softmax(logits)[following]
                state = after
            ways[self.spelling[0]] = spelt
        return ways - np.logaddexp.reduce(ways), state


def taken_back(vocabulary: Vocabulary, text: str, rest: str) -> bool:
    """Whether a prompt can be taken back to before its `rest`: it is known, and something is left to be read."""
    if not rest or any(character not in vocabulary for character in rest):
        return False
    return len(rest) < len(text) or bool(vocabulary.layout.opening) or "\n" in vocabulary


def _log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore"):  # a probability may be too small for a float
        return np.asarray(np.log(softmax(logits)[0]))
