"""What is looked at while a network learns: its score on the validation part, and a little of its writing.

Both use the averaged network, a state and a generator of their own; nothing that learns is touched.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from charrnn.config import ModelConfig
from charrnn.evaluation.score import charged, surprisals, total
from charrnn.evaluation.segments import RUN_UP, Segment, alone, lanes
from charrnn.generation.generate import generate
from charrnn.generation.sample import Request, Sampling
from charrnn.model.network import CharRNN
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.text.corpus import Corpus
from charrnn.text.records import borders, nearest_end
from charrnn.text.vocabulary import Ids, Vocabulary
from charrnn.training.calibration import INVERSE_TEMPERATURES, CalibrationReader
from charrnn.training.distributed import ALONE, Group

EVALUATED = 200_000  # symbols of a validation part that an evaluation reads
EVALUATION_LANES = 32  # measured: the run-up of so few costs an eighth, and 16 or 64 score no faster
SHORTEST = 2 * RUN_UP * EVALUATION_LANES + 1  # symbols that fill these lanes
SAMPLE = Sampling(length=200, temperature=0.8)
SAMPLE_SEED = 1
ASKED = 5  # questions


class Validation(NamedTuple):
    """What a network needs for every character of a validation part, at the temperature that is best for it."""

    nats_per_char: float
    temperature: float


def validate(
    network: CharRNN,
    corpus: Corpus,
    group: Group = ALONE,
    poll: Callable[[], None] = lambda: None,
    most: int = EVALUATED,
) -> Validation:
    """Score the validation part (its first `most` symbols), shared out over the processes.

    The temperature is one number for the whole of it; each of the others would have cost more.
    """
    vocabulary, ids = corpus.vocabulary, watched(corpus, most)
    mine = segments_of(ids, vocabulary)[group.rank :: group.size]
    tried = np.full((len(ids), len(INVERSE_TEMPERATURES)), np.nan, dtype=np.float32)
    surprisals(CalibrationReader(network), ids, mine, side_by_side=EVALUATION_LANES, poll=poll, nats=tried)
    best = int(group.total(np.nansum(tried, axis=0, dtype=np.float64)).argmin())
    nats = tried[:, best].astype(np.float64)
    scored = group.total((~np.isnan(nats)).astype(np.float64)) > 0
    nats = np.where(scored, group.total(np.nan_to_num(nats)), np.nan)
    score = total(vocabulary, ids, charged(vocabulary, ids, nats, begins=True))
    return Validation(score.nats_per_char, 1 / INVERSE_TEMPERATURES[best])


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


def live_sample(config: ModelConfig, network: CharRNN, corpus: Corpus, temperature: float) -> str:
    """A short text, always from the same seed, so that its growth shows; or the answers to a few questions.

    `temperature` is the network's own.
    """
    light = NumpyNetwork(config, len(corpus.vocabulary), network.weights())
    asked = questions(corpus)
    records = corpus.vocabulary.answer is not None
    sampling = replace(SAMPLE, temperature=SAMPLE.temperature * temperature, records=records)
    written = [b""] * len(asked)
    for piece in generate(light, corpus.vocabulary, [Request(ids, SAMPLE_SEED) for ids in asked], sampling):
        written[piece.number] += piece.text
    shown = [corpus.vocabulary.to_bytes(ids) + text for ids, text in zip(asked, written, strict=True)]
    return b"\n".join(shown).decode("utf-8", "replace")


def questions(corpus: Corpus) -> list[Ids]:
    """What a live sample continues: nothing, or the first questions that were held out."""
    ids, v = corpus.validation if len(corpus.validation) else corpus.train, corpus.vocabulary
    if v.end_id is None or v.answer_id is None:
        return [ids[:0]]
    found = borders(ids[: nearest_end(ids, v.end_id, ASKED * SAMPLE.length) + 1], v.end_id, v.answer_id)
    places = zip(found.first[:ASKED].tolist(), found.asked[:ASKED].tolist(), strict=True)
    return [ids[first + 1 : answer + 1] for first, answer in places]
