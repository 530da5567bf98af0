"""What a text is made of, before anybody learns it: its size, its lines, and its rarest symbols with where they stand.

A stray symbol (a torn accent, a control character, one emoji in a novel) costs the network a row of weights and is
often the first sign of a wrong encoding; here it is seen before an hour of training.
"""

from dataclasses import dataclass

import numpy as np

from charrnn.text.reading import Source, stream_text


@dataclass(frozen=True)
class Rare:
    """A symbol, how often it stands in the text, and the line (from 1) where it first does."""

    symbol: str
    count: int
    line: int


@dataclass(frozen=True)
class Examination:
    """The measures of a text."""

    characters: int  # or bytes, for the byte unit
    bytes: int  # UTF-8 encoded
    lines: int
    symbols: tuple[Rare, ...]  # all of them, the rarest first


def examine(source: Source) -> Examination:
    """Read a text once, in memory that does not grow with it."""
    counts, first = np.zeros(0x110000, dtype=np.int64), dict[int, int]()
    characters = size = newlines = 0
    ended = True
    for piece in stream_text(source, []):
        data = piece if isinstance(piece, bytes) else piece.encode("utf-32-le", "surrogatepass")
        points = np.frombuffer(data, dtype=np.uint8 if isinstance(piece, bytes) else np.uint32)
        found = np.bincount(points)
        counts[: len(found)] += found
        for point in np.flatnonzero(found).tolist():
            if point not in first:
                place = int(np.argmax(points == point))
                first[point] = newlines + 1 + int(np.count_nonzero(points[:place] == 10))
        characters += len(piece)
        size += len(piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogatepass"))
        newlines += int(found[10]) if len(found) > 10 else 0
        ended = int(points[-1]) == 10 if len(points) else ended
    symbols = sorted((Rare(chr(point), int(counts[point]), line) for point, line in first.items()), key=_rarity)
    return Examination(characters, size, newlines + (not ended), tuple(symbols))


def _rarity(rare: Rare) -> tuple[int, str]:
    return rare.count, rare.symbol
