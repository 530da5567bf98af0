"""What can be said of each place of a text: inside quotation marks, so far into the line, the line about to end.

The values stand for what was read up to a character, itself included; where a symbol is several characters, or a part
of one, they are those of the last character that is complete. Each is a count of something since something: `_since`.
"""

import codecs
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from charrnn.text.vocabulary import Ids, Vocabulary

Values = npt.NDArray[np.float64]  # (characters,)
Marks = npt.NDArray[np.bool_]
QUOTES = '"\u201c\u201d\u201e\u00ab\u00bb'
OPENING, CLOSING = "([{", ")]}"


def properties(texts: Sequence[str]) -> dict[str, Values]:
    """Name of each property -> its value after each symbol, from the `texts` that the symbols add: see `texts_of`."""
    whole = "".join(texts)
    if not whole:
        return {}
    ends = np.maximum(np.cumsum([len(text) for text in texts]) - 1, 0)
    return {name: values_of(whole)[ends] for name, values_of in PROPERTIES.items()}


def texts_of(vocabulary: Vocabulary, ids: Ids) -> list[str]:
    """What each of `ids` adds to the text; the last byte of a character adds it, the others nothing."""
    if vocabulary.unit != "byte":
        return [vocabulary.decode([symbol]) for symbol in ids.tolist()]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return [decoder.decode(bytes([byte])) for byte in ids.tolist()]


def inside_quotes(text: str) -> Values:
    """1 inside double quotation marks, else 0. What is left open ends with its paragraph, as dialogue is set."""
    return _since(_in(text, QUOTES), _blank_lines(text)) % 2


def inside_brackets(text: str) -> Values:
    """1 inside (), [] or {}, else 0. What closes without having been opened is nothing."""
    depth = np.cumsum(_in(text, OPENING).astype(np.int64) - _in(text, CLOSING))
    return (depth > np.minimum(np.minimum.accumulate(depth), 0)).astype(np.float64)


def place_in_line(text: str) -> Values:
    """Characters since the newline."""
    return _since(np.ones(len(text), dtype=bool), _in(text, "\n"))


def line_about_to_end(text: str) -> Values:
    """1 if a newline comes next, else 0."""
    return np.append(_in(text, "\n")[1:], False).astype(np.float64)


def line_in_paragraph(text: str) -> Values:
    """Lines since an empty one."""
    return _since(_in(text, "\n"), _blank_lines(text))


def indentation(text: str) -> Values:
    """Spaces and tabs with which the line begins."""
    newline = _in(text, "\n")
    return _since(_in(text, " \t") & (_since(~_in(text, str.isspace), newline) == 0), newline)


def place_in_word(text: str) -> Values:
    """Letters and digits since there was something else."""
    return _since(np.ones(len(text), dtype=bool), ~_in(text, str.isalnum))


def place_in_sentence(text: str) -> Values:
    """Characters since a full stop, a question mark or an exclamation mark."""
    return _since(np.ones(len(text), dtype=bool), _in(text, ".!?\u3002\uff01\uff1f"))


def capital(text: str) -> Values:
    """1 after a capital letter, else 0."""
    return _in(text, str.isupper).astype(np.float64)


def vowel(text: str) -> Values:
    """1 after one of the Latin vowels, else 0."""
    return _in(text, "aeiouAEIOU").astype(np.float64)


PROPERTIES: dict[str, Callable[[str], Values]] = {
    "inside quotation marks": inside_quotes,
    "inside brackets": inside_brackets,
    "place in the line": place_in_line,
    "the line is about to end": line_about_to_end,
    "line in the paragraph": line_in_paragraph,
    "indentation": indentation,
    "place in the word": place_in_word,
    "place in the sentence": place_in_sentence,
    "after a capital letter": capital,
    "after a vowel": vowel,
}


def _in(text: str, wanted: str | Callable[[str], bool]) -> Marks:
    found = wanted if callable(wanted) else wanted.__contains__
    return np.fromiter(map(found, text), dtype=bool, count=len(text))


def _since(counted: Marks, reset: Marks) -> Values:
    """How many places are `counted` since the last `reset`, which is not; before the first, since the beginning."""
    total = np.cumsum(counted)
    return (total - np.maximum.accumulate(np.where(reset, total, 0))).astype(np.float64)


def _blank_lines(text: str) -> Marks:
    """The newlines that end a line of nothing but white space."""
    newline = _in(text, "\n")
    visible = _since(~_in(text, str.isspace), newline)
    return np.asarray(newline & (np.append(0, visible[:-1]) == 0))
