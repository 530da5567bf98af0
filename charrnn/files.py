"""A file with its final name is whole: the one way this package writes files.

Content goes to a temporary file beside its place, is flushed to disk, renamed over the final name, and the folder is
flushed too, so that neither a killed process nor a power cut can leave half a file under the final name.
"""

import contextlib
import errno
import os
from pathlib import Path

from charrnn.errors import CharrnnError, OutputError, StorageError

TEMPORARY_SUFFIX = ".part"


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all.

    Raises:
        OutputError: the place cannot be written (missing folder, permissions, read-only).
        StorageError: writing began and failed (disk full, quota, hardware); the old file, if any, is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise writing_failed(path, error) from error


def flush_folder(folder: Path) -> None:
    """Make renames and new names inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def writing_failed(path: Path, error: OSError) -> CharrnnError:
    """The error to raise when writing `path` ended in `error`."""
    why = error.strerror or type(error).__name__
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(f"cannot write {path}", why.lower(), "free some space and run the same command again")
    if error.errno in (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENAMETOOLONG,
    ):
        return OutputError(f"cannot create {path}", why.lower(), "choose another place or change its permissions")
    return StorageError(f"cannot write {path}", why.lower(), "check the disk and run the same command again")


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left in `folder`. Only its owner may call this."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        with contextlib.suppress(OSError):
            leftover.unlink()
