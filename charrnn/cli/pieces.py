"""A scored text piece by piece: a JSON object for each line, record or symbol."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from charrnn.evaluation.choices import Chosen
    from charrnn.evaluation.score import Scored
    from charrnn.text.vocabulary import Vocabulary


def print_pieces(vocabulary: "Vocabulary", parts: "Iterable[Scored]", per_char: bool, threshold: float | None) -> None:
    """A JSON object for every line, or every symbol: all, or those above `threshold` bits per character."""
    from charrnn.cli.console import ResultStream

    found, key = (symbols(vocabulary, parts), "bits") if per_char else (lines(vocabulary, parts), "bits_per_char")
    with ResultStream() as stream:
        for piece in found:
            if threshold is None or piece[key] > threshold:
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
    number, ids, nats = 1, list[int](), list[float]()
    for part in parts:
        start, ends = 0, [place + 1 for place in (part.ids == last).nonzero()[0].tolist()]
        for end in (*ends, len(part.ids)):
            ids, nats = ids + part.ids[start:end].tolist(), nats + part.nats[start:end].tolist()
            start = end
            if (len(ids) > 1 and ids[-1] == last) or ids == [newline]:
                yield one_line(vocabulary, number, ids, nats)
                number, ids, nats = number + 1, [], []
            elif ids == [last]:  # the end before the first record
                ids, nats = [], []
    if ids:
        yield one_line(vocabulary, number, ids, nats)


def one_line(vocabulary: "Vocabulary", number: int, ids: list[int], nats: list[float]) -> dict[str, Any]:
    """What is said of a line."""
    counted = [place for place, value in enumerate(nats) if not math.isnan(value)]
    bits = math.fsum(nats[place] for place in counted) / math.log(2)
    characters, _ = vocabulary.measure(np.array([ids[place] for place in counted], dtype=vocabulary.dtype))
    return {
        "line": number,
        "text": vocabulary.decode(ids[:-1] if ids[-1] == vocabulary.end_id else ids).rstrip("\n"),
        "characters": characters,
        "bits": bits,
        "bits_per_char": bits / max(1, characters),
    }


def print_choices(chosen: "Iterable[Chosen]") -> None:
    """A JSON object for every question."""
    from charrnn.cli.console import ResultStream

    with ResultStream() as stream:
        for each in chosen:
            stream.write((json.dumps(each._asdict(), ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))
