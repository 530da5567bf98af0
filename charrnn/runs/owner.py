"""One owner for a run's folder, by a lock that dies with its process and says whose it is.

A file system without locks, or without fsync, is warned of, and used.
"""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from charrnn.errors import BusyError
from charrnn.files import PLAIN, flush, lock, remove_leftovers, writing_failed

LOCK = ".lock"
Warn = Callable[[str], None]


@contextlib.contextmanager
def owned(folder: Path, warn: Warn) -> Iterator[None]:
    """Own `folder` for as long as the block lasts, or the process lives; `warn` of what its file system cannot do.

    Raises:
        BusyError: another process owns it; names host, process and since when.
        OutputError: the folder cannot be written to.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | PLAIN, 0o666)
    except OSError as error:
        raise writing_failed(folder / LOCK, error) from error
    try:
        _take(descriptor, folder, warn)
        remove_leftovers(folder)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path, warn: Warn) -> None:
    since = datetime.now().isoformat(" ", "seconds")
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": since}
    try:
        locked = lock(descriptor, wait=False)
        if locked is None:
            warn("warning: this file system has no locks: see to it that no other process trains this run")
        elif not locked:
            raise BusyError(f"another process trains {folder}", _owner(descriptor), "wait for it or stop it")
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b" " + json.dumps(owner).encode())
        if not flush(descriptor):
            warn("warning: this file system has no fsync: a power cut may lose checkpoints that were just saved")
    except OSError as error:
        raise writing_failed(folder / LOCK, error) from error


def _owner(descriptor: int) -> str:
    """Who holds the lock, in its own words; the first byte is what is locked, and Windows lets nobody read it."""
    try:
        os.lseek(descriptor, 1, os.SEEK_SET)
        owner = json.loads(os.read(descriptor, 1 << 12))
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "its owner is unknown"
