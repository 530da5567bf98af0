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
from charrnn.files import PLAIN, UNSUPPORTED, flush, remove_leftovers, writing_failed

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
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | PLAIN, 0o666)
    except OSError as error:
        raise writing_failed(folder / LOCK, error) from error
    try:
        _take(lock, folder, warn)
        remove_leftovers(folder)
        yield
    finally:
        os.close(lock)


def _take(lock: int, folder: Path, warn: Warn) -> None:
    since = datetime.now().isoformat(" ", "seconds")
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": since}
    try:
        if not _locked(lock, warn):
            raise BusyError(f"another process trains {folder}", _owner(lock), "wait for it or stop it")
        os.ftruncate(lock, 0)
        os.write(lock, b" " + json.dumps(owner).encode())
        if not flush(lock):
            warn("warning: this file system has no fsync: a power cut may lose checkpoints that were just saved")
    except OSError as error:
        raise writing_failed(folder / LOCK, error) from error


def _locked(lock: int, warn: Warn) -> bool:
    """Whether nobody else holds the lock."""
    from filelock import lock_descriptor  # a fiftieth of a second, which whoever only reads does not need

    try:
        return lock_descriptor(lock, blocking=False)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        warn("warning: this file system has no locks: see to it that no other process trains this run")
        return True


def _owner(lock: int) -> str:
    """Who holds the lock, in its own words; the first byte is what is locked, and Windows lets nobody read it."""
    try:
        os.lseek(lock, 1, os.SEEK_SET)
        owner = json.loads(os.read(lock, 1 << 12))
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "its owner is unknown"
