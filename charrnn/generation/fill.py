"""Gaps of a text -> what probably stood there, given what stands before and behind them.

A beam search goes through the text and writes into its gaps. What is known is read as it stands:

    one direction     p(text) = prod_t p(x_t | x_<t): what follows a gap says which writing of it was the likelier one,
                      so known symbols behind a gap count, too
    both directions   p(gaps | known) = prod_i p(x_i | x_<i, known behind i): a backward stack has read what follows,
                      with gaps as gaps. The same network, shown nothing behind, is one of the first kind; the geometric
                      mean of the two is better than either (benchmarks/both_ways.py)

Several writings are kept (at most `width`, none MARGIN nats worse than the best) until so many known symbols have
followed that a gap is settled; gaps near each other are settled together. The probability of a writing is its share of
all that were kept. Of a gap of unknown length each length is tried: the likeliest is the one with which the gap and
what follows it cost least together; for that a backward stack is shown neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.generation.choose import softmax
from charrnn.generation.kept import Array, Kept
from charrnn.model.behind import BEYOND, Behind, behind
from charrnn.model.numpy_network import NumpyNetwork, Stack
from charrnn.text.gaps import ANY, SPACED, UNSPACED, Gapped, runs
from charrnn.text.vocabulary import Vocabulary

WIDTH, MARGIN = 32, 5.0  # writings that are kept, and by how many nats the worst of them may be worse than the best
SETTLED = 8  # known symbols behind a gap after which it is settled: measured, 32 fill no better
HALF = 0.5
MOST = 1000  # symbols that a gap of unknown length may have
NOTHING = 32  # gaps in a row
FOLLOWING = 24  # symbols that say how long a gap of unknown length is
RUN_UP = 256  # symbols that are read before a gap
_LANE, _LANES = 256, 64  # symbols, and lanes at a time, of the backward stack


class Choice(NamedTuple):
    """What may stand in a gap, and its probability among all that was kept."""

    ids: tuple[int, ...]
    probability: float


class Filled(NamedTuple):
    """A gap: from which symbol to which, what was chosen, and what was likely, best first."""

    first: int
    last: int
    chosen: Choice
    likeliest: list[Choice]


@dataclass(frozen=True)
class How:
    """How a writing is chosen: the likeliest, or at a temperature by chance; of each gap the `top` ones are told."""

    temperature: float = 0.0
    seed: int = 0
    top: int = 3
    most: int = 20  # symbols of a gap of unknown length
    width: int = WIDTH


class Filling:
    """The gaps of texts, filled by one network."""

    def __init__(self, network: NumpyNetwork, vocabulary: Vocabulary, how: How) -> None:
        self.network, self.vocabulary, self.how = network, vocabulary, how
        self.blind = None if network.backward is None else self._nothing_behind(network.backward)
        self.generator, self.margin = np.random.default_rng(how.seed), MARGIN * max(1.0, how.temperature)
        never = np.zeros(len(vocabulary), dtype=bool)
        never[[*vocabulary.unwritten, *([] if vocabulary.end_id is None else [vocabulary.end_id])]] = True
        spaced = np.array([symbol[:1] == " " for symbol in vocabulary.written])
        word = spaced & np.array([len(symbol) > 1 for symbol in vocabulary.written])
        self.never = {
            kind: never if other.all() else other
            for kind, other in ((ANY, never), (SPACED, never | ~word), (UNSPACED, never | spaced))
        }

    def fill(self, text: Gapped) -> list[Filled]:
        """What stands in the gaps of a text, or of a record from the END before it to its own, in order.

        Of a gap of unknown length the places of those behind it are what they are when it is filled.
        """
        while text.free.any():
            place = int(np.flatnonzero(text.free)[0])
            text = text.put(place, self._length(text, place))
        return self._search(text)

    def _search(self, text: Gapped) -> list[Filled]:
        ids, found, gaps = text.ids.astype(np.int64), list[Filled](), list(runs(text))
        behind_gaps, kept, at = self._from_behind(text), self._begin(), 0
        open_from = number = 0  # the gaps gaps[open_from:number] are written and not settled yet
        while number < len(gaps) or open_from < number:
            nearest = gaps[number][0] if number < len(gaps) else len(text)
            if open_from == number:
                kept, at = (self._begin(), nearest - RUN_UP) if nearest - at > RUN_UP else (kept, at)
                kept, at = self._read(kept, ids[at:nearest]), nearest
            elif nearest - at >= SETTLED or nearest == len(text):
                last = min(at + SETTLED, len(text))
                kept, at = self._read(kept, ids[at:last]), last
                kept, settled = self._settle(kept, gaps[open_from:number])
                found += settled
                open_from = number
                continue
            else:
                kept, at = self._read(kept, ids[at:nearest]), nearest
            for place in range(*gaps[number]):
                kept = self._write(kept, behind_gaps.get(place), int(text.kinds[place]))
            at, number = gaps[number][1], number + 1
        return found

    def _begin(self) -> Kept:
        features = np.zeros((1, self.network.config.hidden), dtype=np.float32)
        return Kept(self.network.initial_state(1), features, np.zeros(1), np.zeros((1, 0), dtype=np.int64))

    def _read(self, kept: Kept, symbols: npt.NDArray[np.int64]) -> Kept:
        """Known symbols, which say which writing is the likelier."""
        for place, symbol in enumerate(symbols.tolist()):
            if len(kept.scores) == 1 and place + 1 < len(symbols):
                kept = replace(kept, state=self.network.advance(np.array([symbol]), kept.state))
                continue
            if len(kept.scores) > 1:
                kept = kept.costing(self._onward(kept, None)[:, symbol]).pruned(self.network, self.margin)
            kept = self._advanced(kept, np.full(len(kept.scores), symbol))
        return kept

    def _write(self, kept: Kept, there: Array | None, kind: int) -> Kept:
        """Every symbol that may be the next one of a gap, behind every writing: the best of them."""
        scores = kept.scores[:, None] + self._onward(kept, self.never[kind])
        if self.network.bidirectional:
            scores += HALF * self._log(kept, there, self.never[kind])
        flat = scores.ravel()
        best = np.argpartition(-flat, min(self.how.width, len(flat)) - 1)[: self.how.width]
        best = best[np.argsort(-flat[best], kind="stable")]
        rows, symbols = np.divmod(best, scores.shape[1])
        written = np.concatenate((kept.written[rows], symbols[:, None]), axis=1)
        kept = Kept(self.network.select(kept.state, rows), kept.features[rows], flat[best], written)
        kept = kept.pruned(self.network, self.margin)
        return self._advanced(kept, kept.written[:, -1])

    def _onward(self, kept: Kept, never: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.float64]:
        """Ln p of every symbol after every writing (B, V), by what stands before; of two directions half of it."""
        return self._log(kept, self.blind, never) * (HALF if self.network.bidirectional else 1.0)

    def _log(self, kept: Kept, there: Array | None, never: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.float64]:
        """Ln p of every symbol after every writing (B, V), with what a backward stack has read `there`."""
        features = kept.features
        if self.network.bidirectional:
            there = np.zeros_like(features[0]) if there is None else there
            features = np.concatenate((features, np.broadcast_to(there, features.shape)), axis=1)
        logits = self.network.logits(features).astype(np.float64)
        if never is not None:
            logits[:, never] = -np.inf
        logits -= logits.max(axis=1, keepdims=True)
        return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))

    def _advanced(self, kept: Kept, symbols: npt.NDArray[np.int64]) -> Kept:
        features, state = self.network.features(symbols[None], kept.state)
        return replace(kept, state=state, features=features[0])

    def _settle(self, kept: Kept, gaps: Sequence[tuple[int, int]]) -> tuple[Kept, list[Filled]]:
        """One of the writings, and what each of these gaps then is."""
        shares = softmax(kept.scores)
        row = int(kept.scores.argmax())
        if self.how.temperature > 0:
            row = int(self.generator.choice(len(shares), p=softmax(kept.scores / self.how.temperature)))
        found, at = list[Filled](), 0
        for first, last in gaps:
            parts = [tuple(each) for each in kept.written[:, at : at + last - first].tolist()]
            by_text: dict[tuple[int, ...], float] = {}
            for part, share in zip(parts, shares.tolist(), strict=True):
                by_text[part] = by_text.get(part, 0.0) + share
            likeliest = [Choice(*each) for each in sorted(by_text.items(), key=lambda each: (-each[1], each[0]))]
            found.append(Filled(first, last, Choice(parts[row], by_text[parts[row]]), likeliest[: self.how.top]))
            at += last - first
        only = kept.only(self.network, np.array([row]))
        return replace(only, scores=np.zeros(1), written=only.written[:, :0]), found

    def _from_behind(self, text: Gapped) -> dict[int, Array]:
        """What a backward stack gives before each missing symbol, (H,) by its place."""
        if not (self.network.bidirectional and text.missing.any()):
            return {}
        ids, places = self._with_gaps(text), np.flatnonzero(text.missing)
        lanes, found = np.unique(places // _LANE), dict[int, Array]()
        for some in np.split(lanes, range(_LANES, len(lanes), _LANES)):
            targets = np.minimum(np.arange(_LANE)[:, None] + some * _LANE, len(ids) - 1)
            there = behind(targets, np.full(len(some), len(ids)), BEYOND)
            features = self.network.from_behind(Behind(ids[there.ids], there.read))
            for lane, number in enumerate(some.tolist()):
                mine = places[places // _LANE == number].tolist()
                found |= {place: features[place - number * _LANE, lane] for place in mine}
        return found

    def _nothing_behind(self, stack: Stack) -> Array:
        """What a backward stack gives (H,) that has read nothing but gaps."""
        gaps = np.full((NOTHING, 1), self.vocabulary.gap_id or 0, dtype=np.int64)
        return np.asarray(stack.features(gaps, stack.initial_state(1))[0][-1, 0])

    def _with_gaps(self, text: Gapped) -> npt.NDArray[np.int64]:
        """The ids of a text, as a backward stack reads them."""
        return np.where(text.missing, self.vocabulary.gap_id or 0, text.ids).astype(np.int64)

    def _length(self, text: Gapped, place: int) -> int:
        """How many symbols the gap of unknown length at `place` has: those that, with what follows, are likeliest."""
        before = text.part(max(0, place - RUN_UP), place)
        ids = before.ids.astype(np.int64)
        for gap in self._search(before):
            ids[gap.first : gap.last] = gap.chosen.ids
        start, after = self._read(self._begin(), ids), text.part(place + 1, len(text))
        known = after.ids[: int(np.argmax(np.append(after.missing, True)))][:FOLLOWING].astype(np.int64)
        if not len(known) and "\n" in self.vocabulary:
            known = self.vocabulary.encode("\n").astype(np.int64)  # as if a line ended there
        chain = self._blind(after.part(len(known), len(after)), self.how.most + len(known))
        kind, lengths = int(text.kinds[place]), range(1, self.how.most + 1)
        return 1 + int(np.argmax([self._likely(start, kind, length, known, chain) for length in lengths]))

    def _likely(
        self, kept: Kept, kind: int, length: int, known: npt.NDArray[np.int64], chain: Sequence[Array | None]
    ) -> float:
        """Ln p of a gap of this length, whatever is written there, and of what is known to follow."""
        left = length + len(known)
        for number in range(left):
            there = chain[left - 1 - number]
            if number < length:
                kept = self._write(kept, there, ANY if number else kind)
                continue
            symbol = int(known[number - length])
            kept = kept.costing(self._log(kept, there, None)[:, symbol]).pruned(self.network, self.margin)
            kept = self._advanced(kept, np.full(len(kept.scores), symbol))
        return float(np.logaddexp.reduce(kept.scores))

    def _blind(self, text: Gapped, most: int) -> Sequence[Array | None]:
        """What a backward stack gives before each of `most` symbols that it is not shown, the last of them first."""
        stack = self.network.backward
        if stack is None:
            return [None] * most
        gaps = np.full(most, self.vocabulary.gap_id or 0, dtype=np.int64)
        ids = np.concatenate((self._with_gaps(text)[:BEYOND][::-1], gaps))
        features, _ = stack.features(ids[:, None], stack.initial_state(1))
        return [None, *features[:, 0]][len(ids) - most :]
