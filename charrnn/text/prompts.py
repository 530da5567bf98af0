"""Files -> prompts: a whole text, its lines, or the rows of a table, read as the model's own text was.

Their bytes become characters by the same codec, a byte order mark is dropped, and a field names the same column. For a
model of bytes they stay what they are.
"""

from collections.abc import Iterator

from charrnn.text.decoding import MARKED, decode
from charrnn.text.fields import Fields, values
from charrnn.text.marks import ANSWER
from charrnn.text.reading import Source, shown, stream_bytes
from charrnn.text.rows import lines_of


def prompt_of(source: Source) -> bytes:
    """The text of the only file of `source`, in UTF-8; for a model of bytes, as it is."""
    return b"".join(map(_utf8, _characters(source, [])))


def prompts_of(source: Source, notices: list[str]) -> Iterator[bytes | None]:
    """The lines of the only file of `source`, or the rows of a table; None says that a pipe makes a pause.

    A line ends with a newline, also after a carriage return; what ends it is no part of it.
    """
    said: list[str] = []
    (name,), records, pieces = source.arguments, source.records, _characters(source, said)
    if isinstance(records, Fields) and (records.only or records.are_in(name)):
        for row in values(shown(name), pieces, [records.field], said):
            yield None if row is None else (row[0] + ANSWER * (records.answer is not None)).encode()
    else:
        for line in lines_of(shown(name), pieces):
            yield None if line is None else _utf8(line).removesuffix(b"\n").removesuffix(b"\r")
    notices += [notice for notice in said if notice != MARKED]


def _characters(source: Source, notices: list[str]) -> "Iterator[str] | Iterator[bytes]":
    (name,) = source.arguments
    chunks = stream_bytes(name)
    if source.unit == "byte":
        return chunks
    return decode(shown(name), chunks, source.how, notices, advise=True)


def _utf8(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
