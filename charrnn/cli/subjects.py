"""What `charrnn evaluate` scores: texts, or a part of the text that the model learnt."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel
    from charrnn.text.corpus import Corpus
    from charrnn.text.vocabulary import Ids


@contextmanager
def rereadable(text: list[str], times: int) -> Iterator[list[str]]:
    """Places that can be read so many times: standard input is kept in a file while several models score it."""
    import tempfile

    from charrnn.text.places import STDIN
    from charrnn.text.reading import stream_bytes

    if STDIN not in text or times < 2:
        yield text
        return
    with tempfile.NamedTemporaryFile(prefix="charrnn-") as file:
        for piece in stream_bytes(STDIN):
            file.write(piece)
        file.flush()
        yield [file.name if place == STDIN else place for place in text]


class Subject:
    """What is scored: texts, or a part of the model's own corpus; it can be read again if its places can."""

    def __init__(
        self,
        model: "LanguageModel",
        text: list[str],
        places: list[str],
        split: str,
        encoding: str | None,
        cache: Path,
    ) -> None:
        self.model, self.places, self.split, self.encoding, self.cache = model, places, split, encoding, cache
        self.name = ", ".join(text) if text else f"{split} set of {', '.join(model.checkpoint.config.corpus)}"
        self.told = False

    def pieces(self) -> "Iterator[str | bytes | Ids]":
        """The text, piece by piece; says, once, what a user should know of its reading."""
        from charrnn.cli.console import say
        from charrnn.cli.flags import spoken
        from charrnn.evaluation.score import BLOCK
        from charrnn.text.corpus import source_of
        from charrnn.text.reading import stream_text

        if not self.places:
            ids = self.corpus.part(self.split)
            yield from (ids[start : start + BLOCK] for start in range(0, len(ids), BLOCK))
            return
        values = self.model.checkpoint.config.model_dump() | ({"encoding": self.encoding} if self.encoding else {})
        notices: list[str] = []
        yield from stream_text(source_of(values, self.places), notices)
        for notice in notices if not self.told else []:
            say(spoken(notice))
        self.told = True

    @cached_property
    def corpus(self) -> "Corpus":
        """The text that the model learnt, found again by its recorded place and fingerprint."""
        from charrnn.errors import MissingInputError
        from charrnn.text.corpus import recorded_corpus

        c = self.model.checkpoint
        if self.split != "train" and not getattr(c.corpus, f"{self.split}_symbols"):
            remedy = "name a TEXT to score, or add --split train"
            raise MissingInputError(f"this model has no {self.split} set", "", remedy)
        return recorded_corpus(c.config.model_dump(), c.vocabulary, c.corpus.fingerprint, self.cache)
