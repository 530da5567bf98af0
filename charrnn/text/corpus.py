"""A text -> a vocabulary, training ids, validation ids and a fingerprint.

    survey    read once: its length, its alphabet, its SHA-256; a small text is kept
    encode    a small text at once, in memory; a larger one is read again, into a file of the cache that is mapped

The split is contiguous and fixed: the validation part is the end of the text (or a text of its own), never a sample of
positions, so that nothing of it can be seen in training. This room refuses to know how ids are batched.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from charrnn.errors import DataError
from charrnn.text.decoding import Decoding
from charrnn.text.reading import Source, stream_text
from charrnn.text.store import Spool, release, stored
from charrnn.text.vocabulary import Alphabet, Ids, Vocabulary

# Below this many symbols a held-out tenth says nothing, and the text itself needs every symbol.
SMALLEST_SPLIT = 500
SMALL = 1 << 25  # symbols of a text that is kept in memory
_TELL_SECONDS = 5.0  # between two words about the reading of a large text

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Corpus:
    """An encoded text, split in order."""

    vocabulary: Vocabulary
    train: Ids
    validation: Ids
    fingerprint: str  # SHA-256 of the whole text, UTF-8 encoded

    def part(self, split: str) -> Ids:
        """The ids of `train` or `validation`."""
        return self.train if split == "train" else self.validation

    def release(self) -> None:
        """Let go of the pages of mapped ids that were read; they are read again when they are needed."""
        release(self.train)
        release(self.validation)


def source_of(values: Mapping[str, Any], arguments: Iterable[str] | None = None) -> Source:
    """The text that a wish or a recorded configuration names, or others read in the same way."""
    decoding = Decoding(*(values.get(key) or default for key, default in _DECODING.items()))
    return Source(
        tuple(values["corpus"] if arguments is None else arguments),
        values.get("unit") or "char",
        decoding,
        values.get("glob"),
        tuple(values.get("exclude") or ()),
    )


_DECODING = {"encoding": "utf-8", "errors": "strict", "newlines": "keep"}


def read_corpus(
    source: Source,
    *,
    validation: str | None = None,
    fraction: float | None = None,
    known: tuple[Vocabulary, str] | None = None,
    cache: Path | None = None,
    tell: Tell = lambda text: None,
) -> tuple[Corpus, float, list[str]]:
    """Read, encode and split a text; returns the corpus, the share held out, and what to tell the user.

    Without a `fraction` a tenth is held out, or nothing of a text too small to spare it. `known` is the vocabulary and
    the fingerprint of a text learnt before, which this must be. Without a `cache` every text is kept in memory.

    Raises:
        DataError: nothing to learn (no text, or a single distinct symbol), or not the text that was `known`.
    """
    notices: list[str] = []
    with _Survey(source, cache, tell) as main:
        main.read(notices)
        if validation is None:
            share = (0.1 if main.symbols >= SMALLEST_SPLIT else 0.0) if fraction is None else fraction
            return _built(main, None, share, known), share, notices
        other = replace(source, arguments=(validation,), glob=None, exclude=())
        with _Survey(other, cache, tell) as held_out:
            held_out.read(notices)
            if held_out.symbols < 2:
                raise DataError(f"{validation} is too short to validate on", "", "give a longer text")
            return _built(main, held_out, 0.0, known), 0.0, notices


def build_corpus(
    content: str | bytes,
    *,
    validation: str | bytes | None = None,
    fraction: float = 0.1,
    known: tuple[Vocabulary, str] | None = None,
) -> Corpus:
    """Encode and split `content` as `read_corpus` does; the last `fraction`, or `validation`, is held out.

    The vocabulary is that of both parts together.
    """
    unit = "byte" if isinstance(content, bytes) else "char"
    main, held_out = _Survey(Source((), unit)), None if validation is None else _Survey(Source((), unit))
    main.take(content)
    if held_out is not None and validation is not None:
        held_out.take(validation)
    return _built(main, held_out, fraction, known)


def _built(
    main: "_Survey", held_out: "_Survey | None", fraction: float, known: tuple[Vocabulary, str] | None
) -> Corpus:
    if main.alphabet.size < 2:
        what = f"the corpus repeats one symbol, {main.alphabet.example()!r}" if main.symbols else "the corpus is empty"
        raise DataError(what, "there is nothing to predict", "give a text with at least two different characters")
    whole = main.digest.copy()
    for piece in held_out.utf8() if held_out is not None else ():
        whole.update(piece)
    if known and known[1] != whole.hexdigest():
        raise DataError(
            "the corpus has changed since the model learnt it", "its fingerprint differs", "restore the text"
        )
    vocabulary = known[0] if known else main.alphabet.joined(held_out.alphabet if held_out else None).vocabulary()
    ids = main.encoded(vocabulary)
    # The same arithmetic as `text[:int(n * 0.9)]`, so that scores compare with other tools on the same split.
    count = len(ids) if held_out is not None else int(len(ids) * (1 - fraction))
    if count < 2:
        raise DataError("the training part has fewer than two symbols", "", "lower --validation-fraction")
    rest = ids[count:] if held_out is None else held_out.encoded(vocabulary)
    return Corpus(vocabulary, ids[:count], rest, whole.hexdigest())


@dataclass
class _Survey:
    """What one reading of a text finds out, and the text itself as long as it is small."""

    source: Source
    cache: Path | None = None
    tell: Tell = lambda text: None
    symbols: int = 0
    kept: list[str | bytes] | None = field(default_factory=list)
    spool: Spool | None = None

    def __post_init__(self) -> None:
        self.alphabet, self.digest = Alphabet(self.source.unit), hashlib.sha256()

    def __enter__(self) -> "_Survey":
        return self

    def __exit__(self, *details: object) -> None:
        if self.spool is not None:
            self.spool.close()

    def read(self, notices: list[str]) -> None:
        """Read the text once."""
        for piece in self._told("read", stream_text(self.source, notices)):
            self.take(piece)

    def take(self, piece: str | bytes) -> None:
        """Take up the next piece."""
        self.symbols += len(piece)
        self.digest.update(_utf8(piece))
        self.alphabet.add(piece)
        if self.kept is not None:
            self.kept.append(piece)
            if self.cache is not None and self.symbols > SMALL:
                if not self.source.readable_again():
                    self.spool = Spool(self.cache)
                    self.spool.write(map(_utf8, self.kept))
                self.kept = None
        elif self.spool is not None:
            self.spool.write([_utf8(piece)])

    def utf8(self) -> Iterator[bytes]:
        """The text again, as UTF-8."""
        return map(_utf8, self._pieces())

    def encoded(self, vocabulary: Vocabulary) -> Ids:
        """The text as ids: in memory, or mapped from the cache."""
        if self.cache is None or self.kept is not None:
            return vocabulary.encode_all(self._pieces())
        again = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            for piece in self._told("encoded", self._pieces()):
                again.update(_utf8(piece))
                yield vocabulary.encode(piece, name="the corpus").tobytes()
            if again.digest() != self.digest.digest():
                raise DataError("the corpus changed while it was read", "", "run the same command again")

        key = f"{self.digest.hexdigest()} {vocabulary.fingerprint} {vocabulary.dtype.__name__}"
        return stored(self.cache, hashlib.sha256(key.encode()).hexdigest(), vocabulary.dtype, self.symbols, pieces)

    def _pieces(self) -> Iterator[str | bytes]:
        if self.kept is not None:
            return iter(self.kept)
        return self.spool.read(self.source.unit) if self.spool is not None else stream_text(self.source, [])

    def _told(self, what: str, pieces: Iterable[str | bytes]) -> Iterator[str | bytes]:
        """The pieces, with a word now and then where there are many."""
        seen, last = 0, time.monotonic()
        for piece in pieces:
            seen += len(piece)
            if time.monotonic() - last > _TELL_SECONDS:
                last = time.monotonic()
                share = f" of {self.symbols:,}" if what == "encoded" else ""
                self.tell(f"{what} {seen:,}{share} symbols of the text")
            yield piece


def _utf8(content: str | bytes) -> bytes:
    if isinstance(content, bytes):
        return content
    try:
        return content.encode()
    except UnicodeEncodeError as error:
        raise DataError("the corpus holds half of a surrogate pair", str(error.reason), "check --encoding") from error
