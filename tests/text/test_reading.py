import bz2
import gzip
import io
import lzma
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import CharrnnError, DataError, MissingInputError, SettingsError
from charrnn.text.decoding import Decoding, decode
from charrnn.text.packed import document
from charrnn.text.reading import Source, stream_text

MARK = "\ufeff"
few = settings(max_examples=50, deadline=None)


def tree(folder: Path, files: dict[str, str | bytes]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder)


def read(*arguments: str | Path, **options: object) -> str | bytes:
    return read_saying(*arguments, **options)[0]


def read_saying(
    *arguments: str | Path, unit: str = "char", glob: str | None = None, exclude: tuple[str, ...] = (), **how: str
) -> tuple[str | bytes, list[str]]:
    """The text, and what was said about it."""
    notices: list[str] = []
    source = Source(tuple(map(str, arguments)), unit, Decoding(**how), glob, exclude)
    parts = list(stream_text(source, notices))
    return (b"" if unit == "byte" else "").join(parts), notices


def refusal(kind: type[CharrnnError], *arguments: str | Path, unit: str = "char", **options: str) -> str:
    with pytest.raises(kind) as caught:
        read(*arguments, unit=unit, **options)
    return str(caught.value)


@few
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32-be", "utf-7"])
def test_decoding_gives_back_what_was_encoded(encoding, text):
    text = text.removeprefix("\ufeff")
    data = text.encode(encoding)
    for size in (1, 3, 1 << 20):
        chunks = (data[start : start + size] for start in range(0, len(data), size))
        assert "".join(decode("a file", chunks, Decoding(encoding))) == text


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_no_newline_is_translated(tmp_path, unit):
    lines = "dos\r\nold mac\runix\n\u2028\x85\x0b\x0cend"
    tree(tmp_path, {"a.txt": lines})
    assert read(tmp_path / "a.txt", unit=unit) == (lines if unit == "char" else lines.encode())


def test_texts_are_joined_in_the_order_given(tmp_path):
    tree(tmp_path, {"a": "first", "b": "second"})
    text = read_saying(str(tmp_path / "b"), str(tmp_path / "a"), str(tmp_path / "b"), unit="char")
    assert text == ("secondfirstsecond", [])


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_dash_is_standard_input(monkeypatch, tmp_path, unit):
    tree(tmp_path, {"a": "file "})
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("piped é\r\n".encode())))
    content = read(tmp_path / "a", "-", unit=unit)
    assert content == ("file piped é\r\n" if unit == "char" else "file piped é\r\n".encode())


# Byte order marks


@pytest.mark.parametrize(
    ("files", "content", "notices"),
    [
        ({"a": "plain"}, "plain", []),
        ({"a": MARK + "one", "b": "two"}, "onetwo", ["dropped the byte order mark of 1 file"]),
        ({"a": MARK + "one", "b": MARK + "two"}, "onetwo", ["dropped the byte order mark of 2 files"]),
        ({"a": f"in{MARK}side", "b": MARK * 2}, f"in{MARK}side{MARK}", ["dropped the byte order mark of 1 file"]),
    ],
)
def test_byte_order_mark_is_dropped_and_said(tmp_path, files, content, notices):
    text = read_saying(tree(tmp_path, files), unit="char")
    assert text == (content, notices)


def test_byte_unit_keeps_the_bytes_of_a_byte_order_mark(tmp_path):
    tree(tmp_path, {"a": MARK + "one"})
    text = read_saying(str(tmp_path / "a"), unit="byte")
    assert text == (b"\xef\xbb\xbfone", [])


# Encodings


def test_undecodable_byte_is_refused_with_file_line_and_offset(tmp_path):
    tree(tmp_path, {"a.txt": b"one\ntwo \xe9\n"})
    message = refusal(DataError, tmp_path / "a.txt")
    assert f"{tmp_path / 'a.txt'}, line 2: byte 0xe9 at offset 8 is not utf-8" in message
    assert DataError.exit_code == 65


