"""Another model's weights as the start of a new run: fine-tuning.

A network keeps its shape; its vocabulary may grow. Rows of the embedding and the head (and input columns of a one-hot
network) are carried over by symbol, never by position, so a character keeps its meaning in a new alphabet.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.config import ModelConfig, Wish
from charrnn.errors import SettingsError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.text.vocabulary import Vocabulary

SHAPE = (
    *("cell", "layers", "hidden", "embedding", "layer_norm", "residual", "unit", "vector_size"),
    *("bidirectional", "synced"),
)


def adopt_network(wish: Wish, config: ModelConfig) -> None:
    """Ask for the network of `config`.

    Raises:
        SettingsError: another one is asked for.
    """
    for key in SHAPE:
        asked, has = wish.get(key), getattr(config, key)
        if asked is not None and asked != has:
            what = f"`{key}={asked}` differs from the model's {has}"
            raise SettingsError(what, "fine-tuning keeps the network of the model it starts from", "leave it out")
        wish.values[key] = has
        wish.sources.setdefault(key, "the model that it starts from")


def adapted_weights(
    source: Checkpoint, vocabulary: Vocabulary, fresh: Mapping[str, npt.NDArray[Any]]
) -> tuple[dict[str, npt.NDArray[Any]], str]:
    """The weights to start from, and one line saying what was kept; symbols new to the model keep `fresh` rows."""
    places = {name: place for place, name in enumerate(_names(source.vocabulary))}
    known = [(new, places[name]) for new, name in enumerate(_names(vocabulary)) if name in places]
    if vocabulary.folds and source.vocabulary.folds:  # unknown characters stay unknown
        known.append((len(vocabulary.symbols), len(source.vocabulary.symbols)))
    new, old = (
        (np.array(column, dtype=np.int64) for column in zip(*known, strict=True))
        if known
        else (np.zeros(0, np.int64),) * 2
    )
    weights = {name: np.array(array) for name, array in source.weights.items()}
    for name in ("embedding.weight", "head.weight", "head.bias"):
        if name in weights:
            grown = np.array(fresh[name])
            grown[new] = weights[name][old]
            weights[name] = grown
    for name in (f"{way}.0.cell.weight_ih_l0" for way in ("layers", "backward_layers")):
        if source.config.embedding or name not in weights:
            continue
        grown = np.array(fresh[name])
        grown[:, new] = weights[name][:, old]
        weights[name] = grown
    added, gone = len(vocabulary) - len(known), len(source.vocabulary) - len(known)
    return weights, f"kept the weights of {len(known)} symbols, added {added} new ones, dropped {gone} unused ones"


def _names(vocabulary: Vocabulary) -> list[tuple[str, bool]]:
    """What each symbol is called, and whether it is a label: of labels the numbers mean nothing."""
    single = vocabulary.symbols[: len(vocabulary.symbols) - len(vocabulary.labels)]
    return [*((symbol, False) for symbol in single), *((label, True) for label in vocabulary.labels)]
