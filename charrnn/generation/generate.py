"""prompts -> texts: read a symbol, choose the next, feed it back; many texts side by side.

    request 0  [prompt | text ......... ]  ended, and its lane begins with request 3
    request 1  [prompt ....... | text     lanes that still read their prompt and lanes that write advance together
    request 2  [ | text .................

Every request has its own seed and its own draws, and a lane does not know its neighbours: a text is the same whatever
is written beside it. Texts leave in the order of their requests, the first of them while it is being written. Memory
depends neither on the number of requests nor on their length: see `side_by_side`.
"""

from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.generation.choose import distribution, draw, surprisal
from charrnn.generation.sample import Ending, Request, Sampling, Text
from charrnn.generation.steering import Steering
from charrnn.text.vocabulary import Vocabulary

_HELD = 1 << 26  # symbols of texts that wait for an earlier one to end
_AHEAD = 2  # times the lanes: how far a request may be ahead of the first unfinished one


class Stepper(Protocol):
    """A network that reads one symbol in each lane at a time."""

    symbols: int

    def initial_state(self, lanes: int) -> Any:
        """The state before anything was read."""

    def select(self, state: Any, rows: npt.NDArray[np.int64]) -> Any:
        """The state of these lanes, in this order; a fresh one for each -1."""

    def step(self, ids: npt.NDArray[np.int64], state: Any) -> tuple[npt.NDArray[np.float32], Any]:
        """Ids (B,) -> logits (B, V) and the state afterwards."""

    def agrees(self, lanes: int) -> bool:
        """Whether a lane's numbers are the same, to the last bit, alone and beside `lanes` - 1 others."""


class Piece(NamedTuple):
    """More of the text of request `number`; with its last piece comes its ending."""

    number: int
    text: bytes
    ending: Ending | None = None


def side_by_side(length: int, most: int) -> int:
    """How many texts of `length` symbols to write at once: so many that what waits for its turn stays small."""
    return max(1, min(most, _HELD // (_AHEAD * max(1, length))))


def generate(
    network: Stepper,
    vocabulary: Vocabulary,
    requests: Iterable[Request | None],
    sampling: Sampling,
    *,
    lanes: int = 1,
    burst: int = 8,
) -> Iterator[Piece]:
    """Write all requests, at most `lanes` at once, and yield their texts in order, after every `burst` symbols.

    Without a prompt a text begins as a line would: after a newline where the model knows one, else with a symbol drawn
    uniformly. Where texts are records it begins, prompt or not, as a record does. No symbol is given out twice, none is
    missing, whatever `lanes` and `burst`. A request that is None says that no other comes for now: those that are there
    are answered first.
    """
    coming, turn = iter(requests), 0
    while begun := _taken(coming, lanes):
        if len(begun) > 1 and not network.agrees(len(begun)):
            begun, coming, lanes = begun[:1], chain(begun[1:], coming), 1
        following = coming if len(begun) == lanes else iter(())
        first = [Text(number, request, vocabulary, sampling) for number, request in enumerate(begun, turn)]
        turn = yield from _answered(_Board(network, first), following, sampling, burst)


def _taken(coming: Iterator[Request | None], most: int) -> list[Request]:
    """The next requests, at most so many; at least one, if there is one, and all that are there."""
    taken: list[Request] = []
    for request in coming:
        if request is not None:
            taken.append(request)
        if len(taken) == most or (taken and request is None):
            break
    return taken


def _answered(
    board: "_Board", following: Iterator[Request | None], sampling: Sampling, burst: int
) -> Generator[Piece, None, int]:
    """Write the texts of `board`, and in their lanes those that follow until no more come; returns the next number."""
    turn, count = board.texts[0].number, len(board.texts)
    unfinished, number = {text.number: text for text in board.texts}, turn + count
    while unfinished:
        board.advance(burst, sampling)
        while turn in unfinished:
            text = unfinished[turn]
            yield Piece(turn, text.taken(), text.ending)
            if text.ending is None:
                break
            del unfinished[turn]
            turn += 1
        for lane, old in enumerate(board.texts):
            if old.ending is not None and len(unfinished) < _AHEAD * count:
                request = next(following, None)
                if request is None:
                    following = iter(())
                    continue
                board.texts[lane] = unfinished[number] = Text(number, request, board.vocabulary, sampling)
                number += 1
    return turn


class _Board:
    """The lanes: one text in each, advancing together."""

    def __init__(self, network: Stepper, texts: list[Text]) -> None:
        self.network, self.texts, self.vocabulary = network, texts, texts[0].vocabulary
        self.state = network.initial_state(len(texts))
        self.ids = np.zeros(len(texts), dtype=np.int64)

    def advance(self, steps: int, sampling: Sampling) -> None:
        """Make `steps` choices in every lane; a lane whose text has ended goes on in vain."""
        self._begin()
        plans = [text.plan(steps) for text in self.texts]
        forced, uniform = np.stack([plan[0] for plan in plans], axis=1), np.stack([plan[1] for plan in plans], axis=1)
        chosen, nats = np.empty(forced.shape, dtype=np.int64), np.empty(forced.shape)
        choice = sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p
        held = [lane for lane, text in enumerate(self.texts) if text.steered]
        for t in range(steps):
            logits, self.state = self.network.step(self.ids, self.state)
            if self.vocabulary.unwritten:
                logits[:, self.vocabulary.unwritten] = -np.inf
            lanes = [lane for lane in held if forced[t, lane] < 0 and self.texts[lane].steered]
            steering = Steering(self.texts, lanes, logits, self.network, self.state) if lanes else None
            allowed, costs = (logits, logits) if steering is None else (steering.allowed, steering.costs)
            drawn = draw(distribution(allowed, *choice), uniform[t])
            nats[t] = surprisal(costs, drawn)
            if steering is not None:
                steering.chosen(drawn, nats[t])
            chosen[t] = np.where(forced[t] >= 0, forced[t], drawn)
            self.ids = np.maximum(chosen[t], 0)  # where nothing is left it goes on in vain
            self._end_records()
        for lane, text in enumerate(self.texts):
            if text.ending is None:
                free = int((forced[:, lane] >= 0).sum())
                text.add(chosen[free:, lane].tolist(), nats[free:, lane].tolist())

    def _end_records(self) -> None:
        """After the end of a record the next one begins from nothing, as it did in training."""
        ended = self.ids == self.vocabulary.end_id
        if ended.any():
            self.state = self.network.select(self.state, np.where(ended, -1, np.arange(len(ended))))

    def _begin(self) -> None:
        """A lane with a new text starts from nothing, with the first symbol of its script."""
        new = [lane for lane, text in enumerate(self.texts) if not text.begun]
        if not new:
            return
        rows = np.arange(len(self.texts))
        rows[new] = -1
        self.state = self.network.select(self.state, rows)
        self.ids = self.ids.copy()
        for lane in new:
            self.texts[lane].begun = True
            self.ids[lane], self.texts[lane].read = self.texts[lane].script[0], 1
