"""A text -> a vocabulary, training ids, validation ids and a fingerprint.

The split is contiguous and fixed: the validation part is the end of the text (or a text of its own), never a sample of
positions, so that nothing of it can be seen in training. This room refuses to know how ids are batched.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from charrnn.errors import DataError
from charrnn.text.reading import read_text
from charrnn.text.vocabulary import Ids, Vocabulary

# Below this many symbols a held-out tenth says nothing, and the text itself needs every symbol.
SMALLEST_SPLIT = 500


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


def read_corpus(
    places: Sequence[str],
    *,
    unit: str = "char",
    encoding: str = "utf-8",
    glob: str | None = None,
    validation: str | None = None,
    fraction: float | None = None,
    known: tuple[Vocabulary, str] | None = None,
) -> tuple[Corpus, float, list[str]]:
    """Read, encode and split the texts at `places`; returns the corpus, the share held out, and what to tell the user.

    Without a `fraction` a tenth is held out, or nothing of a text too small to spare it. `known` is the vocabulary and
    the fingerprint of a text learnt before, which this must be.
    """
    text = read_text(places, unit=unit, encoding=encoding, glob=glob)
    if validation is not None:
        held_out = read_text([validation], unit=unit, encoding=encoding)
        if len(held_out.content) < 2:
            raise DataError(f"{validation} is too short to validate on", "", "give a longer text")
        corpus = build_corpus(text.content, validation=held_out.content, known=known)
        return corpus, 0.0, text.notices + held_out.notices
    if fraction is None:
        fraction = 0.1 if len(text.content) >= SMALLEST_SPLIT else 0.0
    return build_corpus(text.content, fraction=fraction, known=known), fraction, text.notices


def build_corpus(
    content: str | bytes,
    *,
    validation: str | bytes | None = None,
    fraction: float = 0.1,
    known: tuple[Vocabulary, str] | None = None,
) -> Corpus:
    """Encode and split `content`; the last `fraction` of it, or `validation`, is held out.

    The vocabulary is that of both parts together.

    Raises:
        DataError: nothing to learn (no text, or a single distinct symbol), or not the text that was `known`.
    """
    whole = content if validation is None else content + validation  # type: ignore[operator]
    distinct = len(set(content))
    if distinct < 2:
        what = "the corpus is empty" if not content else f"the corpus repeats one symbol, {content[:1]!r}"
        raise DataError(what, "there is nothing to predict", "give a text with at least two different characters")
    digest = fingerprint(whole)
    if known and known[1] != digest:
        raise DataError(
            "the corpus has changed since the model learnt it", "its fingerprint differs", "restore the text"
        )
    vocabulary = known[0] if known else Vocabulary.of(whole)
    ids = vocabulary.encode(whole, name="the corpus")
    # The same arithmetic as `text[:int(n * 0.9)]`, so that scores compare with other tools on the same split.
    count = int(len(ids) * (1 - fraction)) if validation is None else len(vocabulary.lookup(content))
    if count < 2:
        raise DataError("the training part has fewer than two symbols", "", "lower --validation-fraction")
    return Corpus(vocabulary, ids[:count], ids[count:], digest)


def fingerprint(content: str | bytes) -> str:
    """SHA-256 of a text, UTF-8 encoded: for a UTF-8 file without a mark, the file's own SHA-256."""
    try:
        data = content.encode() if isinstance(content, str) else content
    except UnicodeEncodeError as error:
        raise DataError("the corpus holds half of a surrogate pair", str(error.reason), "check --encoding") from error
    return hashlib.sha256(data).hexdigest()
