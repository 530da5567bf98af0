"""A stream -> its bytes as they come, with an empty piece where nothing comes for a while.

So whoever answers piece by piece need not wait for the end of a slow pipe; whoever needs the whole text may pass over
empty pieces. A file, or a pipe that is written as fast as it can be, has none.
"""

import select
from collections.abc import Iterator
from typing import BinaryIO

PAUSE = 0.2  # seconds without a byte; a pipe that is written as fast as it can be has no such pause


def as_it_comes(file: BinaryIO, most: int) -> Iterator[bytes]:
    """The content of `file` in pieces of at most `most` bytes, with an empty one where it makes a pause."""
    read = getattr(file, "read1", file.read)
    while True:
        if not _comes(file):
            yield b""
        piece = read(most)
        if not piece:
            return
        yield piece


def _comes(file: BinaryIO) -> bool:
    """Whether there is something to read before the pause is over; true for what cannot be asked."""
    try:
        return bool(select.select([file], [], [], PAUSE)[0])
    except (OSError, ValueError):  # no descriptor; on Windows only sockets can be asked
        return True
