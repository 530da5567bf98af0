"""A text -> a vocabulary, training, validation and test ids, and a fingerprint.

The split is contiguous and fixed: what is held out is the end of the text (or a text of its own), never a sample of
positions, so that nothing of it can be seen in training; of records, whole ones. This room refuses to know how ids are
batched.
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charrnn.errors import DataError, SettingsError
from charrnn.files import release
from charrnn.text.alphabet import Alphabet
from charrnn.text.decoding import Decoding
from charrnn.text.fields import fields_of
from charrnn.text.labels import synced
from charrnn.text.marks import END
from charrnn.text.reading import Source
from charrnn.text.records import Records, records_of
from charrnn.text.survey import Survey, Tell
from charrnn.text.vectors import Rows, VectorFile, Vectors
from charrnn.text.vocabulary import Ids, Vocabulary

# Below this many symbols a held-out tenth says nothing, and the text itself needs every symbol.
SMALLEST_SPLIT = 500
_BLOCK = 1 << 20


class Standardised(NamedTuple):
    """Vectors (R, d), and what they are on the whole: mean and deviation, each (d,)."""

    rows: Rows
    mean: Rows
    deviation: Rows


@dataclass(frozen=True)
class Corpus:
    """An encoded text, split in order."""

    vocabulary: Vocabulary
    train: Ids
    validation: Ids
    test: Ids
    fingerprint: str  # SHA-256 of the whole text, UTF-8 encoded
    min_count: int = 1  # of its rarest symbols; of words, what was chosen
    vectors: Vectors | None = None  # that its records begin with

    def part(self, split: str) -> Ids:
        """The ids of `train`, `validation` or `test`."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]

    def standardised(self) -> Standardised | None:
        """Its vectors, measured by those of the training set."""
        if self.vectors is None:
            return None
        read = self.train[self.train >= len(self.vocabulary)]  # a copy
        read -= np.uint32(len(self.vocabulary))
        return Standardised(self.vectors.rows, *self.vectors.standard(read))

    def release(self) -> None:
        """Let go of the pages of mapped ids that were read; they are read again when they are needed."""
        release(self.train)
        release(self.validation)
        if self.vectors is not None:
            release(self.vectors.rows)


@dataclass(frozen=True)
class Split:
    """What is held out: texts of their own, or shares of the end; no `fraction` is a tenth of what can spare it.

    Records are put in an order drawn by `shuffle` first, unless it is None.
    """

    validation: str | None = None
    test: str | None = None
    fraction: float | None = None
    test_fraction: float = 0.0
    shuffle: int | None = None


def split_of(values: Mapping[str, Any]) -> Split:
    """The split that a wish or a recorded configuration names."""
    shuffle = (values.get("seed") or 0) if values.get("shuffle_records") else None
    names = values.get("validation"), values.get("test")
    return Split(*names, values.get("validation_fraction"), values.get("test_fraction") or 0.0, shuffle)


def source_of(values: Mapping[str, Any], arguments: Iterable[str] | None = None) -> Source:
    """The text that a wish or a recorded configuration names, or others read in the same way."""
    decoding = Decoding(*(values.get(key) or default for key, default in _DECODING.items()))
    others = values.get("records"), values.get("record_separator"), values.get("target_after")
    if values.get("synced"):
        records: Records | None = synced(*others, values.get("field"))
    else:
        records = fields_of(values.get("field"), values.get("target"), *others) or records_of(*others)
    return Source(
        tuple(values["corpus"] if arguments is None else arguments),
        values.get("unit") or "char",
        decoding,
        values.get("glob"),
        tuple(values.get("exclude") or ()),
        records,
        vectors_of(values, records),
        bool(values.get("bidirectional") or values.get("synced")),
    )


def vectors_of(values: Mapping[str, Any], records: Records | None) -> VectorFile | None:
    """Where the vectors lie that a wish or a recorded configuration names.

    Raises:
        SettingsError: the text has no records to begin with them.
    """
    if not values.get("vectors"):
        return None
    if records is None:
        raise SettingsError("`vectors` are for records", "", "say what a record is, as in `records=lines`")
    if values.get("validation") or values.get("test"):
        what, why = "`vectors` are those of one text", "`validation` and `test` name others"
        raise SettingsError(what, why, "hold a share of it out: `validation_fraction`, `test_fraction`")
    return VectorFile(values["vectors"], values.get("vectors_key"))


_DECODING = {"encoding": "utf-8", "errors": "strict", "newlines": "keep"}


