"""A file is what its first bytes say, whatever it is called."""

import bz2
import gzip
import io
import lzma
import sqlite3
import tarfile
import zipfile

import pytest

from charrnn.errors import DataError
from charrnn.text.reading import Source, stream_text

TEXT = "Shall I compare thee\n" * 50


def read(*places, **settings):
    return "".join(stream_text(Source(tuple(map(str, places)), **settings), []))


def zipped(**entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def tarred():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = len(TEXT)
        archive.addfile(entry, io.BytesIO(TEXT.encode()))
    return out.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file_by_another_name_is_read(tmp_path, monkeypatch, pack):
    (tmp_path / "poem.txt").write_bytes(pack(TEXT.encode()) + pack(TEXT.encode()))
    assert read(tmp_path / "poem.txt") == 2 * TEXT
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(pack(TEXT.encode())))))
    assert read("-") == TEXT


def test_for_a_model_of_bytes_it_stays_what_it_is(tmp_path):
    data = gzip.compress(TEXT.encode())
    (tmp_path / "poem").write_bytes(data)
    assert b"".join(stream_text(Source((str(tmp_path / "poem"),), unit="byte"), [])) == data


@pytest.mark.parametrize(
    ("content", "what", "tool"),
    [
        (b"%PDF-1.4\n1 0 obj\n", "a PDF", "pdftotext"),
        (zipped(a=TEXT), "a zip archive", "unzip"),
        (zipped(word__document=TEXT), "a Word document", "pandoc"),
        (zipped(xl__workbook=TEXT), "an Excel workbook", "CSV"),
        (zipped(mimetype="application/epub+zip", a=TEXT), "an EPUB book", "pandoc"),
        (zipped(mimetype="application/vnd.oasis.opendocument.text"), "an OpenDocument file", "pandoc"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", "7z x"),
        (b"Rar!\x1a\x07\1\0", "a RAR archive", "unrar"),
        (b"\x28\xb5\x2f\xfd\4", "compressed by Zstandard", "zstd -d"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG picture", "tesseract"),
        (b"\xff\xd8\xff\xe0\0", "a JPEG picture", "tesseract"),
        (b"{\\rtf1\\ansi hello}", "an RTF document", "pandoc"),
        (b"%!PS-Adobe-3.0\n", "a PostScript document", "ps2ascii"),
        (b"RIFF\x24\0\0\0WAVEfmt \x10", "a recording", "speech"),
        (b"OggS\0\2\0\0", "a recording", "speech"),
        (b"\x93NUMPY\1\0", "an array of NumPy's", "text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "a Git LFS pointer", "git lfs pull"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document", "libreoffice"),
        (tarred(), "a tar archive", "tar -xf"),
        (gzip.compress(tarred()), "a tar archive", "tar -xf"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_document_is_named_for_what_it_is(tmp_path, content, what, tool):
    (tmp_path / "poem.txt").write_bytes(content)
    for encoding in ("utf-8", "latin-1"):
        source = Source((str(tmp_path / "poem.txt"),))
        with pytest.raises(DataError, match=f"poem.txt is {what}.*{tool}"):
            list(stream_text(source if encoding == "utf-8" else Source(source.arguments), []))


def test_a_database_is_named(tmp_path):
    with sqlite3.connect(tmp_path / "a.txt") as database:
        database.execute("create table t (text)")
    database.close()
    with pytest.raises(DataError, match=r"SQLite.*sqlite3"):
        read(tmp_path / "a.txt")


def test_a_folder_passes_over_documents(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt").write_bytes(b"%PDF-1.4\n")
    assert read(tmp_path) == TEXT


@pytest.mark.parametrize("text", ["PK is a name\n", "%PDF is a format\n", "BZhang wrote\n", "7z x a.7z\n", "GIF89a\n"])
def test_a_text_about_documents_is_a_text(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    assert read(tmp_path / "a.txt") == text
