"""What a report shows of a network that reads both ways, or that labels words."""

from collections.abc import Iterator

import numpy as np

from charrnn.evaluation.alternatives import Read, read_both_ways
from charrnn.evaluation.labelling import Labelled, Tally
from charrnn.evaluation.properties import texts_of
from charrnn.evaluation.segments import segmented
from charrnn.evaluation.units import Meaning, Units, activations, meanings
from charrnn.language_model import LanguageModel
from charrnn.report.contents import Answer, Labels
from charrnn.text.vocabulary import Ids

LABELLED = 200_000  # symbols of a held-out text whose words are labelled
SENTENCES = 12


def read_passage(model: LanguageModel, ids: Ids, first: int, last: int, top: int, *, left: bool) -> list[Read]:
    """The symbols ids[first:last], given both sides, or the left one alone."""
    v, network = model.vocabulary, model.networks.numpy
    return read_both_ways(network, ids, first, last, segmented(ids, v.layout, 1), top, v.gap_id if left else None)


def units_of(model: LanguageModel, ids: Ids, first: int, last: int) -> Units:
    """What every unit does in a passage, those of the backward stack last: that reads from the passage's end."""
    network, end_id = model.networks.numpy, model.vocabulary.end_id
    found = activations(network, ids[:last], end_id)[first:]
    if network.backward is None:
        return found
    behind = activations(network.backward, ids[first:last][::-1], end_id)[::-1] if len(found) else found
    return np.concatenate((found, behind), axis=1)


def meanings_of(model: LanguageModel, ids: Ids) -> list[Meaning]:
    """The unit of each property, of both directions the one that follows it more closely."""
    v, network, config = model.vocabulary, model.networks.numpy, model.checkpoint.config
    texts = texts_of(v, v.unnumbered(ids))
    found = meanings(network, ids, texts, v.end_id)
    if network.backward is not None:
        units = config.layers * config.hidden
        behind = meanings(network.backward, ids, texts, v.end_id, backwards=True)
        found += [each._replace(unit=each.unit + units) for each in behind]
    best: dict[str, Meaning] = {}
    for each in sorted(found, key=lambda meaning: -abs(meaning.correlation)):
        best.setdefault(each.property, each)
    return list(best.values())


def labels_of(model: LanguageModel, ids: Ids) -> tuple[Labels, tuple[Answer, ...]]:
    """How often each label is right on a held-out text, and the first sentences of it."""
    records = list(model.labelled([model.vocabulary.layout.head(ids, LABELLED)]))
    tally = Tally().over(records)
    names = tuple(sorted({name for pair in tally.confusion for name in pair}))
    counts = tuple(tuple(tally.confusion[true, said] for said in names) for true in names)
    share = tally.right_sentences / max(1, tally.sentences)
    return Labels(names, counts, tally.accuracy, share, tally.f1), tuple(_answers(records[:SENTENCES]))


def _answers(records: list[Labelled]) -> Iterator[Answer]:
    for record in records:
        yield Answer(" ".join(record.words), (), " ".join(record.said), " ".join(record.labels))
