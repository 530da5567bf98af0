"""What `charrnn evaluate` scores: texts, or a part of the text that the model learnt."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel
    from charrnn.text.corpus import Corpus
    from charrnn.text.reading import Source
    from charrnn.text.vocabulary import Ids


@contextmanager
def rereadable(text: list[str], times: int, cache: Path | None) -> Iterator[list[str]]:
    """Places that can be read so many times: standard input is kept in the cache while several models score it."""
    from charrnn.errors import CharrnnError, OutputError
    from charrnn.text.places import STDIN
    from charrnn.text.reading import stream_bytes
    from charrnn.text.store import kept

    if STDIN not in text or times < 2:
        yield text
        return
    if cache is None:
        what, why = "standard input cannot be read more than once", "there is no home to keep it in"
        raise OutputError(what, why, "name a folder for it with `cache`")
    with kept(stream_bytes(STDIN, raw=True), cache) as copy:
        places = [str(copy) if place == STDIN else place for place in text]
        try:
            yield places
        except CharrnnError as error:
            error.what, error.why = (named(part, text, places) for part in (error.what, error.why))
            raise


def named(told: str, text: list[str], places: list[str]) -> str:
    """What is told of texts, by the names that they were given; some are read at other places."""
    from charrnn.text.reading import shown

    for name, place in zip(text, places, strict=True):
        told = told if name == place else told.replace(place, shown(name))
    return told


class Subject:
    """What is scored: texts, or a part of the model's own corpus; it can be read again if its places can.

    What was `said` of it while another model read it is not said again.
    """

    def __init__(
        self,
        model: "LanguageModel",
        text: list[str],
        places: list[str],
        split: str,
        asked: Mapping[str, Any],
        cache: Path | None,
        said: set[str],
    ) -> None:
        self.model, self.text, self.places, self.split, self.cache = model, text, places, split, cache
        self.asked = {key: asked[key] for key in ("encoding", "field", "target", "vectors", "vectors_key")}
        self.name = ", ".join(text) if text else f"{split} set of {', '.join(model.checkpoint.config.corpus)}"
        self.said, self.skips = said, asked["unknown"] == "skip"

    def pieces(self) -> "Iterator[str | bytes | Ids]":
        """The text, piece by piece; says, once, what a user should know of its reading."""
        from charrnn.cli.console import say
        from charrnn.cli.flags import spoken
        from charrnn.cli.models import source_for
        from charrnn.evaluation.score import BLOCK
        from charrnn.text.marks import END
        from charrnn.text.reading import stream_text

        if not self.places:
            ids = self.corpus.part(self.split)
            yield from (ids[start : start + BLOCK] for start in range(0, len(ids), BLOCK))
            return
        source, notices = source_for(self.model, self.places, **self.asked), list[str]()
        self.check(source)
        pieces = stream_text(source, notices)
        if (
            source.records is not None and self.model.vocabulary.end is None
        ):  # of one text: what ends a row is a newline
            next(pieces)
            pieces = (piece.replace(END, "\n") for piece in pieces if isinstance(piece, str))
        for piece in pieces:
            if self.skips and isinstance(piece, str) and not any(notices):
                notices += self.spelled(piece)
            yield piece
        for notice in notices:
            if notice not in self.said:
                say(spoken(named(notice, self.text, self.places)))
        self.said.update(notices)

    def given(self) -> "LanguageModel":
        """The model, which reads the vectors of this text, where it reads vectors."""
        from charrnn.cli.models import given

        if self.places or not self.model.checkpoint.config.vector_size:
            self.model = given(self.model, self.asked["vectors"], self.asked["vectors_key"])
        else:
            self.model = self.model.given(self.corpus.vectors)
        return self.model

    def spelled(self, piece: str) -> list[str]:
        """What to say of accented letters that the model knows in another spelling; empty before there are any."""
        from charrnn.text.characters import respelled

        if respelled(piece, self.model.vocabulary.count_unknown) == piece:
            return []
        what = "its accented letters are composed or decomposed (NFC, NFD) otherwise than those of the model's text"
        return [f"{what}: `unknown=replace` reads them as the model does"]

    def check(self, source: "Source") -> None:
        """Refuse records that the model has not learnt to read."""
        from charrnn.errors import SettingsError

        answer = None if source.records is None else source.records.answer
        if self.model.vocabulary.answer is None and answer is not None:
            raise SettingsError(
                "--target needs a model that answers", "this one was trained without answers", "leave it out"
            )
        if self.model.vocabulary.answer is not None and answer is None:
            raise SettingsError("this model's score is that of answers", "", "name their column or field by --target")

    @cached_property
    def corpus(self) -> "Corpus":
        """The text that the model learnt, found again by its recorded place and fingerprint."""
        from charrnn.errors import MissingInputError

        c = self.model.checkpoint
        if self.split != "train" and not getattr(c.corpus, f"{self.split}_symbols"):
            remedy = "name a TEXT to score, or add --split train"
            raise MissingInputError(f"this model has no {self.split} set", "", remedy)
        return self.model.own_text(self.cache)
