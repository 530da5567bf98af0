"""A trained model as one object: it writes, scores and predicts. The commands and notebooks call the same functions.

    model = charrnn.load("shakespeare")
    print(model.sample("Shall I", temperature=0.8).text)
    print(model.score("To be, or not to be").bits_per_char)

Whatever is small and on a CPU is done with NumPy; torch is imported for another device and for long texts only.
"""

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np

from charrnn.errors import MissingInputError, SettingsError
from charrnn.evaluation.adapt import adapt
from charrnn.evaluation.choices import Chosen, choose
from charrnn.evaluation.score import Score, Scored, score_stream, summed
from charrnn.generation.beam import Prediction, continuations
from charrnn.generation.generate import Piece, generate, side_by_side
from charrnn.generation.sample import Request, Sample, Sampling
from charrnn.runs.checkpoint import Checkpoint, read_checkpoint
from charrnn.runs.folder import find_model
from charrnn.text.corpus import source_of
from charrnn.text.vocabulary import ANSWER, END, Ids, Vocabulary

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN, TorchReader
    from charrnn.model.numpy_network import NumpyNetwork

Content = str | bytes
_TRIES = 5  # at reading the newest file of a run that is being trained


def load(
    model: str | Path | None = None, *, checkpoints: str | Path = "checkpoints", device: str = "cpu"
) -> "LanguageModel":
    """The model that a `.safetensors` file, a run's folder or name, or nothing (the newest run) stands for.

    Raises:
        MissingInputError: there is none.
        DataError: it is damaged.
    """
    for left in reversed(range(_TRIES)):
        path = find_model(None if model is None else str(model), Path(checkpoints))
        try:
            return LanguageModel(read_checkpoint(path), path, device)
        except MissingInputError:
            if not left or os.path.lexists(path):
                raise  # else its owner has just dropped it for a newer one
    raise AssertionError("unreachable")


