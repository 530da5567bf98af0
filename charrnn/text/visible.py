"""Text -> text that is safe to show: whatever could steer or mislead a terminal is written out, as in `\\x1b`.

That is every control character but newline and tab, bidirectional controls, invisible characters, lone surrogates, and
what is no character. Nothing from a text, a model or a file name is shown to a person in another form. A joiner (or
non-joiner) between letters or emoji steers nothing: Persian, Devanagari and families of emoji are written with it.
"""

import re
import unicodedata

# C0 but tab and newline, DEL and C1, zero-width and bidirectional controls, separators, marks, what XML forbids.
_HIDDEN = [*range(9), *range(11, 32), *range(127, 160), 0xAD, 0x61C, 0x200B, *range(0x200E, 0x2010)]
_HIDDEN += [*range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF, 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)]
_VISIBLE = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _HIDDEN}
JOINERS = ("\u200c", "\u200d")
_JOINER = re.compile("[\u200c\u200d]")
_ARROWS = range(0x2190, 0x2200)  # signs of mathematics, and parts of emoji
_SKINS = range(0x1F3FB, 0x1F400)


def visible(text: str, before: str = "", after: str = "") -> str:
    """`text` with everything that could steer a terminal written out; `before` and `after` are its neighbours."""

    def written(found: re.Match[str]) -> str:
        place = len(before) + found.start()
        joins = _is_joined(around[place - 1 : place]) and _is_joined(around[place + 1 : place + 2])
        return found[0] if joins else f"\\u{ord(found[0]):04x}"

    around = before + text + after
    return _JOINER.sub(written, text).translate(_VISIBLE)


class VisibleStream:
    """The same for a text that comes in pieces: a joiner waits for what it joins."""

    def __init__(self) -> None:
        self.before = self.waiting = ""

    def shown(self, piece: str, *, final: bool = False) -> str:
        """What can be shown with this piece; all, with the `final` one."""
        text = self.waiting + piece
        cut = len(text) - (text.endswith(JOINERS) and not final)
        text, self.waiting = text[:cut], text[cut:]
        found = visible(text, self.before, self.waiting)
        self.before = text[-1:] or self.before
        return found


def _is_joined(character: str) -> bool:
    """Whether it is a letter, a mark on one, or an emoji; nothing is none."""
    if not character:
        return False
    category, code = unicodedata.category(character), ord(character)
    return category[0] in "LM" or category == "So" or code in _ARROWS or code in _SKINS
