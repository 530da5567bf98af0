import errno
import os
from pathlib import Path

import pytest

from charrnn.errors import CharrnnError, OutputError, StorageError
from charrnn.files import append_line, remove_leftovers, write_whole, writing_failed


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


def test_a_temporary_name_that_somebody_made_a_link_is_not_followed(tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    (tmp_path / f".file.{os.getpid()}.part").symlink_to(tmp_path / "diary.txt")
    with pytest.raises(OutputError):
        write_whole(tmp_path / "file", b"content")
    assert (tmp_path / "diary.txt").read_text() == "mine"


def test_what_a_killed_writer_of_the_same_number_left_is_written_over(tmp_path):
    (tmp_path / f".file.{os.getpid()}.part").write_bytes(b"longer than the content")
    write_whole(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert names(tmp_path) == ["file"]


def test_a_disk_that_forgets_is_found_and_the_old_file_stays(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with monkeypatch.context() as forgetful:
        forgetful.setattr(os, "fsync", lambda descriptor: os.pwrite(descriptor, b"X", 0))
        with pytest.raises(StorageError, match="reads back differently") as caught:
            write_whole(path, b"new")
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_files_get_the_permissions_that_the_user_gives_new_files(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "whole", b"content")
        append_line(tmp_path / "grown", b"line\n")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~mask}


@pytest.mark.parametrize("write", [write_whole, append_line])
def test_no_descriptor_is_left_open_by_success_or_failure(tmp_path, monkeypatch, write):
    def opened():
        return len(list(Path("/dev/fd").iterdir()))

    before = opened()
    write(tmp_path / "file", b"content\n")
    assert opened() == before
    monkeypatch.setattr(os, "write", failing(errno.ENOSPC))
    with pytest.raises(StorageError):
        write(tmp_path / "file", b"more\n")
    assert opened() == before


@pytest.mark.parametrize("write", [write_whole, append_line])
def test_content_is_whole_though_the_system_takes_it_in_small_pieces(tmp_path, monkeypatch, write):
    take = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: take(descriptor, content[:3]))
    write(tmp_path / "file", b"0123456789\n")
    assert (tmp_path / "file").read_bytes() == b"0123456789\n"


def test_lines_are_appended_in_order_to_what_is_there_or_to_nothing(tmp_path):
    path = tmp_path / "record"
    append_line(path, b"one\n")
    append_line(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_line_that_does_not_fit_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path, take = tmp_path / "record", os.write
    path.write_bytes(b"one\n")

    def full(descriptor, content):
        if len(content) < 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return take(descriptor, content[:2])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="no space left on device") as caught:
        append_line(path, b"two\n")
    assert caught.value.exit_code == 74
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"one\n"


@pytest.mark.parametrize("place", ["missing/record", "folder", "link", "dangling"])
def test_a_line_is_never_appended_where_no_record_can_be(tmp_path, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "diary.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "diary.txt")
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError) as caught:
        append_line(tmp_path / place, b"line\n")
    assert str(tmp_path / place) in str(caught.value)
    assert (tmp_path / "diary.txt").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "number",
    [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
     errno.ENAMETOOLONG, errno.ELOOP],
    ids=errno.errorcode.get,
)  # fmt: skip
def test_a_place_that_cannot_be_written_needs_another_place(number):
    error = writing_failed(Path("there"), OSError(number, os.strerror(number)))
    assert type(error) is OutputError
    remedy = "choose another place or change its permissions"
    assert str(error) == f"cannot create there; {os.strerror(number).lower()}; {remedy}"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG], ids=errno.errorcode.get)
def test_a_full_disk_needs_space(number):
    error = writing_failed(Path("there"), OSError(number, os.strerror(number)))
    assert (
        str(error)
        == f"cannot write there; {os.strerror(number).lower()}; free some space and run the same command again"
    )


@pytest.mark.parametrize("number", [errno.EIO, errno.ENXIO, errno.ESTALE], ids=errno.errorcode.get)
def test_a_broken_disk_needs_a_check(number):
    error = writing_failed(Path("there"), OSError(number, os.strerror(number)))
    assert (
        str(error)
        == f"cannot write there; {os.strerror(number).lower()}; check the disk and run the same command again"
    )


def test_an_error_without_a_reason_is_called_by_its_kind():
    assert "; timeouterror; " in str(writing_failed(Path("there"), TimeoutError()))


def test_a_leftover_that_cannot_be_removed_does_not_keep_the_others(tmp_path):
    (tmp_path / ".a.1.part").mkdir()
    for name in (".0.1.part", ".b.1.part", ".c.1.part"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".a.1.part"]


@pytest.mark.parametrize(("number", "refused"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_flushed_matters_only_where_the_disk_failed(tmp_path, monkeypatch, number, refused):
    """Some network filesystems know no flushing of folders; a failing disk is another thing."""
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(number, os.strerror(number))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if refused:
        with pytest.raises(StorageError):
            write_whole(tmp_path / "file", b"new")
    else:
        write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
