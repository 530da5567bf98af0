"""Which part of a held-out text a run is watched by, and how it is read: the protocol of its evaluations.

A long validation part is scored on its beginning alone, always the same, so that the scores of a run compare with each
other; whoever sets something beside them (a baseline, a report) measures it on the same symbols. No network here.
"""

from charrnn.evaluation.segments import RUN_UP, Segment, segmented
from charrnn.text.corpus import Corpus
from charrnn.text.vocabulary import Ids, Vocabulary

EVALUATED = 200_000  # symbols of a validation part that an evaluation reads
EVALUATION_LANES = 32  # measured: the run-up of so few costs an eighth, and 16 or 64 score no faster
SHORTEST = 2 * RUN_UP * EVALUATION_LANES + 1  # symbols that fill these lanes


def watched(corpus: Corpus, most: int = EVALUATED) -> Ids:
    """What evaluations read of a validation part: its first `most` symbols, of records whole ones."""
    return corpus.vocabulary.layout.head(corpus.validation, most)


def segments_of(ids: Ids, vocabulary: Vocabulary) -> list[Segment]:
    """How an evaluation reads `ids`: in lanes, or record by record."""
    return segmented(ids, vocabulary.layout, EVALUATION_LANES)


def reading(corpus: Corpus, most: int = EVALUATED) -> int:
    """Symbols that an evaluation reads, with the run-ups of its lanes."""
    segments = segments_of(watched(corpus, most), corpus.vocabulary)
    return sum(segment.end - segment.start for segment in segments)
