"""What is looked at while a network learns: its score on the validation part, and a little of its writing.

Both use the averaged network, a state and a generator of their own; nothing that learns is touched.
"""

from collections.abc import Callable

import numpy as np

from charrnn.config import ModelConfig
from charrnn.evaluation.score import charged, surprisals, total
from charrnn.evaluation.segments import alone, lanes
from charrnn.generation.generate import generate
from charrnn.generation.sample import Request, Sampling
from charrnn.model.network import CharRNN, TorchReader
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.text.corpus import Corpus
from charrnn.text.records import nearest_end
from charrnn.text.vocabulary import Ids, Vocabulary
from charrnn.training.distributed import ALONE, Group

EVALUATED = 200_000  # symbols of a validation part that an evaluation reads
EVALUATION_LANES = 32  # measured: the run-up of so few costs an eighth, and 16 or 64 score no faster
SAMPLE = Sampling(length=200, temperature=0.8)
SAMPLE_SEED = 1


def validation_nats(
    network: CharRNN, corpus: Corpus, group: Group = ALONE, poll: Callable[[], None] = lambda: None
) -> float:
    """Nats per character on the validation part (its first EVALUATED symbols), shared out over the processes."""
    vocabulary, ids = corpus.vocabulary, watched(corpus)
    segments = lanes(len(ids), EVALUATION_LANES) if vocabulary.end_id is None else alone(ids, vocabulary)
    mine = segments[group.rank :: group.size]
    nats, _ = surprisals(TorchReader(network), ids, mine, side_by_side=EVALUATION_LANES, poll=poll)
    scored = group.total((~np.isnan(nats)).astype(np.float64)) > 0
    nats = np.where(scored, group.total(np.nan_to_num(nats)), np.nan)
    return total(vocabulary, ids, charged(vocabulary, ids, nats, begins=True)).nats_per_char


def watched(corpus: Corpus) -> Ids:
    """What evaluations read of a validation part: its first EVALUATED symbols, of records whole ones."""
    ids, end_id = corpus.validation, corpus.vocabulary.end_id
    if end_id is None or len(ids) <= EVALUATED:
        return ids[:EVALUATED]
    return ids[: nearest_end(ids, end_id, EVALUATED) + 1]


def live_sample(config: ModelConfig, network: CharRNN, vocabulary: Vocabulary) -> str:
    """A short text, always from the same seed, so that its growth shows."""
    light = NumpyNetwork(config, len(vocabulary), network.weights())
    nothing = np.zeros(0, dtype=np.uint8)
    pieces = generate(light, vocabulary, [Request(nothing, SAMPLE_SEED)], SAMPLE)
    return b"".join(piece.text for piece in pieces).decode("utf-8", "replace")
