"""What is looked at while a network learns: its score on the validation part, and a little of its writing.

Both use the averaged network, a state and a generator of their own; nothing that learns is touched.
"""

from collections.abc import Callable

import numpy as np

from charrnn.config import ModelConfig
from charrnn.evaluation.score import lanes, surprisals, total
from charrnn.generation.generate import generate
from charrnn.generation.sample import Request, Sampling
from charrnn.model.network import CharRNN, TorchReader
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.text.corpus import Corpus
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.distributed import ALONE, Group

EVALUATED = 200_000  # symbols of a validation part that an evaluation reads
EVALUATION_LANES = 32  # measured: the run-up of so few costs an eighth, and 16 or 64 score no faster
SAMPLE = Sampling(length=200, temperature=0.8)
SAMPLE_SEED = 1


def validation_nats(
    network: CharRNN, corpus: Corpus, group: Group = ALONE, poll: Callable[[], None] = lambda: None
) -> float:
    """Nats per character on the validation part (its first EVALUATED symbols), shared out over the processes."""
    ids = corpus.validation[:EVALUATED]
    segments = lanes(len(ids), EVALUATION_LANES)[group.rank :: group.size]
    nats = surprisals(TorchReader(network), ids, segments, side_by_side=EVALUATION_LANES, poll=poll)
    mine = np.zeros(len(ids))
    mine[0] = group.rank == 0  # the symbol without context
    for segment in segments:
        mine[segment.scored : segment.end] = 1
    return total(corpus.vocabulary, ids, group.total(nats * mine)).nats_per_char


def live_sample(config: ModelConfig, network: CharRNN, vocabulary: Vocabulary) -> str:
    """A short text, always from the same seed, so that its growth shows."""
    light = NumpyNetwork(config, len(vocabulary), network.weights())
    nothing = np.zeros(0, dtype=np.uint8)
    pieces = generate(light, vocabulary, [Request(nothing, SAMPLE_SEED)], SAMPLE)
    return b"".join(piece.text for piece in pieces).decode("utf-8", "replace")
