"""text -> bits: how many nats a model needs for every character of a text, each counted exactly once.

A text is cut into segments (`segments.py`), which are read side by side. The first symbol of the text has no context;
it is charged ln V, a uniform choice, so that the total is the length of a code that could really be decoded.

A text of up to SHORT symbols is carried; a longer one goes through lanes, block by block, in memory that does not grow
with it. Measured on tiny Shakespeare, a run-up of 512 symbols changes the mean by less than 1e-9 nats.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from itertools import chain, islice
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.errors import DataError
from charrnn.evaluation.blocks import blocks
from charrnn.evaluation.segments import RUN_UP, Segment, segmented
from charrnn.model.behind import BEYOND, Behind, behind
from charrnn.text.layout import Independent
from charrnn.text.marks import Labels
from charrnn.text.vocabulary import Ids, Vocabulary

CHUNK = 256  # steps between two looks at the world
SHORT = 10_000  # symbols; not worth the start-up of torch, nor a run-up
LANES = 64
BLOCK = 1 << 21  # symbols of a long text that are in memory
_LOGITS = 1 << 23  # held at once


class Reader(Protocol):
    """A network that reads ids and knows how surprised it was."""

    symbols: int
    bidirectional: bool

    def initial_state(self, lanes: int) -> Any:
        """The state before anything was read."""

    def surprisal(
        self, inputs: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], state: Any, behind: Behind | None = None
    ) -> tuple[Any, Any, Any]:
        """Nats of every target, (T, B), whether it was the likeliest, (T, B), and the state afterwards.

        A network that reads both ways is told what stands `behind` the targets.
        """


@dataclass(frozen=True)
class Score:
    """What a text cost. Everything else is derived from these numbers, and parts add up."""

    nats: float = 0.0
    symbols: int = 0
    characters: int = 0
    bytes: int = 0
    unknown: int = 0  # characters that the model does not know: left out, or written as others
    hits: int = 0  # of answers, symbols that the model found the likeliest
    records: int = 0  # with an answer
    exact: int = 0  # of them, those whose every symbol was the likeliest: what the model would answer

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

    @property
    def accuracy(self) -> float:
        """The share of an answer's symbols that were the likeliest."""
        return self.hits / self.symbols if self.symbols else math.nan

    @property
    def exact_match(self) -> float:
        """The share of answers that the model would have given, choosing the likeliest symbol each time."""
        return self.exact / self.records if self.records else math.nan


class Scored(NamedTuple):
    """A part of a text: its symbols, the nats of each, and how many were unknown to the model."""

    ids: Ids
    nats: npt.NDArray[np.float64]  # not a number where a symbol does not count
    unknown: int
    hits: npt.NDArray[np.bool_]  # whether it was the likeliest


