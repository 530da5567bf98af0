"""A scored text -> its characters or words, each with its bits: what a picture of it is made of."""

import codecs
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from charrnn.evaluation.score import Scored
from charrnn.text.vocabulary import Vocabulary


class Cell(NamedTuple):
    """What is shown of a symbol, and its bits; not a number where it does not count."""

    text: str
    bits: float


def known(vocabulary: Vocabulary, parts: Iterable[Scored], unknown: list[int]) -> Iterator[Cell]:
    """The characters or words of a text, a record's end as a newline; how many were unknown is added to `unknown`."""
    decoder, waiting, begun = codecs.getincrementaldecoder("utf-8")("surrogateescape"), list[float](), False
    for part in parts:
        unknown[0] += part.unknown
        for symbol, nats in zip(part.ids.tolist(), part.nats.tolist(), strict=True):
            bits = nats / math.log(2)
            if vocabulary.unit == "byte":
                waiting.append(bits)
                yield from characters(decoder.decode(bytes([symbol])), waiting)
            elif symbol != vocabulary.end_id:
                yield Cell(vocabulary.decode([symbol]), bits)
            elif begun:  # the end of a record, but for the one before the first
                yield Cell("\n", bits)
            begun = True
    yield from characters(decoder.decode(b"", final=True), waiting)


def characters(text: str, waiting: list[float]) -> Iterator[Cell]:
    """Characters out of bytes, whose bits are `waiting`; a byte that is none in UTF-8 is written out."""
    for character in text:
        size = len(character.encode("utf-8", "surrogateescape"))
        bits = math.fsum(waiting[:size])
        del waiting[:size]
        yield Cell(f"\\x{ord(character) - 0xDC00:02x}" if "\udc80" <= character <= "\udcff" else character, bits)
