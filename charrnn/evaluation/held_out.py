"""Which part of a held-out text a run is watched by, and how it is read: the protocol of its evaluations.

A long validation part is scored on its beginning alone, always the same, so that the scores of a run compare with each
other; whoever sets something beside them (a baseline, a report) measures it on the same symbols. No network here.
"""

from charrnn.evaluation.segments import RUN_UP, Segment, alone, lanes
from charrnn.text.corpus import Corpus
from charrnn.text.records import nearest_end
from charrnn.text.vocabulary import Ids, Vocabulary

EVALUATED = 200_000  # symbols of a validation part that an evaluation reads
EVALUATION_LANES = 32  # measured: the run-up of so few costs an eighth, and 16 or 64 score no faster
SHORTEST = 2 * RUN_UP * EVALUATION_LANES + 1  # symbols that fill these lanes


def watched(corpus: Corpus, most: int = EVALUATED) -> Ids:
    """What evaluations read of a validation part: its first `most` symbols, of records whole ones."""
    ids, end_id = corpus.validation, corpus.vocabulary.end_id
    if end_id is None or len(ids) <= most:
        return ids[:most]
    return ids[: nearest_end(ids, end_id, most) + 1]


def segments_of(ids: Ids, vocabulary: Vocabulary) -> list[Segment]:
    """How an evaluation reads `ids`: in lanes, or record by record."""
    return lanes(len(ids), EVALUATION_LANES) if vocabulary.end_id is None else alone(ids, vocabulary)


def reading(corpus: Corpus, most: int = EVALUATED) -> int:
    """Symbols that an evaluation reads, with the run-ups of its lanes."""
    segments = segments_of(watched(corpus, most), corpus.vocabulary)
    return sum(segment.end - segment.start for segment in segments)
