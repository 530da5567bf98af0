"""Words and their labels: many to many, synced. A label stands behind its word, and is one symbol.

    I like red apples<TAB>pron verb adj noun  ->  I(pron) like(verb) red(adj) apples(noun)

In a text that is read a label is written out between two marks; in ids it is one of the last symbols of a vocabulary.
What a network reads in its place is a gap: it has read the word before it, and of two directions what follows. A word
is what stands between blanks. A label that the training text never had is read as none: what is said of it is wrong.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from charrnn.errors import DataError, SettingsError
from charrnn.text.marks import CONTROLS, END, FIRST_LABEL, GAP, LABEL, MOST_LABELS
from charrnn.text.records import Records, records_of

_WORD = re.compile(r"\S+")
LABELLED = re.compile(f"{LABEL}([^{LABEL}]*){LABEL}")
_AS_GAPS, _AS_LABELS = re.compile(GAP), re.compile(f"[{''.join(CONTROLS)}{chr(FIRST_LABEL)}-\U0010ffff]")


@dataclass(frozen=True)
class Synced(Records):
    """Records that are words, and behind `between` a label for each."""

    between: str = "\t"

    def _joined(self, name: str, records: list[str], number: int) -> str:
        parts = [record.strip("\n") for record in records]
        return "".join([self._paired(name, part, number + at) + END for at, part in enumerate(parts, 1) if part])

    def _paired(self, name: str, record: str, number: int) -> str:
        words, between, labels = record.partition(self.between)
        if not between:
            what, why = f"record {number} of {name} has no {self.between!r}", "the labels of its words must follow it"
            raise DataError(what, why, "correct the text", "correct `target_after`")
        found, count = labels.split(), len(_WORD.findall(words))
        if len(found) != count:
            what = f"record {number} of {name} has {_counted(count, 'word')} and {_counted(len(found), 'label')}"
            raise DataError(what, "each word has one", "correct the text")
        return paired(words, found)


def paired(words: str, labels: Iterable[str]) -> str:
    """Words with their labels behind them."""
    coming = iter(labels)
    return _WORD.sub(lambda word: f"{word[0]}{LABEL}{next(coming)}{LABEL}", words)


def unlabelled(words: str) -> str:
    """Words that are to be labelled."""
    return _WORD.sub(lambda word: f"{word[0]}{LABEL}{LABEL}", words)


def symbols_of(labels: Iterable[str]) -> dict[str, str]:
    """The character that stands for each label."""
    return {label: chr(FIRST_LABEL + number) for number, label in enumerate(labels)}


def single(text: str, symbols: Mapping[str, str]) -> str:
    """A text with one character for each label; for one that is not known, that of a gap."""
    return LABELLED.sub(lambda found: symbols.get(found[1], GAP), text)


def whole_records(pieces: Iterable[str | bytes]) -> Iterator[str | bytes]:
    """The same text in pieces that end where records end."""
    held = ""
    for piece in pieces:
        assert isinstance(piece, str)
        held += piece
        place = held.rfind(END) + 1
        yield held[:place]
        held = held[place:]
    yield held


def check(labels: tuple[str, ...]) -> None:
    """Refuse more labels than there is room for.

    Raises:
        DataError: there are more.
    """
    if len(labels) > MOST_LABELS:
        raise DataError(f"the text has {len(labels):,} labels", f"{MOST_LABELS:,} is the most", "check `target_after`")


def unmarked(name: str, pieces: Iterable[str | bytes], *, labels: bool) -> Iterator[str]:
    """The same text for a network that has gaps, or `labels`: nothing that stands there looks like one.

    Raises:
        DataError: something does.
    """
    for piece in pieces:
        assert isinstance(piece, str)  # gaps need characters
        if found := (_AS_LABELS if labels else _AS_GAPS).search(piece):
            what, why = f"{name} holds U+{ord(found[0]):04X}", f"it is kept for {'labels' if labels else 'gaps'} here"
            raise DataError(what, why, "remove it")
        yield piece


def synced(kind: str | None, separator: str | None, answer: str | None, field: str | None) -> Synced:
    """The records that `synced` asks for.

    Raises:
        SettingsError: they are no questions with answers, or those of a table.
    """
    if field is not None:
        raise SettingsError("`synced` is for records of text", "`field` reads a table", "leave one of them out")
    if answer is None:
        what = "`synced` needs `target_after`"
        raise SettingsError(what, "labels stand behind the words", "give what separates them, as in `target_after=TAB`")
    found = records_of(kind, separator, answer)
    assert found is not None
    return Synced(found.separator, None, answer)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)
