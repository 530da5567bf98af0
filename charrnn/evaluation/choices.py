"""Many-to-one: which of a few answers to a question is the likeliest, the end of the answer included."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charrnn.evaluation.score import Reader, surprisals
from charrnn.evaluation.segments import alone
from charrnn.text.layout import Independent
from charrnn.text.vocabulary import Ids, Vocabulary

_QUESTIONS = 256  # answered at once


class Chosen(NamedTuple):
    """A question, the answer that stands in the text, and the likeliest of the answers to choose from."""

    question: str
    answer: str
    choice: str


def choose(reader: Reader, vocabulary: Vocabulary, ids: Ids, choices: Sequence[Ids]) -> Iterator[tuple[Ids, Ids, int]]:
    """For each record of `ids`: its question, its answer, and the number of the likeliest of `choices` (the first)."""
    layout = vocabulary.layout
    assert isinstance(layout, Independent)
    found = layout.borders(ids)
    end, asked = (np.array([mark] * (mark is not None), ids.dtype) for mark in (layout.end_id, layout.answer_id))
    vectors_alone = layout.answer_id is None  # then the last of them belongs to what is asked
    for start in range(0, len(found), _QUESTIONS):
        ranges = list(zip(*(column[start : start + _QUESTIONS].tolist() for column in found.columns), strict=True))
        questions = [ids[first + 1 : answer + vectors_alone] for first, answer, _ in ranges]
        records = [part for question in questions for choice in choices for part in (question, asked, choice, end)]
        offered = np.concatenate([end, *records])
        nats, _ = surprisals(reader, offered, alone(offered, layout))
        costs = np.add.reduceat(np.nan_to_num(nats), layout.borders(offered).first + 1)
        best = costs.reshape(len(questions), len(choices)).argmin(axis=1)
        for question, (_, answer, last), choice in zip(questions, ranges, best.tolist(), strict=True):
            yield question, ids[answer + 1 : last], choice
