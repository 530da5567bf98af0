"""What a file is by its first bytes, whatever it is called: one that is compressed is read, a document is named.

A document (a PDF, an archive, a picture) holds no text as it lies there; the error names what it is and what gets its
text out.
"""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from charrnn.errors import DataError
from charrnn.text.wide import mark_of, unmarked_wide

Opener = Callable[..., Any]
COMPRESSED: dict[str, Opener] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_BEGINS: tuple[tuple[bytes, Opener], ...] = (
    (b"\x1f\x8b\x08", gzip.open),
    *((b"BZh%d1AY&SY" % level, bz2.open) for level in range(1, 10)),
    (b"\xfd7zXZ\0", lzma.open),
)
BEGINNING = 512  # bytes, which tell what a file is
_ENOUGH = 10  # bytes that tell the compression

_RECORDING = "a program for speech such as whisper writes it down"
_PICTURE = "an OCR program such as tesseract extracts its text"
# What a document begins with, what it is, and what extracts its text.
_DOCUMENTS: tuple[tuple[bytes, str, str], ...] = (
    *((mark, "a PDF", "pdftotext extracts its text") for mark in (b"%PDF-1", b"%PDF-2")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document", "libreoffice --convert-to txt extracts its text"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x unpacks it"),
    (b"Rar!\x1a\x07", "a RAR archive", "unrar x unpacks it"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard", "zstd -d unpacks it"),
    (b"\x04\x22\x4d\x18", "compressed by LZ4", "lz4 -d unpacks it"),
    (b"LZIP\x01", "compressed by lzip", "lzip -d unpacks it"),
    (b"\x5d\0\0", "compressed by LZMA", "xz --format=lzma -d unpacks it"),
    (b"\x1f\x9d", "compressed by compress", "gzip -d unpacks it"),
    (b"{\\rtf", "an RTF document", "pandoc -t plain extracts its text"),
    (b"%!PS-Adobe", "a PostScript document", "ps2ascii extracts its text"),
    (b"SQLite format 3\0", "an SQLite database", "sqlite3 -csv FILE 'select ...' writes a column out"),
    (b"PAR1\x15", "a Parquet table", "write the column out as CSV first"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture", _PICTURE),
    (b"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    *((mark, "a TIFF picture", _PICTURE) for mark in (b"II*\0", b"MM\0*")),
    *((mark, "a recording", _RECORDING) for mark in (b"ID3\3\0", b"ID3\4\0", b"OggS\0\2", b"fLaC\0\0")),
    (b"\x93NUMPY", "an array of NumPy's", "write its text out first"),
    (b"\x89HDF\r\n", "an HDF5 file", "write its text out first"),
    (b"AT&TFORM\0", "a DjVu document", "djvutxt extracts its text"),
    (b"\x7fELF", "a program", "name a text"),
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer", "git lfs pull fetches what it stands for"),
)
_PLACED = (  # the same, behind so many bytes
    (8, b"WAVEfmt ", "a recording", _RECORDING),
    (257, b"ustar", "a tar archive", "tar -xf unpacks it; then name the folder"),
    (60, b"BOOKMOBI", "a Kindle book", "ebook-convert extracts its text"),
)
_ZIPPED = (  # what a zip archive holds, and what it is therefore
    (b"application/epub+zip", "an EPUB book", "pandoc -t plain extracts its text"),
    (b"application/vnd.oasis.opendocument", "an OpenDocument file", "pandoc -t plain extracts its text"),
    (b"word/", "a Word document (docx)", "pandoc -t plain extracts its text"),
    (b"xl/", "an Excel workbook (xlsx)", "save the sheet as CSV first"),
    (b"data.pkl", "a file of PyTorch's", "charrnn reads only models that it has written"),
    (b"ppt/", "a PowerPoint presentation (pptx)", "save it as text first"),
    (b"", "a zip archive", "unzip unpacks it; then name the folder"),
)


def unpacked(file: BinaryIO) -> BinaryIO:
    """`file`, decompressed if its first bytes say that it is compressed."""
    peek = getattr(file, "peek", None)
    first = peek(_ENOUGH)[:_ENOUGH] if peek is not None else b""
    opener = next((opener for begins, opener in _BEGINS if first.startswith(begins)), None)
    return file if opener is None else opener(file, "rb")


def document(start: bytes) -> tuple[str, str] | None:
    """What a file is that holds no text as it lies there, by how it begins, and what gets its text out."""
    for begins, what, remedy in _DOCUMENTS:
        if start.startswith(begins):
            return what, remedy
    for place, mark, what, remedy in _PLACED:
        if start.startswith(mark, place):
            return what, remedy
    if start.startswith(b"PK\x03\x04"):
        return next((what, remedy) for mark, what, remedy in _ZIPPED if mark in start)
    return None


def kind(path: Path) -> tuple[str, str] | None:
    """What a file that should be a model is instead, and what to do about it: a document, or a text."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(BEGINNING)
    is_text = start and (min(start) >= ord("\t") or mark_of(start) or unmarked_wide(start))
    return document(start) or (("a text", "name the model before `text`") if is_text else None)


def check_document(name: str, start: bytes) -> None:
    """Refuse what holds no text by how it begins.

    Raises:
        DataError: naming what it is.
    """
    found = document(start)
    if found is not None:
        raise DataError(f"{name} is {found[0]}", "it cannot be read as text", found[1])
