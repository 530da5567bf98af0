"""What a user names -> the files to read, in a stated order: files as given, folders and patterns sorted.

A folder is walked without what is hidden or was installed there; `--glob` and `--exclude` select by a file's name or by
its path below the folder.
"""

import fnmatch
import glob as globbing
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from charrnn.errors import MissingInputError, unreadable

STDIN = "-"
# Folders that hold what was installed or generated rather than written.
PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})


def is_folder(name: str) -> bool:
    """Whether `name` is a folder; false for any unusable name."""
    return os.path.isdir(name)  # noqa: PTH112 - Path.is_dir raises for some names


def places(argument: str, glob: str | None, exclude: Sequence[str] = ()) -> Iterator[str]:
    """The files that a file, a folder, a pattern or `-` stands for.

    Raises:
        MissingInputError: nothing is named, nothing matches, or a folder cannot be read.
    """
    if not argument:
        raise MissingInputError("the name of a text is empty", "perhaps a variable is not set", "name a text file")
    if argument == STDIN or (os.path.lexists(argument) and not is_folder(argument)):
        yield argument
    elif is_folder(argument):
        yield from _walk(Path(argument), glob, exclude)
    elif globbing.has_magic(argument):
        found = sorted(match for match in globbing.glob(argument, recursive=True) if Path(match).is_file())  # noqa: PTH207
        kept = [match for match in found if not any(fnmatch.fnmatch(match, pattern) for pattern in exclude)]
        if not kept:
            raise MissingInputError(f"no file matches {argument}", "", "check the pattern and the folder")
        yield from kept
    else:
        yield argument


def _walk(folder: Path, glob: str | None, exclude: Sequence[str]) -> Iterator[str]:
    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in PASSED_OVER)
        for name in sorted(files):
            path = Path(root, name)
            if name.startswith(".") or not path.is_file() or not (glob is None or _matches(path, folder, glob)):
                continue
            if not any(_matches(path, folder, pattern) for pattern in exclude):
                yield str(path)


def _matches(path: Path, folder: Path, pattern: str) -> bool:
    return fnmatch.fnmatch(path.name, pattern) or fnmatch.fnmatch(path.relative_to(folder).as_posix(), pattern)
