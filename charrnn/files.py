"""A file with its final name is whole: the one way this package writes files.

Content goes to a temporary file beside its place, is flushed to disk, renamed over the final name, and the folder is
flushed too, so that neither a killed process nor a power cut can leave half a file under the final name. What is only
ever appended to (a run's record) is put back to its last whole line when appending fails.

Some file systems (of clusters, of containers, of other systems) cannot flush. That is no failure of a write: whoever
owns a run says once what that means.
"""

import contextlib
import errno
import mmap
import os
from pathlib import Path
from typing import Any

from charrnn.errors import CharrnnError, OutputError, StorageError

TEMPORARY_SUFFIX = ".part"
# Whatever is opened to be written is no link, and its bytes are bytes, where a system makes a difference.
PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
# What a file system answers that has no such operation.
UNSUPPORTED = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL})
_NOT_CREATED = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR),
        *(errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
    }
)


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all, and read it back.

    Raises:
        OutputError: the place cannot be written (missing folder, permissions, read-only).
        StorageError: writing failed (disk full, quota, hardware); what has the final name is whole, old or new.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | PLAIN, 0o666)
        try:
            _write_all(descriptor, content)
            flush(descriptor)
        finally:
            os.close(descriptor)
        if temporary.read_bytes() != content:
            raise StorageError(f"{path} reads back differently from what was written", "", "check the disk")
        os.replace(temporary, path)  # noqa: PTH105 - the primitives stand together, for the tests that fail them
        flush_folder(path.parent)
    except OSError as error:
        raise writing_failed(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def append_line(path: Path, line: bytes) -> None:
    """Append `line` whole, or leave the file as it was; never through a link.

    Raises:
        OutputError, StorageError: nothing was appended.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | PLAIN, 0o666)
        try:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            try:
                _write_all(descriptor, line)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise writing_failed(path, error) from error


def _write_all(descriptor: int, content: bytes) -> None:
    """The operating system may take less than it is given."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def flush(descriptor: int) -> bool:
    """Make what was written durable; returns whether its file system can."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return False
    return True


def lock(descriptor: int, *, wait: bool) -> bool | None:
    """Lock an open file for as long as the process lives; False: another process has it. None: there are no locks."""
    from filelock import lock_descriptor  # a fiftieth of a second, which whoever only reads does not need

    try:
        return lock_descriptor(descriptor, blocking=wait)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return None


def flush_folder(folder: Path) -> None:
    """Make renames and new names inside `folder` durable, where a folder can be flushed."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def writing_failed(path: Path, error: OSError, *more: str) -> CharrnnError:
    """The error to raise when writing `path` ended in `error`; `more` are remedies for what this path is."""
    why = (error.strerror or type(error).__name__).lower()
    if error.errno in _NOT_CREATED:
        return OutputError(f"cannot create {path}", why, "choose another place or change its permissions", *more)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    remedy = "free some space" if full else "check the disk"
    return StorageError(f"cannot write {path}", why, f"{remedy} and run the same command again", *more)


def release(array: Any) -> None:
    """Let go of the pages of a mapped array; any other stays as it is."""
    mapped: Any = getattr(array, "_mmap", None)
    if hasattr(mapped, "madvise"):  # not on Windows
        mapped.madvise(mmap.MADV_DONTNEED)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left in `folder`. Only its owner may call this."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        with contextlib.suppress(OSError):
            leftover.unlink()
