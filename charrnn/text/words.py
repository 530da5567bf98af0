"""Text -> words: runs of letters, digits and underscores, each with the space before it; all else stays single.

    "Shall I\ncompare" -> "Shall", " I", "\n", "compare"

Joined, the words are the text again. Whoever gets a text in pieces cuts it where a word ends, so that its words do not
depend on the pieces.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from charrnn.text.characters import in_whole

WORD = re.compile(r" ?\w{1,64}|.", re.DOTALL)  # a longer run is several words: memory stays bounded
_OPEN = re.compile(r" | ?\w{1,63}")  # a word that may go on
_RUN = re.compile(r"(?s:.*)(?=\W)")  # up to the last symbol that ends a word

Other = TypeVar("Other")


def words(text: str) -> list[str]:
    """The words of `text`, in order."""
    return WORD.findall(text)


def spelled(text: str, places: Mapping[str, int], unknown: int) -> list[int]:
    """The place of every word of `text`, or of its characters where it has none; `unknown` for those without."""
    ids = list[int]()
    for word in words(text):
        place = places.get(word)
        if place is not None:
            ids.append(place)
        else:
            ids.extend(places.get(character, unknown) for character in word)
    return ids


def unfinished(text: str) -> str:
    """The end of `text` with which a word may go on: the beginning of one, or the space before one."""
    found, last = _RUN.match(text), ""
    for word in WORD.finditer(text, found.end() if found else 0):
        last = word[0]
    return last if _OPEN.fullmatch(last) else ""


def whole_words(pieces: Iterable[str | Other]) -> Iterator[str | Other]:
    """The same text in pieces that end where words end; what is no text passes as it is."""
    return in_whole(pieces, _last_word)


def _last_word(text: str) -> int:
    """Where the last word of `text` begins if what comes next may belong to it, else its end."""
    if text and not (text[-1].isalnum() or text[-1] in " _"):
        return len(text)
    found = _RUN.match(text)
    place = found.end() if found else 0
    for word in WORD.finditer(text, place):
        place = word.start()
    return place
