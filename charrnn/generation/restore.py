"""A text with gaps as it was given -> the same text with them filled, and an account of each."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

from charrnn.generation.fill import Choice, Filling, How
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.text.gaps import SPACED, Gapped, filled, gapped, marked, runs
from charrnn.text.marks import END
from charrnn.text.vocabulary import Vocabulary


class Likely(NamedTuple):
    """What may stand in a gap, and how probable that is."""

    text: str
    probability: float


class Gap(NamedTuple):
    """A gap: at which character of the text it begins, what was written into it, and what else was likely."""

    place: int
    text: str
    probability: float
    likeliest: list[Likely]


@dataclass(frozen=True)
class Restored:
    """A text with its gaps filled."""

    text: str
    gaps: list[Gap]


def restore(
    network: NumpyNetwork,
    vocabulary: Vocabulary,
    text: str,
    read: Callable[[str], Iterable[str | bytes]],
    how: How,
    *,
    gap: str = "_",
    gap_text: str | None = None,
) -> Restored:
    """Fill every `gap`, a symbol each, and every `gap_text`, of unknown length; `read` marks where records end.

    Raises:
        SettingsError, DataError: as `marked` does.
    """
    given, filling = marked(text, gap, gap_text), Filling(network, vocabulary, how)
    places = [found.start() for found in re.finditer("|".join(map(re.escape, filter(None, (gap_text, gap)))), text)]
    written, gaps = list[str](), list[Gap]()
    for part in _parts("".join(map(str, read(given))), vocabulary):
        for (first, last), found in zip(runs(part), filling.fill(part), strict=True):
            spaced = part.kinds[first] == SPACED
            likeliest = [_told(vocabulary, choice, spaced) for choice in found.likeliest]
            gaps.append(Gap(places[len(written)], *_told(vocabulary, found.chosen, spaced), likeliest))
            written += _shares(vocabulary, found.chosen.ids, part.part(first, last))
    return Restored(filled(given, written), gaps)


def _shares(vocabulary: Vocabulary, ids: tuple[int, ...], gap: Gapped) -> Iterator[str]:
    """What stands for each mark of a gap: of words one each, or as many as are left; of all else the first has all."""
    if vocabulary.unit != "word":
        yield from (vocabulary.decode(ids), *repeat("", len(gap) - 1))
        return
    left = len(ids) - len(gap)
    for free, kind in zip(gap.free.tolist(), gap.kinds.tolist(), strict=True):
        size, left = (1 + left, 0) if free else (1, left)
        yield _told(vocabulary, Choice(ids[:size], 1.0), kind == SPACED).text
        ids = ids[size:]


def _parts(text: str, vocabulary: Vocabulary) -> Iterator[Gapped]:
    """The text, or its records, each from the END before it to its own."""
    if vocabulary.end is not None:
        *records, _ = text.split(END)
        yield from (gapped(END + record + END, vocabulary) for record in records[1:])
        return
    part = gapped(text, vocabulary)
    if part.missing[:1].any() and "\n" in vocabulary:
        opening = gapped("\n", vocabulary)  # as a line begins
        part = opening.joined(part)
    yield part


def _told(vocabulary: Vocabulary, choice: Choice, spaced: bool) -> Likely:
    text = vocabulary.decode(choice.ids)
    return Likely(text[1:] if spaced else text, choice.probability)
