"""Several models as one: at each place the mean of their probabilities.

Such a mean is a model itself, and what it costs is the length of a code; of networks that differ it is better than any
of them (Hansen and Salamon 1990, "Neural Network Ensembles").
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from typing import Any

import numpy as np

from charrnn.errors import SettingsError
from charrnn.evaluation.score import Score, Scored, summed
from charrnn.scoring_model import Content, ScoringModel
from charrnn.text.corpus import Corpus
from charrnn.text.vectors import Vectors
from charrnn.text.vocabulary import Ids, Vocabulary


class Together:
    """Models over the same symbols, which read side by side.

    Raises:
        SettingsError: they have other symbols, or answer.
    """

    def __init__(self, models: Sequence[ScoringModel]) -> None:
        if len(models) < 2:
            raise SettingsError("there is nothing to put together", "only one model is named", "name several")
        if len({model.checkpoint.config.bidirectional for model in models}) > 1:
            why = "some of them read both ways"
            raise SettingsError("these models cannot be put together", why, "name models of one kind")
        for model in models[1:]:
            if model.vocabulary.fingerprint != models[0].vocabulary.fingerprint:
                what = f"{models[0].path} and {model.path} cannot be put together"
                raise SettingsError(what, "their symbols differ", "name models of the same text")
        if models[0].vocabulary.layout.answers:
            raise SettingsError("models that answer cannot be put together", "", "score them one by one")
        if any(model.vocabulary.labels for model in models):
            models[0].check_one_way("be put together with others")
        self.models, self.checkpoint = models, models[0].checkpoint
        self.path = " + ".join(str(model.path) for model in models)

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols that all of them read."""
        return self.models[0].vocabulary

    def given(self, vectors: Vectors | None) -> "Together":
        """The same models, each of which reads these vectors."""
        return Together([model.given(vectors) for model in self.models])

    def own_text(self, *where: Any) -> Corpus:
        """The text that the first of them learnt."""
        return self.models[0].own_text(*where)

    def score(self, text: Content | Iterable[Content | Ids], *, name: str = "the text", **how: Any) -> Score:
        """How many nats their mean needs for `text`; see `ScoringModel.score`."""
        pieces = [text] if isinstance(text, (str, bytes)) else text
        return summed(self.vocabulary, self.scored(pieces, name=name, **how), name)

    def scored(self, pieces: Iterable[Content | Ids], **how: Any) -> Iterator[Scored]:
        """The nats of every symbol of a text that comes in pieces, as `ScoringModel.scored` gives them."""
        copies = tee(pieces, len(self.models))
        parts = [model.scored(copy, **how) for model, copy in zip(self.models, copies, strict=True)]
        for each in zip(*parts, strict=True):
            mean = np.logaddexp.reduce([-part.nats for part in each]) - np.log(len(each))
            yield each[0]._replace(nats=-mean, hits=np.zeros(len(mean), dtype=bool))