def read_corpus(
    source: Source,
    split: Split = Split(),
    *,
    min_count: int | None = None,
    known: tuple[Vocabulary, str] | None = None,
    cache: Path | None = None,
    tell: Tell = lambda text: None,
) -> tuple[Corpus, float, list[str]]:
    """Read, encode and split a text; returns the corpus, the share held out, and what to tell the user.

    `known` is the vocabulary and the fingerprint of a text learnt before, which this must be. Without a `cache` every
    text is kept in memory.

    Raises:
        DataError: nothing to learn (no text, or a single distinct symbol), or not the text that was `known`.
    """
    notices: list[str] = []
    with ExitStack() as stack:

        def survey(of: Source) -> Survey:
            found = stack.enter_context(Survey(of, cache, tell, min_count=min_count))
            found.read(notices)
            return found

        main, share = survey(source), split.fraction
        apart = {}
        for key in ("validation", "test"):
            name = getattr(split, key)
            if name is not None:
                apart[key] = survey(replace(source, arguments=(name,), glob=None, exclude=()))
                if apart[key].symbols < 2:
                    raise DataError(f"{name} is too short to be a {key} set", "", "give a longer text")
        if "validation" in apart or share is None:
            share = 0.1 if main.symbols >= SMALLEST_SPLIT and "validation" not in apart else 0.0
        corpus = _built(main, apart, replace(split, fraction=share), known)
        return corpus, share if len(corpus.validation) else 0.0, notices


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
    surveys = []
    for part in (content, validation):
        surveys.append(Survey(Source((), "byte" if isinstance(content, bytes) else "char")))
        surveys[-1].take(part if part is not None else type(content)())
    apart = {} if validation is None else {"validation": surveys[1]}
    return _built(surveys[0], apart, Split(fraction=0.0 if apart else fraction), known)


def _built(main: Survey, apart: Mapping[str, Survey], split: Split, known: tuple[Vocabulary, str] | None) -> Corpus:
    whole, vectors = main.digest.copy(), main.source.vectors and main.source.vectors.read()
    if vectors is not None:
        whole.update(vectors.digest)
    for part in apart.values():
        for piece in part.utf8():
            whole.update(piece)
    if known and known[1] != whole.hexdigest():
        what, why = "the text has changed since the model was trained on it", "its fingerprint differs"
        raise DataError(what, why, "restore the text", "say with `corpus` where it is now")
    alphabet = main.alphabet
    for part in apart.values():
        alphabet = alphabet.joined(part.alphabet)
    vocabulary = known[0] if known else _vocabulary(main, alphabet)
    ids = main.encoded(vocabulary, split.shuffle)
    places = [
        _cut(ids, vocabulary, 1 - (split.fraction or 0.0) - ("test" not in apart) * split.test_fraction),
        _cut(ids, vocabulary, 1 - ("test" not in apart) * split.test_fraction),
    ]
    if places[0] < 2:
        raise DataError("the training set has fewer than two symbols", "", "lower `validation_fraction`")
    overlap = vocabulary.layout.shared
    held_out = {"validation": ids[places[0] : places[1] + overlap], "test": ids[places[1] :]}
    held_out |= {key: part.encoded(vocabulary) for key, part in apart.items()}
    validation, test = (part if len(part) > overlap else ids[:0] for part in held_out.values())
    train = ids[: places[0] + overlap]
    return Corpus(vocabulary, train, validation, test, whole.hexdigest(), alphabet.min_count or 1, vectors)


def _vocabulary(main: Survey, alphabet: Alphabet) -> Vocabulary:
    """The vocabulary of what was read, of which there must be enough to predict."""
    if main.alphabet.size < 2:
        nothing = "" if main.source.records is None else END  # before the first of no records
        empty = not main.symbols or main.alphabet.example() == nothing
        what = "the text is empty" if empty else f"the text repeats one symbol, {main.alphabet.example()!r}"
        raise DataError(what, "there is nothing to predict", "give a text with at least two different characters")
    records, gaps = main.source.records, main.source.gaps
    if records is None:
        return alphabet.vocabulary(gaps=gaps)
    return alphabet.vocabulary(records.separator, records.answer, gaps=gaps)


def _cut(ids: Ids, vocabulary: Vocabulary, share: float) -> int:
    """Where `share` of a text ends: between two records, or at the same character whatever the unit.

    For characters it is the arithmetic of `text[:int(n * 0.9)]`, so that scores compare with other tools on the same
    split.
    """
    if share == 1:
        return len(ids)
    if vocabulary.unit != "word" or vocabulary.layout.records:
        return vocabulary.layout.cut(ids, int(len(ids) * share))
    starts = range(0, len(ids), _BLOCK)
    ends = np.cumsum([vocabulary.measure(ids[start : start + _BLOCK])[0] for start in starts])
    place = int(ends[-1] * share)
    block = int(np.searchsorted(ends, place, side="right"))
    inside = np.cumsum(vocabulary.widths[0][ids[starts[block] : starts[block] + _BLOCK]])
    return starts[block] + int(np.searchsorted(inside, place - (ends[block] - inside[-1]), side="right"))
