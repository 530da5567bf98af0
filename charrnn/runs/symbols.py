"""A vocabulary as a checkpoint has it: plain values, which must be consistent before they are believed."""

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from charrnn.text.marks import ANSWER, END, FIRST_LABEL, GAP, VECTOR
from charrnn.text.vocabulary import Vocabulary


class Symbols(BaseModel):
    """The fields of a `Vocabulary`."""

    model_config = ConfigDict(extra="forbid")

    unit: Literal["char", "byte", "word"]
    symbols: str | list[str]  # words stand by themselves
    end: str | None
    answer: str | None
    folds: bool
    vectors: bool = False
    gaps: bool = False
    labels: list[str] = []


def recorded(v: Vocabulary) -> dict[str, Any]:
    """A vocabulary as plain values."""
    return asdict(v) | {"symbols": list(v.symbols) if v.unit == "word" else "".join(v.symbols)}


def vocabulary_of(record: Symbols) -> Vocabulary:
    """The vocabulary that was recorded.

    Raises:
        ValueError: it is none.
    """
    others = record.end, record.answer, record.folds, record.vectors, record.gaps, tuple(record.labels)
    vocabulary = Vocabulary(record.unit, tuple(record.symbols), *others)
    if any(len(symbol) != 1 for symbol in vocabulary.symbols) and vocabulary.unit != "word":
        raise ValueError("its vocabulary has symbols of several characters")
    if list(vocabulary.symbols) != sorted(set(vocabulary.symbols)) or "" in vocabulary.symbols:
        raise ValueError("its vocabulary is not sorted and distinct")
    marks = (
        *((END, record.end is not None), (ANSWER, record.answer is not None)),
        *((VECTOR, record.vectors), (GAP, record.gaps)),
    )
    if any(there and mark not in vocabulary for mark, there in marks) or (record.vectors and record.end is None):
        raise ValueError("its vocabulary lacks the symbol that separates records")
    named = tuple(chr(FIRST_LABEL + number) for number in range(len(record.labels)))
    if named and (not record.gaps or record.end is None or vocabulary.symbols[-len(named) :] != named):
        raise ValueError("its vocabulary lacks its labels")
    if not len(vocabulary):
        raise ValueError("its vocabulary is empty")
    if vocabulary.unit == "byte" and len(vocabulary) != 256:
        raise ValueError("its vocabulary lacks some bytes")
    "".join((*vocabulary.symbols, *vocabulary.labels)).encode()  # half a surrogate pair is a ValueError, too
    return vocabulary
