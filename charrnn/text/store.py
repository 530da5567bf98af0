"""Ids of large texts on disk: written whole, verified, mapped; and texts that can be read only once, kept for a second.

    KEY.ids       the ids, one after the other, in the vocabulary's own type
    KEY.part      the same on its way, or damaged; it stays when the making is interrupted, and the next one goes on
    KEY.sha256    the digest of KEY.ids; written last

The key is a digest of the text and of everything that the ids depend on: whoever learns the same text finds the same
file, and a text that has changed has another one. Going on believes nothing of what is there: the ids are made again
from their beginning, which a text that is to be verified costs anyhow, and written where they are not there already.
Nothing here is precious; the folder may be deleted at any time.
"""

import codecs
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from charrnn.errors import DataError
from charrnn.files import PLAIN, UNSUPPORTED, flush, flush_folder, lock, write_whole, writing_failed

_PIECE = 1 << 20
_ELSEWHERE = "name another folder for it with `cache`"


def stored(
    folder: Path, key: str, dtype: npt.DTypeLike, count: int, pieces: Callable[[], Iterable[bytes]]
) -> npt.NDArray[Any]:
    """The ids (or other rows) called `key`, mapped; made from `pieces` where they are not there whole.

    One process makes them, others wait.

    Raises:
        OutputError, StorageError: the cache cannot be written; what was written is there for another attempt.
    """
    place, mark = folder / f"{key}.ids", folder / f"{key}.sha256"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{key}.lock").open("w") as file:
            part = place.with_suffix(".part" if lock(file.fileno(), wait=True) else f".{os.getpid()}.part")
            if not _is_whole(place, mark, count * np.dtype(dtype).itemsize):
                write_whole(mark, _made(place, part, pieces()).encode())
    except OSError as error:
        raise writing_failed(folder, error, _ELSEWHERE) from error
    try:
        return np.memmap(place, dtype=dtype, mode="r", shape=(count,))
    except OSError as error:
        if error.errno not in UNSUPPORTED | {errno.ENODEV}:
            raise writing_failed(folder, error, _ELSEWHERE) from error
        return np.fromfile(place, dtype=dtype, count=count)  # some file systems cannot map


def _is_whole(place: Path, mark: Path, size: int) -> bool:
    if not (place.is_file() and mark.is_file() and place.stat().st_size == size):
        return False
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().encode() == mark.read_bytes()


def _made(place: Path, part: Path, pieces: Iterable[bytes]) -> str:
    """Make the file `place` of `pieces`, going on from what is there or in `part`; returns its SHA-256."""
    if place.exists():
        place.replace(part)
    with open(os.open(part, os.O_RDWR | os.O_CREAT | PLAIN, 0o666), "r+b") as file:  # noqa: PTH123
        try:
            digest = _brought_to(file, pieces)
        except DataError:  # the text has another key from now on: nobody would go on from here
            part.unlink()
            raise
        file.flush()
        flush(file.fileno())
    part.replace(place)
    flush_folder(place.parent)
    return digest


def _brought_to(file: BinaryIO, pieces: Iterable[bytes]) -> str:
    """Make `file` hold `pieces` and nothing else, writing only those that it does not hold; returns its SHA-256."""
    digest, end = hashlib.sha256(), 0
    for piece in pieces:
        if file.read(len(piece)) != piece:
            file.seek(end)
            file.write(piece)
        digest.update(piece)
        end += len(piece)
    file.truncate(end)
    return digest.hexdigest()


@contextmanager
def kept(pieces: Iterable[bytes], folder: Path) -> Iterator[Path]:
    """A file in the cache with what can be read only once, for as long as the block lasts."""
    place = folder / f"stdin.{os.getpid()}"
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | PLAIN, 0o600), "wb") as file:  # noqa: PTH123
                file.writelines(pieces)
        except OSError as error:
            raise writing_failed(folder, error, _ELSEWHERE) from error
        yield place
    finally:
        with suppress(OSError):
            place.unlink()


class Spool:
    """A text from a pipe, kept as UTF-8 (or bytes) in an unnamed file of the cache to be read again."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the survey
        except OSError as error:
            raise writing_failed(folder, error, _ELSEWHERE) from error
        self.place = folder

    def write(self, pieces: Iterable[bytes]) -> None:
        """Append to the text."""
        try:
            for piece in pieces:
                self.file.write(piece)
        except OSError as error:
            raise writing_failed(self.place, error, _ELSEWHERE) from error

    def read(self, unit: str) -> Iterator[str | bytes]:
        """The whole text."""
        self.file.seek(0)
        pieces = iter(lambda: self.file.read(_PIECE), b"")
        return pieces if unit == "byte" else codecs.iterdecode(pieces, "utf-8")

    def close(self) -> None:
        """Drop it."""
        self.file.close()
