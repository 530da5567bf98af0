"""A trained model as one object: it writes, scores and predicts. The commands and notebooks call the same functions.

    model = charrnn.load("shakespeare")
    print(model.sample("Shall I", temperature=0.8).text)
    print(model.score("To be, or not to be").bits_per_char)

Whatever is small and on a CPU is done with NumPy; torch is imported for another device and for long texts only.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from charrnn.arguments import UNKNOWN, one_of, several, whole
from charrnn.arguments import text as checked
from charrnn.errors import DataError, MissingInputError, SettingsError
from charrnn.filling_model import FillingModel
from charrnn.generation.beam import Prediction, continuations
from charrnn.generation.generate import Piece, generate, side_by_side
from charrnn.generation.healing import taken_back
from charrnn.generation.limits import Spans
from charrnn.generation.sample import Request, Sample, Sampling
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.runs.folder import find_model
from charrnn.scoring_model import Content
from charrnn.text.marks import ANSWER
from charrnn.text.vectors import of_array
from charrnn.text.vocabulary import Ids
from charrnn.text.words import unfinished

_TRIES = 5  # at reading the newest file of a run that is being trained


Kind = TypeVar("Kind", bound="LanguageModel")


def load(
    model: str | Path | None = None,
    *,
    checkpoints: str | Path = "checkpoints",
    device: str = "cpu",
    corpus: str | Iterable[str] = (),
) -> "LanguageModel":
    """The model that `opened` opens."""
    return opened(LanguageModel, model, checkpoints, device, corpus)


def opened(
    kind: type[Kind],
    model: str | Path | None,
    checkpoints: str | Path,
    device: str,
    corpus: str | Iterable[str],
) -> Kind:
    """The model, of a `kind`, that a `.safetensors` file, a run's folder or name, or nothing (the newest run) means.

    `corpus` is where its own text is now, if that has moved: the places that it was trained on, in their order, and
    behind them those of its validation and its test text.

    Raises:
        MissingInputError: there is none.
        DataError: it is damaged.
    """
    for name, place in (("model", model), ("checkpoints", checkpoints)):
        if not isinstance(place, (str, Path, type(None) if name == "model" else Path)):
            raise SettingsError(f"`{name}` cannot be {place!r}", "", "give a path or a name")
    if not isinstance(device, str):
        raise SettingsError(f"`device` cannot be {device!r}", "", "choose from cpu, cuda")
    places = [corpus] if isinstance(corpus, str) else list(corpus)
    for left in reversed(range(_TRIES)):
        path = find_model(None if model is None else str(model), Path(checkpoints))
        try:
            return kind(read_checkpoint(path), path, device, places)
        except MissingInputError:
            if not left or os.path.lexists(path):
                raise  # else its owner has just dropped it for a newer one
    raise AssertionError("unreachable")


class LanguageModel(FillingModel):
    """A trained network with its vocabulary."""

    def sample(
        self,
        prompt: Content = "",
        *,
        length: int = 500,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        stops: Content | Iterable[Content] = (),
        no_repeat: int | None = None,
        novel: int | None = None,
        seed: int | None = None,
        unknown: str = "error",
        vectors: Any = None,
    ) -> Sample:
        """Write one text of at most `length` symbols; for the choice of a symbol see `generation.choose`.

        It ends before the first of `stops`, one text or several. No span of `no_repeat` symbols is written twice, and
        none of `novel` symbols stands in the training text (see `generation.limits`). `vectors`, (d,) or (n, d), is
        what a model reads first that was trained with some.
        """
        choice = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
        limits = {"no_repeat": no_repeat, "novel": novel}
        sampling = Sampling(length=length, stops=cast(Any, stops), **choice, **limits)  # type: ignore[arg-type]
        seed = secrets.randbelow(2**32) if seed is None else seed
        given = None if vectors is None else [np.atleast_2d(np.asarray(vectors))]
        return next(self.samples([prompt], sampling, seed=seed, unknown=unknown, vectors=given))

    def samples(
        self,
        prompts: Content | Iterable[Content],
        sampling: Sampling,
        *,
        seed: int,
        unknown: str = "error",
        vectors: Any = None,
    ) -> Iterator[Sample]:
        """A text for each prompt, in order, many written at once; the i-th is the one that `seed` + i writes alone.

        `vectors` is what each begins with, of a model that was trained so: (N, d), (N, n, d), or a list of (n_i, d).
        """
        whole("seed", seed, 0)
        _check(sampling)
        one_of("unknown", unknown, UNKNOWN)
        model = self if vectors is None else self.given(of_array(vectors))
        return model._samples(several("prompts", prompts), sampling, seed, unknown)

    def _samples(self, prompts: Iterable[Content], sampling: Sampling, seed: int, unknown: str) -> Iterator[Sample]:
        kept: dict[int, tuple[Content, int]] = {}

        def requests() -> Iterator[Request]:
            for number, prompt in enumerate(prompts):
                kept[number] = (prompt, seed + number)
                yield self.request(prompt, seed + number, unknown=unknown, record=number)

        text = bytearray()
        for piece in self.write(requests(), sampling):
            text += piece.text
            if piece.ending is not None:
                yield Sample.of(bytes(text), *kept.pop(piece.number), piece.ending)
                text.clear()

    def request(
        self, prompt: Content, seed: int, *, unknown: str = "error", name: str = "the prompt", record: int = 0
    ) -> Request:
        """The text that continues a prompt, to be written with a seed; of the given vectors those of `record`."""
        whole("seed", seed, 0)
        whole("record", record, 0)
        ids, rest = self.prompted(prompt, unknown=unknown, name=name)
        return Request(self.led(ids, record), seed, rest)

    def encode(self, text: Content, *, unknown: str = "error", name: str = "the prompt") -> Ids:
        """The ids of a prompt; `unknown` is `error`, `skip` or `replace`. What an answer follows need not be said."""
        checked("text", text)
        one_of("unknown", unknown, UNKNOWN)
        return self.vocabulary.encode(self._asked(text), unknown=unknown, name=name)

    def prompted(self, text: Content, *, unknown: str = "error", name: str = "the prompt") -> tuple[Ids, str]:
        """The ids of a prompt up to the last border that no continuation moves, and the rest: see `healing`."""
        ids = self.encode(text, unknown=unknown, name=name)
        if self.vocabulary.unit != "word":
            return ids, ""
        asked = self._asked(text)
        asked = asked if isinstance(asked, str) else asked.decode()
        rest = unfinished(asked)
        if not taken_back(self.vocabulary, asked, rest):
            return ids, ""
        return self.vocabulary.encode(asked[: len(asked) - len(rest)], unknown=unknown, name=name), rest

    def _asked(self, text: Content) -> Content:
        """A prompt with the mark of what an answer follows."""
        answer = self.vocabulary.answer
        if answer is not None:
            text = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
            if ANSWER not in text:
                text = text.replace(answer, ANSWER, 1) if answer in text else text + ANSWER
        return text

    def led(self, ids: Ids, record: int) -> Ids:
        """A prompt behind the vectors of a record.

        Raises:
            SettingsError: there is no such record.
        """
        if self.vectors is None:
            return ids
        if record >= len(self.vectors):
            what = f"{self.vectors.name} has vectors for {len(self.vectors):,} records"
            raise SettingsError(what, "there are more prompts than that", "give one prompt for each")
        first = int(self.vectors.starts[record]) + len(self.vocabulary)
        rows = np.arange(first, first + int(self.vectors.lengths[record]), dtype=self.vocabulary.dtype)
        return np.concatenate((rows, ids))

    def write(self, requests: Iterable[Request | None], sampling: Sampling) -> Iterator[Piece]:
        """Write all requests, and give out their texts in order, each while it is being written."""
        _check(sampling)
        self.check_one_way("write")
        if sampling.novel is not None and sampling.spans is None:
            sampling = replace(sampling, spans=self._spans(sampling.novel))
        network = self.network(light=True)
        lanes = side_by_side(sampling.length, network.most)
        return generate(network, self.vocabulary, requests, sampling, lanes=lanes)

    def predict(self, text: Content = "", *, steps: int = 1, top: int = 10, unknown: str = "error") -> list[Prediction]:
        """The likeliest continuations of `text` by `steps` symbols, most probable first.

        One step is the exact distribution; more are found by beam search, at least 16 wide. A byte model writes a whole
        character in a step.
        """
        steps, top = whole("steps", steps, 1), whole("top", top, 1)
        self.check_one_way("say what comes next")
        ids, rest = self.prompted(text, unknown=unknown)
        ids = self.led(ids, 0)
        opening = np.array(self.vocabulary.layout.opening, dtype=ids.dtype)
        ids = np.concatenate((opening, ids))
        if not len(ids):
            ids = self.vocabulary.encode("\n", unknown="skip")  # as a line begins
        if not len(ids):
            raise SettingsError("there is nothing to continue", "the model knows no newline", "give a prompt")
        width = top if steps == 1 else max(top, 16)
        return continuations(self.network(light=True), self.vocabulary, ids, steps, width, rest)[:top]

    def _spans(self, size: int) -> Spans:
        """The spans of the training text.

        Raises:
            MissingInputError, DataError: it is gone, or has changed.
        """
        try:
            corpus = self.own_text()
        except (MissingInputError, DataError) as error:
            what = "`novel` needs the training text"
            raise type(error)(what, error.line([]), "say with `corpus` where it is now", "leave `novel` out") from error
        return Spans(corpus.train, size)


def _check(sampling: Sampling) -> None:
    if not isinstance(sampling, Sampling):
        raise SettingsError(f"`sampling` cannot be {sampling!r}", "", "give a charrnn.generation.sample.Sampling")