def test_offset_is_counted_in_bytes(tmp_path):
    tree(tmp_path, {"a.txt": "€€".encode() + b"\xff"})
    assert "line 1: byte 0xff at offset 6" in refusal(DataError, tmp_path / "a.txt")


def test_right_encoding_reads_what_the_wrong_one_refused(tmp_path):
    tree(tmp_path, {"a.txt": b"caf\xe9"})
    assert read(tmp_path / "a.txt", encoding="latin-1") == "café"


@pytest.mark.parametrize("order", ["", "-le", "-be"])
@pytest.mark.parametrize("codec", ["utf-16", "utf-32"])
def test_a_mark_of_a_wide_encoding_is_heeded_and_said(tmp_path, codec, order):
    tree(tmp_path, {"a.txt": (MARK * bool(order) + "wide é\n").encode(codec + order)})
    text, notices = read_saying(tmp_path / "a.txt")
    assert text == "wide é\n"
    assert notices == [f"read {tmp_path / 'a.txt'} as {codec}: it begins with its mark"]


@pytest.mark.parametrize(("errors", "text"), [("replace", "caf\ufffd!"), ("ignore", "caf!")])
def test_undecodable_bytes_are_replaced_or_left_out_on_request(tmp_path, errors, text):
    tree(tmp_path, {"a.txt": b"caf\xe9!"})
    assert read(tmp_path / "a.txt", errors=errors) == text


@few
@given(text=st.text("a\r\n\u00e9", max_size=40), size=st.integers(1, 5))
def test_newlines_become_line_feeds_whatever_a_border_cuts(text, size):
    data = text.encode()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    assert "".join(decode("a file", chunks, Decoding(newlines="lf"))) == expected


def test_newlines_of_bytes_stay_what_they_are(tmp_path):
    tree(tmp_path, {"a.txt": "a\r\n"})
    assert "`newlines=lf` needs characters" in refusal(SettingsError, tmp_path / "a.txt", unit="byte", newlines="lf")


@few
@given(content=st.binary(max_size=60), bad=st.integers(0, 60), size=st.integers(1, 7))
def test_a_bad_byte_is_found_at_its_place_whatever_a_border_cuts(content, bad, size):
    """What Python's own decoder of the whole finds."""
    data = content.replace(b"\0", b"")[:bad] + b"\xff" + content.replace(b"\0", b"")[bad:]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or document(data):
        return
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    with pytest.raises(UnicodeDecodeError) as whole:
        data.decode()
    with pytest.raises(DataError) as caught:
        list(decode("a file", chunks, Decoding()))
    line = data.count(b"\n", 0, whole.value.start) + 1
    assert f"line {line}: byte 0x{data[whole.value.start]:02x} at offset {whole.value.start} " in str(caught.value)


# Compressed files


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
@pytest.mark.parametrize("unit", ["char", "byte"])
def test_compressed_files_are_read_as_what_they_hold(tmp_path, suffix, pack, unit):
    text = "plain é\n" * 1000
    tree(tmp_path, {f"a.txt.{suffix}": pack(text.encode())})
    assert read(tmp_path / f"a.txt.{suffix}", unit=unit) == (text if unit == "char" else text.encode())


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-9], lambda data: b"no archive", lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:]],
)
def test_a_damaged_archive_is_refused(tmp_path, suffix, pack, damage):
    tree(tmp_path, {f"a.{suffix}": damage(pack(os.urandom(1000)))})
    assert "cannot decompress" in refusal(DataError, tmp_path / f"a.{suffix}", unit="byte")


@pytest.mark.parametrize("name", ["", "utf-9", "rot13", "base64", "utf\0", "ä", "undefined"])
def test_name_that_is_no_text_encoding_is_refused_before_reading(name):
    assert repr(name) in refusal(SettingsError, "no such file", encoding=name)
    assert SettingsError.exit_code == 2


