"""Text -> text that is safe to show: whatever could steer or mislead a terminal is written out, as in `\\x1b`.

That is every control character but newline and tab, bidirectional controls, invisible characters, lone surrogates, and
what is no character. Nothing from a text, a model or a file name is shown to a person in another form.
"""

# C0 but tab and newline, DEL and C1, zero-width and bidirectional controls, separators, marks, what XML forbids.
_HIDDEN = [*range(9), *range(11, 32), *range(127, 160), 0xAD, 0x61C, *range(0x200B, 0x2010), *range(0x2028, 0x202F)]
_HIDDEN += [*range(0x2060, 0x2070), 0xFEFF, 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)]
_VISIBLE = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _HIDDEN}


def visible(text: str) -> str:
    """`text` with everything that could steer a terminal written out."""
    return text.translate(_VISIBLE)
