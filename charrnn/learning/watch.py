"""What is looked at while a network learns: its score on the validation part, and a little of its writing.

Both use the averaged network, a state and a generator of their own; nothing that learns is touched.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from charrnn.config import ModelConfig
from charrnn.evaluation.held_out import EVALUATED, EVALUATION_LANES, segments_of, watched
from charrnn.evaluation.labelling import labelled
from charrnn.evaluation.score import charged, surprisals, total
from charrnn.generation.fill import Filling, How
from charrnn.generation.generate import generate
from charrnn.generation.sample import Request, Sampling
from charrnn.learning.calibration import INVERSE_TEMPERATURES, CalibrationReader
from charrnn.learning.distributed import ALONE, Group
from charrnn.model.network import CharRNN
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.text.corpus import Corpus
from charrnn.text.gaps import Gapped
from charrnn.text.vocabulary import Ids, Vocabulary

SAMPLE = Sampling(length=200, temperature=0.8)
SAMPLE_SEED = 1
ASKED = 5  # questions
GAP, APART = 3, 15  # symbols


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

    A network that labels or reads both ways shows what it says of the first words or gaps that were held out.
    `temperature` is the network's own.
    """
    table = None if corpus.vectors is None else corpus.vectors.rows
    light, v = NumpyNetwork(config, len(corpus.vocabulary), network.weights(), table), corpus.vocabulary
    if config.bidirectional or v.labels:
        held_out = corpus.validation if len(corpus.validation) else corpus.train
        ids = v.layout.head(held_out, SAMPLE.length)
        return labelled_words(light, v, ids) if v.labels else filled_gaps(light, v, ids)
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


def labelled_words(network: NumpyNetwork, vocabulary: Vocabulary, ids: Ids) -> str:
    """Each record on a line, with a label behind every word."""
    return "\n".join(
        " ".join(f"{word}/{said}" for word, said in zip(record.words, record.said, strict=True))
        for record in labelled(network, vocabulary, ids)
    )


def filled_gaps(network: NumpyNetwork, vocabulary: Vocabulary, ids: Ids) -> str:
    """A text of which GAP symbols were erased in each APART, and filled, in brackets."""
    missing = (np.arange(len(ids)) % APART >= APART - GAP) & (ids != vocabulary.end_id)
    text = Gapped(ids, missing, np.zeros(len(ids), dtype=np.int8), np.zeros(len(ids), dtype=bool))
    shown, at = "", 0
    for gap in Filling(network, vocabulary, How()).fill(text):
        shown += f"{vocabulary.decode(ids[at : gap.first].tolist())}[{vocabulary.decode(gap.chosen.ids)}]"
        at = gap.last
    return shown + vocabulary.decode(ids[at:].tolist())


def questions(corpus: Corpus) -> list[Ids]:
    """What a live sample continues: nothing, or the first questions that were held out."""
    ids = corpus.validation if len(corpus.validation) else corpus.train
    return corpus.vocabulary.layout.questions(ids, ASKED, ASKED * SAMPLE.length)
