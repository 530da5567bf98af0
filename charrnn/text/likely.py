"""Bytes that are not UTF-8 -> the encoding that they are probably in, or none where nobody can know.

The judge is charset-normalizer. It is asked about few encodings only, those that old texts are met in, and shown only
the lines that are not plain ASCII: among plain lines and a hundred encodings it takes Chinese for Polish (measured).
What it names decodes everything that it was shown.
"""

# Of encodings that it finds equally likely, the first one here: the most common.
_CANDIDATES = (
    *("cp1252", "cp1251", "cp932", "gb18030", "euc_jp", "cp949", "big5", "cp1250", "iso8859_2", "koi8_r", "koi8_u"),
    *("cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp850", "cp437", "cp866", "mac_roman"),
)
_ENOUGH = 16  # bytes beyond ASCII, where no language is recognised


def likely_encoding(data: bytes) -> str | None:
    """The probable encoding of `data`, by the name of its codec; whatever ends the search early, there is none."""
    *lines, last = data.split(b"\n")  # the last line may end within a character
    telling = b"\n".join([line for line in lines if not line.isascii()] or [last])
    if b"\0" in telling or _is_damaged_utf8(telling):
        return None
    try:
        from charset_normalizer import from_bytes

        matches = from_bytes(telling, cp_isolation=list(_CANDIDATES))
    except Exception:  # an answer that is only advice may not hide what it is asked about
        return None
    best = matches.best()
    if best is None or not (best.coherence or sum(byte > 127 for byte in telling) >= _ENOUGH):
        return None
    equal = [match for match in matches if (match.chaos, match.coherence) == (best.chaos, best.coherence)]
    names = {name for match in equal for name in match.could_be_from_charset}
    return next((name for name in _CANDIDATES if name in names), None)


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether more of it is UTF-8 beyond ASCII than is not."""
    text = data.decode("utf-8", "replace")
    faults = text.count("\ufffd")
    return len(text) - len(text.encode("ascii", "ignore")) > 2 * faults
