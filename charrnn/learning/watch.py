"""What is looked at while a network learns: its score on the validation part, and a little of its writing.

Both use the averaged network, a state and a generator of their own; nothing that learns is touched.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from charrnn.config import ModelConfig
from charrnn.evaluation.held_out import EVALUATED, EVALUATION_LANES, segments_of, watched
from charrnn.evaluation.score import charged, surprisals, total
from charrnn.generation.generate import generate
from charrnn.generation.sample import Request, Sampling
from charrnn.learning.calibration import INVERSE_TEMPERATURES, CalibrationReader
from charrnn.learning.distributed import ALONE, Group
from charrnn.model.network import CharRNN
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.text.corpus import Corpus
from charrnn.text.vocabulary import Ids

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
    reader, labels = CalibrationReader(network), vocabulary.layout.labels
    surprisals(reader, ids, mine, side_by_side=EVALUATION_LANES, poll=poll, nats=tried, labels=labels)
    best = int(group.total(np.nansum(tried, axis=0, dtype=np.float64)).argmin())
    nats = tried[:, best].astype(np.float64)
    scored = group.total((~np.isnan(nats)).astype(np.float64)) > 0
    nats = np.where(scored, group.total(np.nan_to_num(nats)), np.nan)
    score = total(vocabulary, ids, charged(vocabulary, ids, nats, begins=True))
    return Validation(score.nats_per_char, 1 / INVERSE_TEMPERATURES[best])


def live_sample(config: ModelConfig, network: CharRNN, corpus: Corpus, temperature: float) -> str:
    """A short text, always from the same seed, so that its growth shows; or the answers to a few questions.

    `temperature` is the network's own.
    """
    table = None if corpus.vectors is None else corpus.vectors.rows
    light = NumpyNetwork(config, len(corpus.vocabulary), network.weights(), table)
    asked = questions(corpus)
    records = corpus.vocabulary.layout.asks
    sampling = replace(SAMPLE, temperature=SAMPLE.temperature * temperature, records=records)
    written = [b""] * len(asked)
    for piece in generate(light, corpus.vocabulary, [Request(ids, SAMPLE_SEED) for ids in asked], sampling):
        written[piece.number] += piece.text
    shown = [
        corpus.vocabulary.to_bytes(corpus.vocabulary.unnumbered(ids)) + text
        for ids, text in zip(asked, written, strict=True)
    ]
    return b"\n".join(shown).decode("utf-8", "replace")


def questions(corpus: Corpus) -> list[Ids]:
    """What a live sample continues: nothing, or the first questions that were held out."""
    ids = corpus.validation if len(corpus.validation) else corpus.train
    return corpus.vocabulary.layout.questions(ids, ASKED, ASKED * SAMPLE.length)
