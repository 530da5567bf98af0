"""Bytes -> the encoding of Unicode with two or four bytes a character that they are probably in, marked or not.

In such a text what stands between words is everywhere, one way round; the other way round there is hardly any of it.
"""

import unicodedata

_MARKS = (
    *((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32")),
    *((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")),
)
_BETWEEN = frozenset(" \n\r\t.,;:!?'\"-()\u3001\u3002\uff0c\uff1f\u3000")
_SHARE = 0.04  # of a text, at least
_LOOKED = 1 << 14  # bytes


def mark_of(start: bytes) -> str | None:
    """The wide Unicode encoding whose mark a text begins with."""
    return next((wide for mark, wide in _MARKS if start.startswith(mark)), None)


def unmarked_wide(start: bytes) -> str | None:
    """The wide Unicode encoding that a text without a mark is probably in."""
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        cut = start[: min(len(start), _LOOKED) // 4 * 4]
        text = cut.decode(encoding, "replace")
        if text and _is_written(text):
            return encoding
    return None


def _is_written(text: str) -> bool:
    others = [character for character in text if character not in _BETWEEN]
    between = len(text) - len(others)
    no_text = sum(each == "\ufffd" or unicodedata.category(each) in ("Cc", "Cn", "Co", "Cs") for each in others)
    return between >= _SHARE * len(text) and no_text <= 0.01 * len(text)