def test_binary_file_is_refused(tmp_path):
    tree(tmp_path, {"a.bin": b"text\0text"})
    message = refusal(DataError, tmp_path / "a.bin")
    assert "is a binary file" in message
    assert "NUL at character 4" in message
    assert "`unit=byte`" in message


@few
@given(data=st.binary())
def test_byte_unit_reads_every_file(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    assert read(path, unit="byte") == data


# Folders


def test_folder_is_read_in_sorted_order(tmp_path):
    names = ["b.txt", "a.txt", "Z.txt", "sub/d.txt", "sub/c.txt", "another/e.txt"]
    tree(tmp_path, {name: f"{name} " for name in names})
    assert read(tmp_path) == "Z.txt a.txt b.txt another/e.txt sub/c.txt sub/d.txt "


def test_hidden_and_installed_files_are_passed_over(tmp_path):
    passed = [".hidden", ".git/config", "__pycache__/a.txt", "lib/site-packages/b.py", "node_modules/c.js"]
    text = read_saying(tree(tmp_path, {"kept.txt": "kept"} | dict.fromkeys(passed, "passed over")), unit="char")
    assert text == ("kept", [])


@pytest.mark.parametrize(
    ("glob", "content"),
    [("*.py", "ab"), ("a*", "ad"), ("sub/*", "db"), ("sub/*.txt", "d"), ("[!a]*.py", "b"), ("*", "acdb")],
)
def test_pattern_selects_by_name_or_by_path_below_the_folder(tmp_path, glob, content):
    tree(tmp_path, {"a.py": "a", "c.md": "c", "sub/b.py": "b", "sub/a.txt": "d"})
    assert read(tmp_path, glob=glob) == content


@pytest.mark.parametrize(
    ("exclude", "content"), [((), "acdb"), (("*.py",), "cd"), (("a*", "*.md"), "b"), (("sub/*",), "ac")]
)
def test_files_of_a_folder_are_left_out_by_name_or_path(tmp_path, exclude, content):
    tree(tmp_path, {"a.py": "a", "c.md": "c", "sub/b.py": "b", "sub/a.txt": "d"})
    assert read(tmp_path, exclude=exclude) == content


@pytest.mark.parametrize(("exclude", "content"), [(("a*", "*.md"), "b"), (("*/sub/*",), "ac")])
def test_files_of_a_pattern_are_left_out_by_name_or_path(tmp_path, exclude, content):
    tree(tmp_path, {"a.py": "a", "c.md": "c", "sub/b.py": "b", "sub/a.txt": "d"})
    assert read(tmp_path / "**", exclude=exclude) == content


@pytest.mark.parametrize("junk", [b"\0\1\2", b"caf\xe9 \0", b"\xff\xfea\0\0"])
@pytest.mark.parametrize("glob", [None, "*"])
@pytest.mark.parametrize("unit", ["char", "byte"])
def test_folder_passes_over_what_is_not_text_and_says_so(tmp_path, unit, glob, junk):
    folder = tree(tmp_path, {"a.txt": "text", "b.bin": junk, "c.bin": junk})
    text = read_saying(folder, unit=unit, glob=glob)
    assert text[0] == ("text" if unit == "char" else b"text")
    assert len(text[1]) == 1
    assert "passed over 2 files" in text[1][0]
    assert str(tmp_path / "b.bin") in text[1][0]


def test_named_file_is_refused_where_its_folder_passes_over_it(tmp_path):
    folder = tree(tmp_path, {"a.txt": "text", "b.txt": b"\xff"})
    assert read(folder) == "text"
    for argument in (tmp_path / "b.txt", tmp_path / "*.txt"):
        assert "b.txt, line 1" in refusal(DataError, argument)


@pytest.mark.parametrize(
    ("files", "glob"), [({}, None), ({"a.bin": b"\0"}, None), ({".hidden": "x"}, None), ({"a.txt": "x"}, "*.py")]
)
def test_folder_without_text_is_refused(tmp_path, files, glob):
    with pytest.raises(DataError, match="no text in") as caught:
        read(tree(tmp_path, files), glob=glob)
    assert str(tmp_path) in str(caught.value)


def test_folder_without_text_is_refused_even_beside_a_text(tmp_path):
    tree(tmp_path, {"a.txt": "text", "empty/.hidden": "x"})
    assert "empty" in refusal(DataError, tmp_path / "a.txt", tmp_path / "empty")


def test_fifo_and_dangling_link_inside_a_folder_are_passed_over(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert read(tree(tmp_path, {"a.txt": "text"})) == "text"


@pytest.mark.parametrize("pattern", ["", "*.txt"])
def test_a_file_that_vanishes_before_its_turn_is_passed_over_or_refused(tmp_path, pattern):
    """A folder is what it holds when it is read; what a pattern matched was named."""
    tree(tmp_path, {"a.txt": "a", "b.txt": "b"})
    pieces = stream_text(Source((str(tmp_path / pattern),)), [])
    assert next(pieces) == "a"
    (tmp_path / "b.txt").unlink()
    if pattern:
        with pytest.raises(MissingInputError, match=r"b\.txt; no such file"):
            "".join(pieces)
    else:
        assert "".join(pieces) == ""


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end(tmp_path):
    tree(tmp_path, {"a.txt": "x" * (1 << 20)})
    pieces = stream_text(Source((str(tmp_path / "a.txt"),)), [])
    read = len(next(pieces))
    with (tmp_path / "a.txt").open("a") as file:
        file.write("more")
    assert read + len("".join(pieces)) == (1 << 20) + len("more")


@pytest.mark.parametrize("data", [b"two\n\xff", b"\0"])
def test_standard_input_is_called_by_its_name(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert refusal(DataError, "-").startswith("standard input")


def test_unexpanded_pattern_is_expanded_in_sorted_order(tmp_path):
    tree(tmp_path, {"b.txt": "b", "a.txt": "a", "c.md": "c", "sub/d.txt": "d", "folder.txt/e": "e"})
    assert read(tmp_path / "*.txt") == "ab"
    assert read(tmp_path / "**" / "*.txt") == "abd"


def test_existing_file_named_like_a_pattern_is_that_file(tmp_path):
    tree(tmp_path, {"a[1].txt": "itself", "a1.txt": "its match"})
    assert read(tmp_path / "a[1].txt") == "itself"


def test_pattern_without_a_match_is_refused(tmp_path):
    assert "no file matches" in refusal(MissingInputError, tmp_path / "*.txt")


@pytest.mark.parametrize("name", ["fifo", "fifo[1]"])
def test_fifo_is_read_to_its_end(tmp_path, name):
    fifo = tmp_path / name
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(b"streamed",), daemon=True)
    writer.start()
    assert read(fifo) == "streamed"
    writer.join()


def test_device_is_refused():
    assert "neither a file nor a folder" in refusal(MissingInputError, os.devnull)


@pytest.mark.parametrize("name", ["missing.txt", "file.txt/below", "a\0b", pytest.param("x" * 300, id="too-long")])
def test_missing_input_is_refused(tmp_path, name):
    tree(tmp_path, {"file.txt": "text"})
    refusal(MissingInputError, str(tmp_path) + "/" + name)
    assert MissingInputError.exit_code == 66


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("locked", ["folder/file.txt", "folder"])
@pytest.mark.parametrize("named", ["folder/file.txt", "folder"])
def test_unreadable_input_is_refused(tmp_path, locked, named):
    tree(tmp_path, {"folder/file.txt": "text"})
    (tmp_path / locked).chmod(0)
    try:
        refusal(MissingInputError, tmp_path / named)
    finally:
        (tmp_path / "folder").chmod(0o700)
