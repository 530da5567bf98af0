"""A scored text piece by piece: a JSON object for each line, record or symbol."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from charrnn.evaluation.choices import Chosen
    from charrnn.evaluation.score import Scored
    from charrnn.language_model import LanguageModel
    from charrnn.text.vocabulary import Ids, Vocabulary

PIECE = 1 << 16  # symbols that are written out at once


def print_pieces(model: "LanguageModel", parts: "Iterable[Scored]", per_char: bool, threshold: float | None) -> None:
    """A JSON object for every line, or every symbol: all, or those above `threshold` bits per character."""
    from charrnn.cli.console import ResultStream
    from charrnn.cli.tables import TWO_SIDED

    vocabulary, both = model.vocabulary, model.checkpoint.config.bidirectional
    found, key = (symbols(vocabulary, parts), "bits") if per_char else (lines(vocabulary, parts), "bits_per_char")
    with ResultStream() as stream:
        for piece in found:
            if threshold is None or piece[key] > threshold:
                piece = {TWO_SIDED * (both and name.startswith("bits")) + name: of for name, of in piece.items()}
                stream.write((json.dumps(piece, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))


def symbols(vocabulary: "Vocabulary", parts: "Iterable[Scored]") -> Iterator[dict[str, Any]]:
    """The bits of every symbol that counts, in order."""
    place = 0
    for part in parts:
        for symbol, nats in zip(part.ids.tolist(), part.nats.tolist(), strict=True):
            if not math.isnan(nats):
                yield {"position": place, "text": vocabulary.decode([symbol]), "bits": nats / math.log(2)}
            place += 1


def lines(vocabulary: "Vocabulary", parts: "Iterable[Scored]") -> Iterator[dict[str, Any]]:
    """The bits of every line or record, in order; what ends it is counted with it."""
    newline = vocabulary.symbols.index("\n") if "\n" in vocabulary else -1
    last = newline if vocabulary.end_id is None else vocabulary.end_id
    number, line = 1, Line(vocabulary)
    for part in parts:
        start, ends = 0, [place + 1 for place in (part.ids == last).nonzero()[0].tolist()]
        for end in (*ends, len(part.ids)):
            line.add(part.ids[start:end], part.nats[start:end])
            start = end
            if line.last == last and (line.symbols > 1 or last == newline):
                yield line.found(number)
                number, line = number + 1, Line(vocabulary)
            elif line.last == last:  # the end before the first record
                line = Line(vocabulary)
    if line.symbols:
        yield line.found(number)


class Line:
    """A line on its way, whose symbols may be many: what they cost is kept as a sum of each piece."""

    def __init__(self, vocabulary: "Vocabulary") -> None:
        self.vocabulary, self.symbols, self.last = vocabulary, 0, -1
        self.ids, self.nats, self.characters = list["Ids"](), list[float](), 0

    def add(self, ids: "Ids", nats: "npt.NDArray[np.float64]") -> None:
        """More of it, and what that cost: no number where it does not count."""
        if len(ids):
            counted = ~np.isnan(nats)
            self.ids.append(ids)
            self.nats.append(math.fsum(nats[counted]))
            self.characters += self.vocabulary.measure(ids[counted])[0]
            self.symbols, self.last = self.symbols + len(ids), int(ids[-1])

    def found(self, number: int) -> dict[str, Any]:
        """What is said of it, the line with this number."""
        bits = math.fsum(self.nats) / math.log(2)
        ids, end = np.concatenate(self.ids), self.vocabulary.end_id
        pieces = np.array_split(ids[: len(ids) - (self.last == end)], len(ids) // PIECE + 1)
        content = b"".join(self.vocabulary.to_bytes(piece.tolist()) for piece in pieces)
        return {
            "line": number,
            "text": content.decode("utf-8", "replace").rstrip("\n"),
            "characters": self.characters,
            "bits": bits,
            "bits_per_char": bits / max(1, self.characters),
        }


def print_choices(chosen: "Iterable[Chosen]") -> None:
    """A JSON object for every question."""
    from charrnn.cli.console import ResultStream

    with ResultStream() as stream:
        for each in chosen:
            stream.write((json.dumps(each._asdict(), ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))
