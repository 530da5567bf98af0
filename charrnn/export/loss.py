"""What rounding a model's weights costs: bits per character on held-out text, before and after.

A sample is enough, as both networks read the same symbols, each lane from nothing.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import DataError, MissingInputError
from charrnn.export.rounding import Rounded
from charrnn.language_model import LanguageModel
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.text.corpus import Corpus
from charrnn.text.vocabulary import Ids

LANES, STEPS = 32, 160  # symbols that are read


def held_out(corpus: Corpus) -> Ids:
    """The validation part, or where there is none the training part."""
    return corpus.validation if len(corpus.validation) > 1 else corpus.train


def rounding_cost(model: LanguageModel, held: Rounded, kind: str) -> str:
    """What the weights of a page cost, in a sentence."""
    try:
        ids = held_out(model.own_text())
    except (MissingInputError, DataError):
        return f"{kind} weights; what rounding costs is not known, as the model's text was not found"
    exact, after = (bits_per_char(model, ids, weights) for weights in (model.checkpoint.calibrated, held.weights))
    return f"{kind} weights: {after - exact:+z.4f} bits per character on held-out text ({after:.4f} after {exact:.4f})"


def bits_per_char(model: LanguageModel, ids: Ids, weights: Mapping[str, npt.NDArray[Any]]) -> float:
    """What a network with these `weights` needs for a sample of `ids`, at least two symbols."""
    network = NumpyNetwork(model.checkpoint.config, len(model.vocabulary), dict(weights))
    lanes = max(1, min(LANES, (len(ids) - 1) // STEPS))
    steps = min(STEPS, (len(ids) - 1) // lanes)
    places = np.arange(steps + 1)[:, None] + np.arange(lanes) * ((len(ids) - 1) // lanes)
    block = ids[places].astype(np.int64)
    nats, _, _ = network.surprisal(block[:-1], block[1:], network.initial_state(lanes))
    characters, _ = model.vocabulary.measure(block[1:].ravel())
    return float(nats.sum() / np.log(2) / max(1, characters))
