# ruff: noqa: RUF001 - other alphabets are what this is about
"""Bytes that are not UTF-8 -> the encodings that they may be in, the likeliest first, and how sure that is.

1. Only lines that are not plain ASCII tell anything. What cannot decode all of them is out.
2. Of each decoding the likelihood is that of the language that it fits best: by letters (`letters.py`), and in the
   scripts of East Asia by how common a character is in its own character set. What stands in no language is unlikely.
3. Encodings that read alike are one, called by the name that is met most.

It is clear where the next best is a thousand times less likely and the text long enough for its letters to tell.
"""

import codecs
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from charrnn.text.letters import LATIN, OTHER, chance

# Of encodings that read alike, the first one here: the most common.
_SINGLE = (
    *("cp1252", "cp1251", "cp1250", "cp1254", "koi8_r", "koi8_u", "iso8859_2", "iso8859_15", "cp1253", "cp1255"),
    *("cp1256", "cp1257", "cp1258", "cp874", "cp866", "cp850", "cp437", "cp852", "cp857", "mac_roman", "mac_cyrillic"),
    *("mac_latin2", "mac_turkish", "mac_greek", "mac_iceland"),
)
WHOLE = 1 << 16  # bytes; fewer are a whole text
_LOOKED = 1 << 14  # bytes of telling lines
_CLEAR = math.log(1000)
_ENOUGH = 4  # characters beyond ASCII
_CLOSE = 12.0  # nats below the likeliest that are still worth a word
_SHOWN = 3
_PUNCTUATION = frozenset("\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a\u2039\u203a\u2013\u2014\u2026\u00a0¿¡°§€£·•")
_MARK, _CASE, _STRANGE = -5.0, -4.0, math.log(1e-6)
_RARE = -10.0  # what is less likely stands in no language that is known here
_ODD = 0.1  # share of such characters beyond ASCII, above which nothing is clear
# Within a word: forms of letters that end words, and signs that stand beside words.
_MISPLACED = re.compile("[ךםןףץ](?=[א-ת])|ς(?=[α-ώ])|(?<=[^\\W\\d_])[§°€£¿¡\u00a0«»\u201e\u201a\u2039](?=[^\\W\\d_])")
_ASIAN = -5.0  # for a text that has not many characters of that kind
_FOREIGN, _BORDER = math.log(1 / 26), -4.0  # letters of ASCII within such words, and where they meet others
_TOKEN = re.compile(r"[A-Za-z\x80-\U0010ffff]+")


@dataclass(frozen=True)
class Likely:
    """An encoding, what it makes of a telling line, and whether nothing else comes near."""

    encoding: str
    line: str
    clear: bool


class Reading(NamedTuple):
    """What an encoding makes of the telling lines."""

    likelihood: float  # nats
    odd: int  # characters that do not belong there
    text: str
    encoding: str


Judge = Callable[[str], tuple[float, int]]


