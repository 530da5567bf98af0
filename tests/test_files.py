import errno
import os
from pathlib import Path

import pytest

from charrnn.errors import CharrnnError, OutputError, StorageError
from charrnn.files import remove_leftovers, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failing(number: int):
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("content", [b"", b"new", b"\r\n\0\xff" * 100_000])
@pytest.mark.parametrize("old", [None, b"old and longer than what is new"])
def test_content_replaces_what_was_there(tmp_path, old, content):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    write_whole(path, content)
    assert path.read_bytes() == content
    assert names(tmp_path) == ["file"]


def test_reader_of_the_old_file_is_not_disturbed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_whole(path, b"new")
        assert reader.read() == b"old"


def test_content_is_flushed_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    path, flushed = tmp_path / "file", []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        flushed.append((os.fstat(descriptor).st_ino, path.exists()))

    monkeypatch.setattr(os, "fsync", watched)
    write_whole(path, b"content")
    assert flushed == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


@pytest.mark.parametrize(
    ("number", "kind", "exit_code"),
    [
        (errno.ENOSPC, StorageError, 74),
        (errno.EDQUOT, StorageError, 74),
        (errno.EFBIG, StorageError, 74),
        (errno.EIO, StorageError, 74),
        (errno.EROFS, OutputError, 73),
        (errno.EACCES, OutputError, 73),
        (errno.EPERM, OutputError, 73),
    ],
)
@pytest.mark.parametrize("old", [None, b"old"])
def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, number, kind, exit_code, old):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(kind, match=os.strerror(number).lower()) as caught:
        write_whole(path, b"new")
    assert caught.value.exit_code == exit_code
    assert str(path) in str(caught.value)
    assert names(tmp_path) == ([] if old is None else ["file"])
    assert old is None or path.read_bytes() == old


def test_killed_writer_leaves_the_old_file_and_a_leftover_that_its_owner_removes(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    (tmp_path / "other.part").touch()  # no name that a writer here would leave

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", kill)
    monkeypatch.setattr(Path, "unlink", kill)  # a killed process cleans nothing up
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    assert len(names(tmp_path)) == 3
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["file", "other.part"]


@pytest.mark.parametrize("place", ["missing/file", "text.txt/file", "x" * 300, "folder"])
def test_place_that_cannot_be_created_is_refused(tmp_path, place):
    (tmp_path / "text.txt").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(CharrnnError) as caught:
        write_whole(tmp_path / place, b"content")
    assert (type(caught.value), caught.value.exit_code) == (OutputError, 73)
    assert names(tmp_path) == ["folder", "text.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission denied"):
        write_whole(tmp_path / "file", b"content")
    tmp_path.chmod(0o700)
