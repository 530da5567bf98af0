"""text -> bits: how many nats a model needs for every character of a text, each counted exactly once.

A text of n symbols is cut into segments, which are read side by side. A segment reads from `start` and scores from
`scored`: what lies between is read only to bring the state up. The first symbol of the text has no context; it is
charged ln V, a uniform choice, so that the total is the length of a code that could really be decoded.

    carried     one segment: the state runs through the whole text
    lanes       several segments, each after a run-up long enough that its state has forgotten where it began
    cold        windows of N symbols, each from a zero state: the protocol of models with a context window

A text of up to SHORT symbols is carried; a longer one goes through lanes, block by block, in memory that does not grow
with it. Measured on tiny Shakespeare, a run-up of 512 symbols changes the mean by less than 1e-9 nats.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from itertools import chain, islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.text.vocabulary import Ids, Vocabulary

CHUNK = 256  # steps between two looks at the world
RUN_UP = 512
SHORT = 10_000  # symbols; not worth the start-up of torch, nor a run-up
LANES = 64
BLOCK = 1 << 21  # symbols of a long text that are in memory
_LOGITS = 1 << 23  # held at once


class Reader(Protocol):
    """A network that reads ids and knows how surprised it was."""

    symbols: int

    def initial_state(self, lanes: int) -> Any:
        """The state before anything was read."""

    def surprisal(self, inputs: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], state: Any) -> tuple[Any, Any]:
        """Nats of every target, (T, B), and the state afterwards."""


@dataclass(frozen=True)
class Score:
    """What a text cost. Everything else is derived from these five numbers, and parts add up."""

    nats: float = 0.0
    symbols: int = 0
    characters: int = 0
    bytes: int = 0
    unknown: int = 0  # characters that the model does not know: left out, or written as others

    def __add__(self, other: "Score") -> "Score":
        return Score(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def nats_per_char(self) -> float:
        """Cross-entropy in nats per character."""
        return self.nats / self.characters if self.characters else math.nan

    @property
    def bits_per_char(self) -> float:
        """Cross-entropy in bits per character."""
        return self.nats_per_char / math.log(2)

    @property
    def bits_per_byte(self) -> float:
        """Cross-entropy in bits per UTF-8 byte: comparable between units and with compressors."""
        return self.nats / self.bytes / math.log(2) if self.bytes else math.nan

    @property
    def perplexity(self) -> float:
        """Exp of the mean nats per symbol: between how many equal choices the model wavered."""
        return math.exp(min(700.0, self.nats / self.symbols)) if self.symbols else math.nan


@dataclass(frozen=True)
class Segment:
    """Read the targets [start, end) from a zero state, count those of [scored, end)."""

    start: int
    scored: int
    end: int


def carried(symbols: int) -> list[Segment]:
    """One segment: every target after the first."""
    return [Segment(1, 1, symbols)] if symbols > 1 else []


def lanes(symbols: int, count: int, run_up: int = RUN_UP) -> list[Segment]:
    """At most `count` segments of equal length; all but the first have a run-up of at least `run_up` symbols."""
    count = max(1, min(count, (symbols - 1) // (2 * run_up)))
    length = -(-(symbols - 1 + (count - 1) * run_up) // count)
    ends = [min(symbols, 1 + length + index * (length - run_up)) for index in range(count)] if symbols > 1 else []
    return [Segment(end - length, before, end) for before, end in zip([1, *ends], ends, strict=False)]


def cold(symbols: int, window: int) -> list[Segment]:
    """Windows of `window` targets, each starting from nothing."""
    return [Segment(start, start, min(symbols, start + window)) for start in range(1, symbols, window)]


def surprisals(
    reader: Reader,
    ids: Ids,
    segments: list[Segment],
    *,
    side_by_side: int = 64,
    poll: Callable[[], None] = lambda: None,
) -> npt.NDArray[np.float64]:
    """Nats of every symbol of `ids`, shape (n,). `poll` is called between chunks and may raise."""
    nats = np.full(len(ids), math.log(reader.symbols))
    for batch in _batches(segments, side_by_side):
        starts = np.array([segment.start for segment in batch])
        length, state = batch[0].end - batch[0].start, reader.initial_state(len(batch))
        chunk = max(1, min(CHUNK, _LOGITS // (len(batch) * reader.symbols)))
        for offset in range(0, length, chunk):
            poll()
            steps = np.arange(offset, min(offset + chunk, length))
            places = steps[:, None] + starts[None, :]
            found, state = reader.surprisal(ids[places - 1].astype(np.int64), ids[places].astype(np.int64), state)
            counted = places >= np.array([segment.scored for segment in batch])
            nats[places[counted]] = found[counted]
    return nats


def score_stream(
    open_reader: Callable[[bool], Reader], pieces: Iterable[Ids], window: int | None = None
) -> Iterator[tuple[Ids, npt.NDArray[np.float64]]]:
    """Ids that come in pieces -> blocks of them with the nats of each; `open_reader` is told whether the text is short.

    With a `window`, each of so many symbols starts from nothing.
    """
    context = 1 if window else RUN_UP  # what a block after the first is shown of the one before
    size = BLOCK // (window or 1) * (window or 1) or window or BLOCK
    blocks = _blocks(pieces, size + 1, size)  # the very first symbol is no target
    begun = list(islice(blocks, 2))
    short = len(begun) < 2 and sum(map(len, begun)) <= SHORT
    reader, before = open_reader(short), None
    for block in chain(begun, blocks):
        ids = block if before is None else np.concatenate((before, block))
        whole = carried(len(ids)) if short else lanes(len(ids), LANES)
        nats = surprisals(reader, ids, cold(len(ids), window) if window else whole, side_by_side=LANES)
        yield block, nats[len(ids) - len(block) :]
        before = ids[-context:]


def total(vocabulary: Vocabulary, ids: Ids, nats: npt.NDArray[np.float64], unknown: int = 0) -> Score:
    """The score of a text from the nats of its symbols."""
    characters, size = vocabulary.measure(ids)
    return Score(math.fsum(nats), len(ids), characters, size, unknown)


def _blocks(pieces: Iterable[Ids], first: int, size: int) -> Iterator[Ids]:
    """The same ids in blocks of `size`; the first has `first` of them, the last what is left."""
    kept: list[Ids] = []
    for piece in pieces:
        kept.append(piece)
        while sum(map(len, kept)) >= first:
            ids = np.concatenate(kept)
            yield ids[:first]
            kept, first = [ids[first:]], size
    if sum(map(len, kept)):
        yield np.concatenate(kept)


def _batches(segments: list[Segment], side_by_side: int) -> Iterator[list[Segment]]:
    """Neighbouring segments of equal length, at most `side_by_side` at a time."""
    batch: list[Segment] = []
    for segment in segments:
        if batch and (len(batch) == side_by_side or segment.end - segment.start != batch[0].end - batch[0].start):
            yield batch
            batch = []
        batch.append(segment)
    if batch:
        yield batch