def surprisals(
    reader: Reader,
    ids: Ids,
    segments: list[Segment],
    *,
    side_by_side: int = 64,
    poll: Callable[[], None] = lambda: None,
    nats: npt.NDArray[Any] | None = None,
    labels: Labels | None = None,
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Nats of every symbol of `ids`, (n,), not a number where no segment scores it, and whether it was the likeliest.

    `poll` is called between chunks and may raise. What is found is written into `nats`, (n, K) of a reader that says
    how surprised it would have been in each of K cases.
    """
    nats = np.full(len(ids), math.nan) if nats is None else nats
    read = labels.read if labels is not None else lambda found: found
    hits = np.zeros(len(ids), dtype=bool)
    for batch in _batches(segments, side_by_side):
        starts, scored, ends, limits = np.array([astuple(each) for each in batch]).T
        length, state = int((ends - starts).max()), reader.initial_state(len(batch))
        chunk = max(1, min(CHUNK, _LOGITS // (len(batch) * reader.symbols)))
        for offset in range(0, length, chunk):
            poll()
            places = np.arange(offset, min(offset + chunk, length))[:, None] + starts
            counted = (places >= scored) & (places < ends)
            places = np.minimum(places, ends - 1)
            targets = np.minimum(ids[places].astype(np.int64), reader.symbols - 1)  # of a vector nobody is asked
            if labels is not None:
                counted &= labels.among(targets)
            window: Any = read(ids[places - 1].astype(np.int64)), targets, state
            if reader.bidirectional:
                there = behind(places, limits, BEYOND)
                window = *window, there._replace(ids=read(ids[there.ids].astype(np.int64)))
            found, likeliest, state = reader.surprisal(*window)
            nats[places[counted]], hits[places[counted]] = found[counted], likeliest[counted]
    return nats, hits


def score_stream(
    open_reader: Callable[[bool], Reader],
    pieces: Iterable[Ids],
    vocabulary: Vocabulary,
    window: int | None = None,
    *,
    live: bool = False,
) -> Iterator[Scored]:
    """Ids that come in pieces -> blocks of them with the nats of each; nothing is said of unknown symbols.

    `open_reader` is told whether the text is short. With a `window`, each of so many symbols starts from nothing. What
    is `live` is scored as it comes: an empty piece says that nothing more comes for now.
    """
    # What a block after the first is shown of the one before.
    context = 1 if window or vocabulary.layout.records else RUN_UP
    size = BLOCK // (window or 1) * (window or 1) or window or BLOCK
    grain = (window or 1) if live else None
    coming = blocks(pieces, size + 1, size, vocabulary.end_id, grain)  # the very first symbol is no target
    begun = list(islice(coming, 1 if live else 2))
    short = len(begun) < 2 and sum(map(len, begun)) <= SHORT
    reader = open_reader(short)
    beyond = BEYOND if reader.bidirectional and context == RUN_UP else 0  # held back until what follows is there
    rest = np.zeros(0, dtype=vocabulary.dtype)
    before, held, begins = rest, rest, True
    for block in chain(begun, coming, [rest] * bool(beyond)):
        ids = np.concatenate((before, held, block))
        done = max(len(before), len(ids) - (beyond if block is not rest else 0))
        segments = segmented(ids[:done], vocabulary.layout, 1 if short and begins else LANES, window)
        segments = [replace(segment, limit=len(ids)) for segment in segments] if beyond else segments
        nats, hits = surprisals(reader, ids, segments, side_by_side=LANES, labels=vocabulary.layout.labels)
        nats, held = charged(vocabulary, ids, nats, begins=begins), ids[done:]
        if done > len(before):
            mine = slice(len(before), done)
            yield Scored(ids[mine], nats[mine], 0, hits[mine])
            begins = False
        before = ids[max(0, done - context) : done]


def charged(
    vocabulary: Vocabulary, ids: Ids, nats: npt.NDArray[np.float64], *, begins: bool
) -> npt.NDArray[np.float64]:
    """Nats in full: where a text `begins` a uniform choice, of an unknown character also which one it is."""
    if begins and len(nats) and not vocabulary.layout.opening:
        nats[0] = math.log(len(vocabulary))
    return np.asarray(nats + vocabulary.spelling * (ids == len(vocabulary.symbols)))


def total(
    vocabulary: Vocabulary,
    ids: Ids,
    nats: npt.NDArray[np.float64],
    unknown: int = 0,
    hits: npt.NDArray[np.bool_] | None = None,
) -> Score:
    """The score of a text from the nats of its symbols; those that have none do not count."""
    counted = ~np.isnan(nats)
    characters, size = vocabulary.measure(ids[counted])
    score = Score(math.fsum(nats[counted]), int(counted.sum()), characters, size, unknown)
    layout = vocabulary.layout
    if hits is None or not isinstance(layout, Independent) or not layout.asks:
        return score
    lacking = int(ids[0] != layout.end_id)  # a part after the first lacks the END before its first record
    places = layout.borders(np.insert(ids, 0, [layout.end_id] * lacking))
    misses = np.cumsum(np.insert(counted & ~hits, 0, [False] * lacking))
    exact = misses[places.last] == misses[places.asked]
    return replace(score, hits=int(hits[counted].sum()), records=len(exact), exact=int(exact.sum()))


def summed(vocabulary: Vocabulary, parts: Iterable[Scored], name: str) -> Score:
    """The score of the whole text `name` from its parts.

    Raises:
        DataError: no symbol of it is known to the model.
    """
    score = sum((total(vocabulary, *part) for part in parts), Score())
    if not score.symbols:
        raise DataError(f"nothing to score in {name}", "no symbol of it is known to the model", "check the text")
    return score


def _batches(segments: list[Segment], side_by_side: int) -> Iterator[list[Segment]]:
    """Neighbouring segments, which come longest first: `side_by_side` at a time, more of them where they are short."""
    start = 0
    while start < len(segments):
        longest = segments[start].end - segments[start].start
        count = side_by_side * max(1, CHUNK // max(1, longest))
        yield segments[start : start + count]
        start += count
