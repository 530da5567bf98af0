"""prompt -> stream of text: read a symbol, choose the next, feed it back.

Text leaves as UTF-8 bytes in pieces, as soon as it is sure: what could be the beginning of a stop string is held back
until it is not, so that no part of a stop string is ever given out. The caller owns the pieces and the pace.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.generation.choose import distribution, draw, softmax
from charrnn.text.vocabulary import Ids, Vocabulary


class Stepper(Protocol):
    """A network that reads one symbol at a time."""

    symbols: int

    def initial_state(self, lanes: int) -> Any:
        """The state before anything was read."""

    def step(self, ids: npt.NDArray[np.int64], state: Any) -> tuple[npt.NDArray[np.float32], Any]:
        """Ids (B,) -> logits (B, V) and the state afterwards."""


@dataclass(frozen=True)
class Sampling:
    """How to choose and when to stop."""

    length: int = 500  # symbols
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    stops: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Ending:
    """How a sample ended: `length` or `stop`; `nats` is -ln of the text's probability at temperature 1."""

    reason: str
    symbols: int
    nats: float
    stop: bytes | None = None


def generate(
    network: Stepper, vocabulary: Vocabulary, prompt: Ids, sampling: Sampling, seed: int
) -> Generator[bytes, None, Ending]:
    """Yield the text that follows `prompt`, piece by piece; the generator's return value is its `Ending`.

    Without a prompt the text begins as a line would: after a newline where the model knows one, else with a symbol
    drawn uniformly. The draws come from NumPy's PCG64 seeded with `seed`, one per symbol.
    """
    generator = np.random.default_rng(seed)
    state = network.initial_state(1)
    for symbol in _opening(vocabulary, prompt, generator):
        logits, state = network.step(np.array([symbol], dtype=np.int64), state)
    held, nats = b"", 0.0
    for count in range(1, sampling.length + 1):
        probabilities = distribution(logits, sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p)
        ids = draw(probabilities, generator.random(1))
        nats -= float(np.log(softmax(logits)[0, ids[0]]))
        held += vocabulary.to_bytes(ids.tolist())
        place, stop = _find(held, sampling.stops)
        if stop is not None:
            yield held[:place]
            return Ending("stop", count, nats, stop)
        sure = len(held) - _overlap(held, sampling.stops)
        if sure:
            yield held[:sure]
            held = held[sure:]
        if count < sampling.length:
            logits, state = network.step(ids, state)
    yield held
    return Ending("length", sampling.length, nats)


def collect(
    pieces: Generator[bytes, None, Ending], on_piece: Callable[[bytes], None] | None = None
) -> tuple[bytes, Ending]:
    """Run a sample to its end; returns its text and ending, giving every piece to `on_piece` on the way."""
    text = bytearray()
    while True:
        try:
            piece = next(pieces)
        except StopIteration as end:
            return bytes(text), end.value
        text += piece
        if on_piece:
            on_piece(piece)


def _opening(vocabulary: Vocabulary, prompt: Ids, generator: np.random.Generator) -> Sequence[int]:
    if len(prompt):
        return [int(symbol) for symbol in prompt]
    if "\n" in vocabulary.symbols:
        return [vocabulary.symbols.index("\n")]
    return [int(generator.integers(len(vocabulary)))]


def _find(text: bytes, stops: Sequence[bytes]) -> tuple[int, bytes | None]:
    """The earliest stop string in `text`; at the same place the longest."""
    found = [(text.find(stop), -len(stop), stop) for stop in stops if stop in text]
    if not found:
        return -1, None
    place, _, stop = min(found)
    return place, stop


def _overlap(text: bytes, stops: Sequence[bytes]) -> int:
    """Length of the longest end of `text` that a stop string begins with."""
    longest = max((len(stop) - 1 for stop in stops), default=0)
    return next((n for n in range(min(longest, len(text)), 0, -1) if any(s.startswith(text[-n:]) for s in stops)), 0)