class LanguageModel:
    """A trained network with its vocabulary."""

    def __init__(self, checkpoint: Checkpoint, path: Path, device: str = "cpu") -> None:
        self.checkpoint, self.path, self.device = checkpoint, path, device

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols that it reads and writes."""
        return self.checkpoint.vocabulary

    def sample(
        self,
        prompt: Content = "",
        *,
        length: int = 500,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        stops: Iterable[str] = (),
        seed: int | None = None,
        unknown: str = "error",
    ) -> Sample:
        """Write one text of at most `length` symbols; for the choice of a symbol see `generation.choose`."""
        sampling = Sampling(length, temperature, top_k, top_p, min_p, tuple(stop.encode() for stop in stops))
        seed = secrets.randbelow(2**32) if seed is None else seed
        return next(self.samples([prompt], sampling, seed=seed, unknown=unknown))

    def samples(
        self, prompts: Iterable[Content], sampling: Sampling, *, seed: int, unknown: str = "error"
    ) -> Iterator[Sample]:
        """A text for each prompt, in order, many written at once; the i-th is the one that `seed` + i writes alone."""
        kept: dict[int, tuple[Content, int]] = {}

        def requests() -> Iterator[Request]:
            for number, prompt in enumerate(prompts):
                kept[number] = (prompt, seed + number)
                yield Request(self.encode(prompt, unknown=unknown), seed + number)

        text = bytearray()
        for piece in self.write(requests(), sampling):
            text += piece.text
            if piece.ending is not None:
                yield Sample.of(bytes(text), *kept.pop(piece.number), piece.ending)
                text.clear()

    def write(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Piece]:
        """Write all requests, and give out their texts in order, each while it is being written."""
        lanes = side_by_side(sampling.length)
        return generate(self.network(light=True), self.vocabulary, requests, sampling, lanes=lanes)

    def predict(self, text: Content = "", *, steps: int = 1, top: int = 10, unknown: str = "error") -> list[Prediction]:
        """The likeliest continuations of `text` by `steps` symbols, most probable first.

        One step is the exact distribution; more are found by beam search, at least 16 wide.
        """
        ids = self.encode(text, unknown=unknown)
        opening = np.array(self.vocabulary.layout.opening, dtype=ids.dtype)
        ids = np.concatenate((opening, ids))
        if not len(ids):
            ids = self.vocabulary.encode("\n", unknown="skip")  # as a line begins
        if not len(ids):
            raise SettingsError("there is nothing to continue", "the model knows no newline", "give a prompt")
        width = top if steps == 1 else max(top, 16)
        found = continuations(self.network(light=True), self.vocabulary, ids, steps, width)
        return [Prediction(self.vocabulary.decode(ids.tolist()), probability) for ids, probability in found[:top]]

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
        pieces = self._read(text, name) if isinstance(text, (str, bytes)) else text
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
    ) -> Iterator[Scored]:
        """The nats of every symbol of a text that comes in pieces, as `stream_text` gives them, the state carried.

        Memory does not grow with it. With `adapting` the network goes on learning from what it has scored.

        Raises:
            SettingsError: a `window` or `adapting` in records, or both.
        """
        if window and (adapting or self.vocabulary.layout.records):
            why = "a network that adapts carries its state" if adapting else "this model was trained on records"
            raise SettingsError("`window` is for one continuous text", why, "leave it out")
        coming = self.vocabulary.stream(pieces, unknown, name, missing := [0])
        if adapting:
            parts = adapt(self._learner(), coming, self.vocabulary)
        else:
            parts = score_stream(lambda short: self.network(light=short), coming, self.vocabulary, window)
        for part in parts:
            yield part._replace(unknown=missing[0])
            missing[0] = 0

    def adapted(self, pieces: Iterable[Content], *, unknown: str = "error", name: str = "the text") -> "LanguageModel":
        """A model that has gone on learning from a text, to write in its voice; this one stays as it is."""
        network = self._learner()
        for _ in adapt(network, self.vocabulary.stream(pieces, unknown, name), self.vocabulary):
            pass
        progress = self.checkpoint.progress.model_copy(update={"temperature": 1.0})
        learnt = replace(self.checkpoint, weights=network.weights(), progress=progress)
        return LanguageModel(learnt, self.path, self.device)

    def chosen(self, pieces: Iterable[Content | Ids], choices: Sequence[str]) -> Iterator[Chosen]:
        """To each question of a text the likeliest of `choices`, beside the answer that stands there.

        Raises:
            SettingsError: the model learnt no answers.
        """
        v = self.vocabulary
        if not v.layout.answers:
            raise SettingsError(
                "`choices` are for answers", "this model was trained without any", "train one on questions and answers"
            )
        offered = [v.encode(choice, name="a choice") for choice in choices]
        ids = np.concatenate([np.zeros(0, dtype=v.dtype), *v.stream(pieces, "skip")])
        for question, answer, best in choose(self.network(light=True), v, ids, offered):
            yield Chosen(v.decode(question.tolist()), v.decode(answer.tolist()), choices[best])

    def encode(self, text: Content, *, unknown: str = "error", name: str = "the prompt") -> Ids:
        """The ids of a prompt; `unknown` is `error`, `skip` or `replace`. What an answer follows need not be said."""
        answer = self.vocabulary.answer
        if answer is not None:
            text = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
            text = text.replace(answer, ANSWER, 1) if answer in text else text + ANSWER
        return self.vocabulary.encode(text, unknown=unknown, name=name)

    def ids(self, text: Content) -> Ids:
        """The ids of a text as it is learnt; what is unknown is left out."""
        return np.concatenate(list(self.vocabulary.stream(self._read(text, "the text"), "skip")))

    def _read(self, text: Content, name: str) -> Iterator[Content]:
        """A text as `stream_text` would have given it."""
        records = source_of(self.checkpoint.config.model_dump()).records
        if records is None:
            return iter([text])
        return chain([END], records.marked(name, [text if isinstance(text, str) else text.decode()]))

    def network(self, *, light: bool) -> Union["NumpyNetwork", "TorchReader"]:
        """The network itself: `light` is without torch, where that can be."""
        return self.numpy_network if light and self.device in ("cpu", "auto") else self.torch_reader

    @cached_property
    def numpy_network(self) -> "NumpyNetwork":
        """The network without torch."""
        from charrnn.model.numpy_network import NumpyNetwork

        return NumpyNetwork(self.checkpoint.config, len(self.vocabulary), self.checkpoint.calibrated)

    @cached_property
    def torch_reader(self) -> "TorchReader":
        """The network in torch, for devices, long texts and gradients."""
        from charrnn.model.machine import usable_device
        from charrnn.model.network import open_reader

        c = self.checkpoint
        return open_reader(c.config, len(c.vocabulary), c.calibrated, usable_device(self.device))

    def _learner(self) -> "CharRNN":
        """A network that may go on learning."""
        if self.vocabulary.layout.records:
            raise SettingsError(
                "only a model of one continuous text can adapt", "this one was trained on records", "leave it out"
            )
        return deepcopy(self.torch_reader.network)