def likely_encodings(data: bytes) -> list[Likely]:
    """The likeliest encodings of `data`, none where nobody can know; only the first of them may be clear."""
    telling = [line.removesuffix(b"\r") for line in data.split(b"\n") if not line.isascii()]
    if b"\0" in data or _is_damaged_utf8(b"\n".join(telling)):
        return []
    while len(telling) > 1 and sum(map(len, telling)) > _LOOKED:
        telling = telling[: len(telling) // 2]
    found = sorted(_read(b"\n".join(telling), len(data) < WHOLE), reverse=True)
    if not found:
        return []
    best, *others = found
    close = [each for each in found if each.likelihood > best.likelihood - _CLOSE][:_SHOWN]
    beyond = len(best.text) - len(best.text.encode("ascii", "ignore"))
    clear = beyond >= _ENOUGH and best.odd <= _ODD * beyond
    clear = clear and all(best.likelihood - each.likelihood > _CLEAR for each in others)
    place = _telling_line([each.text.split("\n") for each in close])
    shown = close[:1] if clear else close
    return [Likely(each.encoding, each.text.split("\n")[place], clear) for each in shown]


def _telling_line(texts: list[list[str]]) -> int:
    """The first line that all read differently; else that of the two likeliest."""
    for some in (texts, texts[:2]):
        for place, lines in enumerate(zip(*some, strict=False)):
            if len(set(lines)) == len(some):
                return place
    return 0


def _read(data: bytes, whole: bool) -> Iterator[Reading]:
    """Each different decoding; what is not `whole` may end within a character."""
    judges: list[tuple[str, Judge]] = [(name, _by_letters) for name in _SINGLE]
    judges += [(name, partial(_by_characters, judge=judge)) for name, judge in _EAST_ASIAN.items()]
    seen = set[str]()
    for name, judge in judges:
        try:
            read = codecs.getincrementaldecoder(name)().decode(data, final=whole)
            text = unicodedata.normalize("NFC", read)
        except UnicodeDecodeError:
            continue
        if text not in seen:
            seen.add(text)
            yield Reading(*judge(text), text, name)


def _by_letters(text: str) -> tuple[float, int]:
    """The likelihood of its words in the language that they fit best, and how many characters are none of its own."""
    plain, mixed, rest = Counter[str](), Counter[str](), 0.0
    for token in _TOKEN.findall(text):
        letters = token.replace("İ", "i")
        rest += _CASE * (sum(map(_wrong_case, letters, letters[1:])) + len(_MISPLACED.findall(letters)))
        (plain if token.isascii() else mixed).update(letters.lower())
    signs = {each: mixed.pop(each) for each in list(mixed) if unicodedata.category(each)[0] not in "LM"}
    rest += sum(n * (_MARK if sign in _PUNCTUATION else _STRANGE) for sign, n in signs.items())
    usual = {letter: sum(chance(language, letter) for language in LATIN) / len(LATIN) for letter in plain}
    costs = {language: sum(n * chance(language, c) for c, n in mixed.items()) for language in (*LATIN, *OTHER)}
    for language in LATIN:
        costs[language] += sum(n * (chance(language, c) - usual[c]) for c, n in plain.items())
    best = max(costs, key=costs.__getitem__)
    odd = sum(n for c, n in mixed.items() if not c.isascii() and chance(best, c) < _RARE)
    return rest + costs[best], odd + sum(n for sign, n in signs.items() if sign not in _PUNCTUATION)


def _wrong_case(letter: str, following: str) -> bool:
    return letter.islower() and following.isupper()


def _by_characters(text: str, judge: Callable[[str], float]) -> tuple[float, int]:
    """The same for a script of many characters; letters of ASCII are no part of its words."""
    mixed = [token for token in _TOKEN.findall(text) if not token.isascii()]
    costs = [judge(character) for token in mixed for character in token if not character.isascii()]
    foreign = sum(character.isascii() for token in mixed for character in token)
    borders = sum(a.isascii() != b.isascii() for token in mixed for a, b in pairwise(token))
    return _ASIAN + sum(costs) + foreign * _FOREIGN + borders * _BORDER, sum(cost < _RARE for cost in costs)


def _level(codec: str, first: int, last: int, character: str) -> float:
    """By its place in a character set: the rows of the common characters come first, in all of them."""
    try:
        code = character.encode(codec)
    except UnicodeEncodeError:
        return -12.0
    return -7.0 if first <= code[0] <= last else -11.0


def _chinese(codec: str, first: int, last: int, usual: str, character: str) -> float:
    if character in usual:
        return -5.5
    return -5.0 if character in "，。、；：？！「」『』《》“”" else _level(codec, first, last, character)


def _japanese(character: str) -> float:
    if "\u3041" <= character <= "\u3096":
        return -4.0
    return (
        -5.0
        if "\u30a1" <= character <= "\u30fc" or character in "、。「」"
        else _level("euc_jp", 0xB0, 0xCF, character)
    )


def _korean(character: str) -> float:
    return -6.0 if "\uac00" <= character <= "\ud7a3" else _level("euc_kr", 0xA1, 0xA1, character)


_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家"
)
_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家"
)
_EAST_ASIAN: dict[str, Callable[[str], float]] = {
    "cp932": _japanese,
    "gb18030": partial(_chinese, "gb2312", 0xB0, 0xD7, _SIMPLIFIED),
    "euc_jp": _japanese,
    "cp949": _korean,
    "big5": partial(_chinese, "big5", 0xA4, 0xC6, _TRADITIONAL),
}


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether more of it is UTF-8 beyond ASCII than is not."""
    text = data.decode("utf-8", "replace")
    faults = text.count("\ufffd")
    return len(text) - len(text.encode("ascii", "ignore")) > 2 * faults
