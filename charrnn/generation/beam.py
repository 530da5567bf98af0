"""What probably comes next: the likeliest continuations of a text, by beam search.

With one step this is the distribution of what comes next, exactly; with more, the best of those found with `width`
texts kept after every step, and exactly the best where `width` holds all of them.

A step writes a symbol; a byte model writes a whole character, whose bytes are multiplied out: what is no character yet
goes on as long as it is among the likeliest, so that what is left is in order. Where a prompt is taken back to a border
(see `healing`), the first step writes what goes beyond it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from charrnn.generation.choose import softmax
from charrnn.generation.generate import Stepper
from charrnn.generation.healing import Healing
from charrnn.text.vocabulary import Ids, Vocabulary


class Prediction(NamedTuple):
    """What may come next, and how probable it is. Bytes that are no text stand as `\\xd0`."""

    text: str
    probability: float


@dataclass(frozen=True)
class _Path:
    """A continuation: its symbols, the ln of its probability, and the state before its last symbol, in `row`."""

    ids: tuple[int, ...]
    score: float
    last: int
    state: Any
    row: int = 0
    open: bytes = b""  # of a byte model: the bytes since the last whole character

    @property
    def rank(self) -> tuple[float, tuple[int, ...]]:
        """The likeliest first; of equals the one whose symbols come first in the vocabulary."""
        return -self.score, self.ids


def continuations(
    network: Stepper, vocabulary: Vocabulary, text: Ids, steps: int, width: int, rest: str = ""
) -> list[Prediction]:
    """At most `width` continuations of `text` (at least one symbol) and its `rest`, by `steps` steps each.

    The likeliest comes first; of equals the one whose symbols come first in the vocabulary.
    """
    return _Beam(network, vocabulary, width).search(text, steps, rest)


class _Beam:
    """The search: at most `width` paths after each step."""

    def __init__(self, network: Stepper, vocabulary: Vocabulary, width: int) -> None:
        self.network, self.vocabulary, self.width = network, vocabulary, width
        self.bytes = vocabulary.unit == "byte"

    def search(self, text: Ids, steps: int, rest: str) -> list[Prediction]:
        state = self.network.initial_state(1)
        for symbol in text[:-1]:
            _, state = self.network.step(np.array([symbol], dtype=np.int64), state)
        left = _unfinished(bytes(int(byte) for byte in text[-3:])) if self.bytes else b""
        start = _Path((), 0.0, int(text[-1]), state, open=left)
        paths = self._step([start]) if not rest else self._healed(start, rest)
        for _ in range(steps - 1):
            paths = self._step(paths[: self.width])
        return self._told(paths, rest)

    def _told(self, paths: list[_Path], rest: str) -> list[Prediction]:
        """Paths as texts; those that write the same after a prompt's rest are one."""
        found: dict[str, float] = {}
        for path in paths:
            text = self.vocabulary.to_bytes(path.ids).decode("utf-8", "backslashreplace")[len(rest) :]
            found[text] = found.get(text, 0.0) + float(np.exp(path.score))
        return [Prediction(*each) for each in sorted(found.items(), key=lambda each: -each[1])[: self.width]]

    def _step(self, paths: list[_Path]) -> list[_Path]:
        """The likeliest of all that is one step longer."""
        most = self.network.symbols if self.bytes else self.width
        found = self._grown(paths, most)
        while True:
            found = sorted(found, key=lambda path: path.rank)
            unfinished = [path for path in found[: self.width] if path.open]
            if not unfinished:
                return found[: self.width]
            finished = set(map(id, unfinished))
            found = [path for path in found if id(path) not in finished] + self._grown(unfinished, most)

    def _healed(self, start: _Path, rest: str) -> list[_Path]:
        """All that is one symbol longer than the rest, the likeliest first; some of it may write the same."""
        ways = Healing.of(self.vocabulary, rest)
        logits, state = self._read([start])
        scores, before = ways.logits(self.network, self.vocabulary, logits, state)
        begun = [_Path((symbol,), float(scores[symbol]), symbol, state) for symbol in ways.begin.tolist()]
        longer = [path for path in begun if path.last not in ways.covering]
        covering = [path for path in begun if path.last in ways.covering]
        if ways.spelling:
            spelt = float(scores[ways.spelling[0]])
            covering.append(_Path(ways.spelling, spelt, ways.spelling[-1], before))
        for path in covering:
            longer += self._grown([path], self.network.symbols)
        return sorted(longer, key=lambda path: path.rank)

    def _grown(self, paths: Iterable[_Path], most: int) -> list[_Path]:
        """Each path by its `most` likeliest next symbols."""
        found = []
        for _, group in groupby(sorted(paths, key=lambda path: id(path.state)), key=lambda path: id(path.state)):
            some = list(group)
            logits, state = self._read(some)
            with np.errstate(divide="ignore"):  # a probability may be too small for a float
                scores = np.array([path.score for path in some])[:, None] + np.log(softmax(logits))
            best = np.argsort(-scores, axis=1, kind="stable")[:, :most]
            for row, path in enumerate(some):
                for symbol in best[row].tolist():
                    left = _unfinished(path.open + bytes([symbol])) if self.bytes else b""
                    found.append(_Path((*path.ids, symbol), float(scores[row, symbol]), symbol, state, row, left))
        return found

    def _read(self, paths: list[_Path]) -> Any:
        """The logits after each path's last symbol, and the state; the next record begins from nothing."""
        rows = np.array([-1 if path.last == self.vocabulary.end_id else path.row for path in paths])
        ids = np.array([path.last for path in paths], dtype=np.int64)
        logits, state = self.network.step(ids, self.network.select(paths[0].state, rows))
        logits[:, self.vocabulary.unwritten] = -np.inf
        return logits, state


def _unfinished(text: bytes) -> bytes:
    """The end of `text` that may become a character."""
    for size in range(min(3, len(text)), 0, -1):
        end = text[-size:]
        try:
            end.decode()
        except UnicodeDecodeError as error:
            if error.start == 0 and error.reason == "unexpected end of data":
                return end
    return b""
