"""What a user names -> the files to read, in a stated order: files as given, folders and patterns sorted.

A folder is walked without what is hidden or was installed there, and without what runs wrote: whatever is trained on
a folder would else find itself there when it goes on. Links to other folders are not followed. What was passed over so
is said. `--glob` and `--exclude` select by a file's name or by its path, in a folder by that below it.
"""

import fnmatch
import glob as globbing
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from charrnn.errors import MissingInputError, SettingsError, unreadable

STDIN = "-"
# Folders that hold what was installed or generated rather than written.
PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})
CHECKPOINTS = "checkpoints"  # the folder of runs, where no other is named
_RUNS = ("best.safetensors", "step-*.safetensors", "*.ids")  # what only a run's folder holds, or one of encoded texts
_RECORDS = ({"config.yaml", "metrics.jsonl"}, {"config.yaml", ".lock"})  # what it holds before anything was saved


def is_folder(name: str) -> bool:
    """Whether `name` is a folder; false for any unusable name."""
    return os.path.isdir(name)  # noqa: PTH112 - Path.is_dir raises for some names


def places(
    argument: str, glob: str | None, exclude: Sequence[str] = (), notices: list[str] | None = None
) -> Iterator[str]:
    """The files that a file, a folder, a pattern or `-` stands for; adds to `notices` which folders were left out.

    Raises:
        MissingInputError: nothing is named, nothing matches, or a folder cannot be read.
    """
    if not argument:
        raise MissingInputError("the name of a text is empty", "perhaps a variable is not set", "name a text file")
    if argument == STDIN or (os.path.lexists(argument) and not is_folder(argument)):
        yield argument
    elif is_folder(argument):
        yield from _walk(Path(argument), glob, exclude, [] if notices is None else notices)
    elif globbing.has_magic(argument):
        yield from _matching(argument, exclude, [] if notices is None else notices)
    else:
        yield argument


def check_selection(arguments: Sequence[str], glob: str | None, exclude: Sequence[str]) -> None:
    """Refuse to select where nothing would be selected from: a file that is named is read.

    Raises:
        SettingsError: there is no folder for `glob`, no folder or pattern for `exclude`, or a file is named that it
            leaves out.
    """
    files = [name for name in arguments if name == STDIN or (os.path.lexists(name) and not is_folder(name))]
    if glob is not None and not any(map(is_folder, arguments)):
        raise SettingsError("`glob` is for folders", "none is named", "leave it out")
    for name in files:
        if any(_matches(name, pattern) for pattern in exclude):
            what, why = f"{name} is named, and `exclude` leaves it out", "perhaps the shell made names of a pattern"
            raise SettingsError(what, why, "put the pattern into quotation marks", "leave one of them out")
    if exclude and len(files) == len(arguments):
        raise SettingsError("`exclude` is for folders and patterns", "none is named", "leave it out")


def _matching(pattern: str, exclude: Sequence[str], notices: list[str]) -> Iterator[str]:
    found = sorted(match for match in globbing.glob(pattern, recursive=True) if Path(match).is_file())  # noqa: PTH207
    kept = [match for match in found if not any(_matches(match, each) for each in exclude)]
    named = {part for part in Path(pattern).parts if not globbing.has_magic(part)}
    runs = {folder: _is_of_runs(folder) for match in kept for folder in Path(match).parents if folder.name not in named}
    others = [match for match in kept if not any(runs.get(folder) for folder in Path(match).parents)]
    if not others:
        why = "what runs wrote is not read" if kept else ""
        raise MissingInputError(f"no file matches {pattern}", why, "check the pattern and the folder")
    notices += _left_out("that runs wrote", [str(folder) for folder, is_run in runs.items() if is_run])
    yield from others


def _walk(folder: Path, glob: str | None, exclude: Sequence[str], notices: list[str]) -> Iterator[str]:
    runs, links = list[str](), list[str]()
    for root, folders, files in os.walk(folder, onerror=unreadable):
        below = [Path(root, name) for name in sorted(folders) if not name.startswith(".") and name not in PASSED_OVER]
        links += [str(path) for path in below if path.is_symlink()]
        written = [path for path in below if not path.is_symlink() and _is_of_runs(path)]
        runs += map(str, written)
        folders[:] = [path.name for path in below if path not in written]
        for name in sorted(files):
            path = Path(root, name)
            below_it = path.relative_to(folder).as_posix()
            if name.startswith(".") or not path.is_file() or not (glob is None or _matches(below_it, glob)):
                continue
            if not any(_matches(below_it, pattern) for pattern in exclude):
                yield str(path)
    notices += _left_out("that runs wrote", runs) + _left_out(
        "behind links, which are read only if they are named", links
    )


def _is_of_runs(folder: Path) -> bool:
    """Whether a folder is that of a run, or of all runs."""
    if folder.name == CHECKPOINTS or any(next(folder.glob(pattern), None) for pattern in _RUNS):
        return True
    return any(all((folder / name).is_file() for name in record) for record in _RECORDS)


def _left_out(what: str, folders: list[str]) -> list[str]:
    count = "1 folder" if len(folders) == 1 else f"{len(folders):,} folders"
    return [f"passed over {count} {what}: {', '.join(folders[:3])}{' ...' * (len(folders) > 3)}"] if folders else []


def _matches(path: str, pattern: str) -> bool:
    return fnmatch.fnmatch(Path(path).name, pattern) or fnmatch.fnmatch(path, pattern)
