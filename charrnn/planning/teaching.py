"""The models that a run learns from: found, held against its text, and asked once about every place of it.

What they expect is kept in the cache (without one in memory) under their fingerprint and that of the training set.
Whoever goes on needs the models themselves only where the cache is gone.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from charrnn.config import RunConfig
from charrnn.errors import DataError, SettingsError
from charrnn.learning.teachers import Expected, expectations, row_of
from charrnn.model.network import CharRNN
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.runs.folder import find_model
from charrnn.text.corpus import Corpus
from charrnn.text.store import stored
from charrnn.text.survey import Tell
from charrnn.text.vocabulary import Vocabulary


def found(models: Sequence[str], checkpoints: Path) -> list[str]:
    """The files of `models`, to be found again from another folder.

    Raises:
        DataError, MissingInputError: one of them is not a model.
    """
    paths = [find_model(model, checkpoints).absolute() for model in models]
    for path in paths:
        read_checkpoint(path)
    return list(map(str, paths))


def fingerprint(paths: Sequence[str]) -> str:
    """SHA-256 over the files of models."""
    return hashlib.sha256(b"".join(hashlib.sha256(Path(path).read_bytes()).digest() for path in paths)).hexdigest()


def asked(config: RunConfig, corpus: Corpus, cache: Path | None, tell: Tell) -> Expected | None:
    """What the models that a run learns from expect at every place of its training set; None of a run without any.

    Raises:
        SettingsError: a model has other symbols.
        DataError, MissingInputError: a model cannot be read, or has changed.
    """
    if not config.distill_from:
        return None
    row = row_of(len(corpus.vocabulary))

    def pieces() -> Iterator[bytes]:
        networks = _opened(config, corpus.vocabulary)
        for rows in expectations(networks, corpus.train, corpus.vocabulary, tell):
            yield rows.tobytes()

    if cache is None:
        return Expected(np.frombuffer(b"".join(pieces()), dtype=row), config.distill_weight)
    key = f"{hashlib.sha256(corpus.train.tobytes()).hexdigest()} {config.teachers} {row}"
    name = hashlib.sha256(key.encode()).hexdigest()
    return Expected(stored(cache, name, row, len(corpus.train), pieces), config.distill_weight)


def _opened(config: RunConfig, vocabulary: Vocabulary) -> list[CharRNN]:
    teachers = [read_checkpoint(Path(path)) for path in config.distill_from]
    if fingerprint(config.distill_from) != config.teachers:
        what = "a model that this run learns from has changed"
        raise DataError(what, "its fingerprint differs", "restore it", "say with `distill_from` where it is now")
    networks = []
    for path, teacher in zip(config.distill_from, teachers, strict=True):
        if teacher.config.bidirectional:
            raise SettingsError(f"{path} cannot be learnt from", "it reads both ways", "leave it out")
        if teacher.vocabulary.fingerprint != vocabulary.fingerprint:
            why = "its symbols are not those of the text"
            raise SettingsError(f"{path} cannot be learnt from", why, "train it on the same text", "leave it out")
        networks.append(CharRNN(teacher.config, len(vocabulary)))
        networks[-1].load_weights(teacher.calibrated)
        networks[-1].to(config.device)
    return networks
