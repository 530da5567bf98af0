"""What a model says of each word, beside what stands there: accuracy, confusions, and the spans of names.

A label is one choice among those seen in training, made at the end of its word. Where labels begin with B- and I- (or
are O), words in a row make a span: B- begins one, I- goes on with one of its kind, or begins one where there is none.
A span is right where its words and its kind are (Tjong Kim Sang and De Meulder 2003).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.evaluation.alternatives import Among
from charrnn.evaluation.score import surprisals
from charrnn.evaluation.segments import alone
from charrnn.text.layout import Independent
from charrnn.text.vocabulary import Ids, Vocabulary

OUTSIDE = "O"


class Labelled(NamedTuple):
    """The words of a record, the labels that stand there (empty where there are none), and what a model says."""

    words: list[str]
    labels: list[str]
    said: list[str]
    probabilities: list[float]


def labelled(reader: Any, vocabulary: Vocabulary, ids: Ids) -> Iterator[Labelled]:
    """Each record of `ids`, with what the model says of its words."""
    layout, names = vocabulary.layout, vocabulary.labels
    assert isinstance(layout, Independent)
    assert layout.labels is not None
    first, last, gap = layout.labels
    nats = np.full((len(ids), len(names)), np.nan, dtype=np.float32)
    places = layout.labels.among(ids)
    surprisals(Among(reader, first, last), ids, alone(ids, layout), nats=nats, labels=layout.labels)
    found = layout.borders(ids)
    for start, end in zip(found.first.tolist(), found.last.tolist(), strict=True):
        own = start + 1 + np.flatnonzero(places[start + 1 : end])
        starts = [start + 1, *(own + 1).tolist()]
        words = [vocabulary.decode(ids[a:b].tolist()).strip() for a, b in zip(starts, own.tolist(), strict=False)]
        there = ["" if ids[place] == gap else names[int(ids[place]) - first] for place in own]
        best = nats[own].argmin(axis=1)
        likely = np.exp(-nats[own, best]).tolist()
        yield Labelled(words, there, [names[number] for number in best.tolist()], likely)


class Tally:
    """What was said of many words."""

    def __init__(self) -> None:
        self.confusion: Counter[tuple[str, str]] = Counter()  # of what stands there and what was said
        self.sentences = self.right_sentences = 0
        self.spans = Counter[str]()  # there, said, right

    def over(self, records: Iterable[Labelled]) -> "Tally":
        """The same, with these records."""
        for record in records:
            self.confusion.update(zip(record.labels, record.said, strict=True))
            self.sentences += 1
            self.right_sentences += record.labels == record.said
            true, said = spans(record.labels), spans(record.said)
            self.spans.update({"there": len(true), "said": len(said), "right": len(true & said)})
        return self

    @property
    def words(self) -> int:
        """How many there were."""
        return self.confusion.total()

    @property
    def accuracy(self) -> float:
        """The share of words whose label is right."""
        return sum(count for (true, said), count in self.confusion.items() if true == said) / max(1, self.words)

    @property
    def by_label(self) -> dict[str, float]:
        """For each label the share of its words of which it was said."""
        of = Counter[str]()
        for (true, _), count in self.confusion.items():
            of[true] += count
        return {label: self.confusion[label, label] / of[label] for label in sorted(of)}

    @property
    def f1(self) -> float | None:
        """The harmonic mean of how many spans were found and how many of those found are right; None without any."""
        both = self.spans["there"] + self.spans["said"]
        return 2 * self.spans["right"] / both if both else None


def spans(labels: Sequence[str]) -> set[tuple[int, int, str]]:
    """From which word to which each span is, and of which kind."""
    found, begun, kind = set[tuple[int, int, str]](), 0, ""
    for place, label in enumerate([*labels, OUTSIDE]):
        mark, _, name = label.partition("-")
        inside = mark in ("B", "I") and bool(name)
        if kind and (not inside or mark == "B" or name != kind):
            found.add((begun, place, kind))
            kind = ""
        if inside and not kind:
            begun, kind = place, name
    return found
