"""What a trained model does with a text that is there: it encodes, scores and goes on learning from it.

Whatever is small and on a CPU is done with NumPy; torch is imported for another device and for long texts only.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Self, Union

import numpy as np
import numpy.typing as npt

from charrnn.arguments import UNKNOWN, one_of, several, symbols, texts, whole
from charrnn.arguments import text as checked
from charrnn.errors import SettingsError
from charrnn.evaluation.adapt import adapt
from charrnn.evaluation.choices import Chosen, choose
from charrnn.evaluation.score import Score, Scored, score_stream, summed
from charrnn.evaluation.units import states
from charrnn.model.opened import Networks
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.own_text import own_text, told_in_order
from charrnn.text.characters import as_text
from charrnn.text.corpus import Corpus, source_of
from charrnn.text.labels import unmarked
from charrnn.text.marks import END
from charrnn.text.reading import led
from charrnn.text.vectors import Vectors
from charrnn.text.vocabulary import Ids, Vocabulary

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN
    from charrnn.model.numpy_network import NumpyNetwork
    from charrnn.model.torch_reader import TorchReader

Content = str | bytes


class ScoringModel:
    """A trained network with its vocabulary, which reads."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        path: Path,
        device: str = "cpu",
        corpus: Sequence[str] = (),
        vectors: Vectors | None = None,
    ) -> None:
        self.checkpoint, self.path, self.device, self.corpus, self.vectors = checkpoint, path, device, corpus, vectors

    def __repr__(self) -> str:
        c = self.checkpoint
        what = f"{c.config.layers} x {c.config.hidden} {c.config.cell}, {c.parameters:,} parameters"
        return f"<{type(self).__name__} {str(self.path)!r}: {what}, {len(c.vocabulary):,} {c.vocabulary.unit} symbols>"

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols that it reads and writes."""
        return self.checkpoint.vocabulary

    def score(
        self,
        text: Content | Iterable[Content | Ids],
        *,
        window: int | None = None,
        adapting: bool = False,
        unknown: str = "skip",
        name: str = "the text",
    ) -> Score:
        """How many nats the model needs for `text`, every character counted once; see `scored`.

        Where the model learnt records, each is scored by itself; where it learnt answers, they alone are.

        Raises:
            DataError: no symbol of it is known to the model.
        """
        pieces = self._read(text, name) if isinstance(text, (str, bytes)) else several("text", text)
        parts = self.scored(pieces, window=window, adapting=adapting, unknown=unknown, name=name)
        return summed(self.vocabulary, parts, name)

    def scored(
        self,
        pieces: Iterable[Content | Ids],
        *,
        window: int | None = None,
        adapting: bool = False,
        unknown: str = "skip",
        name: str = "the text",
        live: bool = False,
    ) -> Iterator[Scored]:
        """The nats of every symbol of a text that comes in pieces, as `stream_text` gives them, the state carried.

        Memory does not grow with it. With `adapting` the network goes on learning from what it has scored; what is
        `live` is scored as it comes, up to each empty piece.

        Raises:
            SettingsError: a `window` in records, or with `adapting`.
        """
        one_of("unknown", unknown, UNKNOWN)
        if window is not None:
            whole("window", window, 1)
        if adapting:
            self.check_one_way("adapt")
        if window and (adapting or self.vocabulary.layout.records):
            why = "a network that adapts carries its state" if adapting else "this model was trained on records"
            raise SettingsError("`window` is for one continuous text", why, "leave it out")
        return self._scored(self._pieces(pieces), window, adapting, unknown, name, live)

    def _scored(
        self, pieces: Iterable[Content | Ids], window: int | None, adapting: bool, unknown: str, name: str, live: bool
    ) -> Iterator[Scored]:
        coming = self.vocabulary.stream(pieces, unknown, name, missing := [0])
        if adapting:
            parts = adapt(self._learner(), coming, self.vocabulary)
        else:
            parts = score_stream(lambda short: self.network(light=short), coming, self.vocabulary, window, live=live)
        for part in parts:
            yield part._replace(ids=self.vocabulary.unnumbered(part.ids), unknown=missing[0])
            missing[0] = 0

    def adapted(self, pieces: Iterable[Content], *, unknown: str = "error", name: str = "the text") -> Self:
        """A model that has gone on learning from a text, to write in its voice; this one stays as it is."""
        one_of("unknown", unknown, UNKNOWN)
        self.check_one_way("adapt")
        network, coming = self._learner(), self._pieces(pieces)
        for _ in adapt(network, self.vocabulary.stream(coming, unknown, name), self.vocabulary):
            pass
        progress = self.checkpoint.progress.model_copy(update={"temperature": 1.0})
        learnt = replace(self.checkpoint, weights=network.weights(), progress=progress)
        return type(self)(learnt, self.path, self.device, self.corpus, self.vectors)

    def given(self, vectors: Vectors | None) -> Self:
        """The same model, which reads these vectors.

        Raises:
            SettingsError: it was trained with others, or with none.
        """
        size, has = self.checkpoint.config.vector_size, 0 if vectors is None else vectors.size
        if has != size:
            what = "this model reads no vectors" if not size else f"this model reads vectors of {size:,} numbers"
            raise SettingsError(
                what,
                f"{vectors.name} has {has:,}" if vectors else "there are none",
                "give such `vectors`" if size else "leave `vectors` out",
            )
        return type(self)(self.checkpoint, self.path, self.device, self.corpus, vectors) if vectors else self

    def check_one_way(self, what: str) -> None:
        """Refuse what only a model that goes on with a text can do.

        Raises:
            SettingsError: this one reads both ways, or labels words.
        """
        if self.vocabulary.labels:
            raise SettingsError(f"this model cannot {what}", "it labels words", "give it words to label")
        if self.checkpoint.config.bidirectional:
            raise SettingsError(f"this model cannot {what}", "it reads both ways", "use it to fill gaps, or to score")

    def own_text(self, cache: Path | None = None) -> Corpus:
        """The text that the model learnt, encoded and split; a large one is encoded into `cache`.

        Raises:
            MissingInputError, DataError: it is gone, or has changed.
        """
        told = told_in_order(self.corpus, self.checkpoint.config) if self.corpus else ()
        return own_text(self.checkpoint, self.path, told, cache=cache)[0]

    def states(self, text: Content) -> dict[str, npt.NDArray[np.float32]]:
        """What the network is after each symbol of `text`, (T, L, H) by name: h, and c of an LSTM."""
        return states(self.networks.numpy, self.ids(text), self.vocabulary.end_id)

    def chosen(self, pieces: Iterable[Content | Ids], choices: Sequence[str]) -> Iterator[Chosen]:
        """To each question of a text the likeliest of `choices`, beside the answer that stands there.

        Raises:
            SettingsError: the model learnt no answers.
        """
        v = self.vocabulary
        self.check_one_way("answer")
        if not v.layout.asks:
            raise SettingsError(
                "`choices` are for answers", "this model was trained without any", "train one on questions and answers"
            )
        choices = [choice if isinstance(choice, str) else choice.decode() for choice in texts("choices", choices)]
        if not choices:
            raise SettingsError("`choices` is empty", "", "give the answers to choose from")
        offered = [v.encode(choice, name="a choice") for choice in choices]
        ids = np.concatenate([np.zeros(0, dtype=v.dtype), *v.stream(self._pieces(pieces), "skip")])
        for question, answer, best in choose(self.network(light=True), v, ids, offered):
            yield Chosen(v.decode(v.unnumbered(question).tolist()), v.decode(answer.tolist()), choices[best])

    def _pieces(self, pieces: Content | Iterable[Content | Ids]) -> Iterator[Content | Ids]:
        """The same pieces, each of which is a text, or ids that the model has."""
        coming = several("pieces", pieces)
        most = len(self.vocabulary) + (0 if self.vectors is None else len(self.vectors.rows))
        return (symbols("pieces", piece, most) for piece in coming)

    def ids(self, text: Content) -> Ids:
        """The ids of a text as it is learnt; what is unknown is left out."""
        pieces = self._read(checked("text", text), "the text")
        return np.concatenate([np.zeros(0, self.vocabulary.dtype), *self.vocabulary.stream(pieces, "skip")])

    def _read(self, text: Content, name: str) -> Iterator[Content]:
        """A text as `stream_text` would have given it."""
        if self.vocabulary.gaps:
            text = "".join(unmarked(name, [as_text(text, name)], labels=bool(self.vocabulary.labels)))
        return self._marked(text, name)

    def _marked(self, text: Content, name: str) -> Iterator[Content]:
        """The same of a text in which gaps are marked."""
        records = source_of(self.checkpoint.config.model_dump()).records
        if records is None:
            return iter([text])
        marked = chain([END], records.as_text().marked(name, [text if isinstance(text, str) else text.decode()]))
        return marked if self.vectors is None else led(marked, self.vectors)

    def network(self, *, light: bool) -> Union["NumpyNetwork", "TorchReader"]:
        """The network itself: `light` is without torch, where that can be.

        Raises:
            SettingsError: it reads vectors, and was given none.
        """
        self.given(self.vectors)
        return self.networks.network(light=light)

    @cached_property
    def networks(self) -> Networks:
        """The network, once without torch and once in torch."""
        c = self.checkpoint
        table = None if self.vectors is None else self.vectors.rows
        return Networks(c.config, len(c.vocabulary), lambda: c.calibrated, self.device, table)

    def _learner(self) -> "CharRNN":
        """A network that may go on learning."""
        return self.networks.learner()
