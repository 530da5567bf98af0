"""One reading of a text: its length, its alphabet, its SHA-256; and the text itself, to be encoded when all is known.

survey    read once; a small text is kept
encode    a small text at once, in memory; a larger one is read again, into a file of the cache that is mapped
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from charrnn.errors import DataError
from charrnn.text.alphabet import Alphabet
from charrnn.text.labels import Synced, whole_records
from charrnn.text.layout import Independent
from charrnn.text.reading import Source, stream_text
from charrnn.text.store import Spool, stored
from charrnn.text.vocabulary import Ids, Vocabulary
from charrnn.text.words import whole_words

SMALL = 1 << 25  # symbols of a text that is kept in memory
_TELL_SECONDS = 5.0  # between two words about what takes long

Tell = Callable[[str], None]


def now_and_then(tell: Tell) -> Tell:
    """`tell`, for what has something to say all the time: of it a word every few seconds."""
    last = time.monotonic()

    def told(text: str) -> None:
        nonlocal last
        if time.monotonic() - last > _TELL_SECONDS:
            last = time.monotonic()
            tell(text)

    return told


@dataclass
class Survey:
    """What one reading of a text finds out, and the text itself as long as it is small."""

    source: Source
    cache: Path | None = None
    tell: Tell = lambda text: None
    symbols: int = 0
    kept: list[str | bytes] | None = field(default_factory=list)
    spool: Spool | None = None
    min_count: int | None = None

    def __post_init__(self) -> None:
        labelled = isinstance(self.source.records, Synced)
        self.alphabet, self.digest = Alphabet(self.source.unit, self.min_count, labelled), hashlib.sha256()

    def __enter__(self) -> "Survey":
        return self

    def __exit__(self, *details: object) -> None:
        if self.spool is not None:
            self.spool.close()

    def read(self, notices: list[str]) -> None:
        """Read the text once."""
        for piece in self._told("read", self._whole(stream_text(self.source, notices))):
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

    def encoded(self, vocabulary: Vocabulary, shuffle: int | None = None) -> Ids:
        """The text as ids, its records in the order that `shuffle` draws: in memory, or mapped from the cache."""
        if self.cache is None or self.kept is not None:
            parts = [vocabulary.encode(piece, name="the corpus") for piece in self._pieces()]
            ids = vocabulary.numbered(np.concatenate(parts) if parts else np.zeros(0, dtype=vocabulary.dtype))
        else:
            ids = self._stored(vocabulary)
        layout = vocabulary.layout
        if shuffle is None or not isinstance(layout, Independent):
            return ids
        order = partial(layout.shuffled, ids, shuffle)
        if self.cache is None or self.kept is not None:
            return np.concatenate(list(order()))
        key = self._key(vocabulary, shuffle)
        return stored(self.cache, key, vocabulary.dtype, len(ids), lambda: (some.tobytes() for some in order()))

    def _key(self, vocabulary: Vocabulary, *more: object) -> str:
        """What the ids of this text are called in the cache."""
        key = f"{self.digest.hexdigest()} {vocabulary.fingerprint} {vocabulary.dtype.__name__} {more}"
        return hashlib.sha256(key.encode()).hexdigest()

    def _stored(self, vocabulary: Vocabulary) -> Ids:
        again = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            rows = 0
            for piece in self._told("encoded", self._pieces()):
                again.update(_utf8(piece))
                ids = vocabulary.numbered(vocabulary.encode(piece, unknown="skip"), rows)
                rows += int((ids >= len(vocabulary)).sum()) if vocabulary.vectors else 0
                yield ids.tobytes()
            if again.digest() != self.digest.digest():
                raise DataError("the corpus changed while it was read", "", "run the same command again")

        assert self.cache is not None
        count = self.alphabet.length(self.symbols, vocabulary)
        return stored(self.cache, self._key(vocabulary), vocabulary.dtype, count, pieces)

    def _pieces(self) -> Iterator[str | bytes]:
        if self.kept is not None:
            return iter(self.kept)
        if self.spool is not None:
            return self._whole(self.spool.read(self.source.unit))
        return self._whole(stream_text(self.source, []))

    def _whole(self, pieces: Iterable[str | bytes]) -> Iterator[str | bytes]:
        """Pieces that end where symbols end."""
        if isinstance(self.source.records, Synced):
            return whole_records(pieces)
        return whole_words(pieces) if self.source.unit == "word" else iter(pieces)

    def _told(self, what: str, pieces: Iterable[str | bytes]) -> Iterator[str | bytes]:
        """The pieces, with a word now and then where there are many."""
        seen, tell = 0, now_and_then(self.tell)
        for piece in pieces:
            seen += len(piece)
            share = f" of {self.symbols:,}" if what == "encoded" else ""
            tell(f"{what} {seen:,}{share} symbols of the text")
            yield piece


def _utf8(content: str | bytes) -> bytes:
    if isinstance(content, bytes):
        return content
    try:
        return content.encode()
    except UnicodeEncodeError as error:
        raise DataError("the text holds half of a surrogate pair", str(error.reason), "check `encoding`") from error
