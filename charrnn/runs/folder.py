"""A run's folder: its name, its checkpoints, and which of them is the newest good one.

    checkpoints/sonnets/
      config.yaml  metrics.jsonl  samples.txt  best.safetensors  step-00000400.safetensors  step-00000800.safetensors

The newest good checkpoint is computed, never pointed to: the folder is read and the newest file that verifies is taken.
Nothing that somebody else made is ever deleted or overwritten; only the owner of the lock writes. No torch here.
"""

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from charrnn.errors import CharrnnError, DataError, MissingInputError, OutputError, SettingsError
from charrnn.files import writing_failed
from charrnn.runs.checkpoint import SUFFIX, Checkpoint, read_checkpoint, write_checkpoint
from charrnn.runs.owner import owned

BEST = f"best{SUFFIX}"
_STEP = re.compile(r"step-(\d{8,})\.safetensors")


class Run:
    """One run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether anything has that name."""
        return os.path.lexists(self.path)

    def steps(self) -> list[tuple[int, Path]]:
        """Resumable checkpoints, newest first."""
        matches = [(_STEP.fullmatch(path.name), path) for path in self.path.glob(f"step-*{SUFFIX}")]
        return sorted(((int(match[1]), path) for match, path in matches if match), reverse=True)

    def newest_good(self, warn: Callable[[str], None]) -> Checkpoint | None:
        """The newest checkpoint that verifies, naming those passed over; None where none was ever written.

        Raises:
            DataError: there are checkpoints, and all of them are damaged.
        """
        found = self.steps()
        for step, path in found:
            try:
                checkpoint = read_checkpoint(path, training=True)
                if checkpoint.progress.step == step:
                    return checkpoint
                warn(f"skipped a checkpoint: {path} is really of step {checkpoint.progress.step}")
            except CharrnnError as error:
                warn(f"skipped a checkpoint: {error}")
        if found:
            raise DataError(f"no checkpoint in {self.path} is intact", "", "restore one, or train under another name")
        return None

    def save(self, checkpoint: Checkpoint, keep: int = 2) -> Path:
        """Write a resumable checkpoint, then drop all but it and the `keep` - 1 before."""
        step = checkpoint.progress.step
        path = self.path / f"step-{step:08d}{SUFFIX}"
        write_checkpoint(path, checkpoint)
        for _, old in [found for found in self.steps() if found[0] < step][keep - 1 :]:
            with contextlib.suppress(OSError):
                old.unlink()
        return path

    def save_best(self, checkpoint: Checkpoint) -> Path:
        """Write `best.safetensors`, the model alone."""
        write_checkpoint(self.path / BEST, checkpoint)
        return self.path / BEST

    def model(self) -> Path | None:
        """The file to sample from: the best model, else the newest checkpoint."""
        best = self.path / BEST
        return best if os.path.lexists(best) else next((path for _, path in self.steps()), None)

    def owned(self, warn: Callable[[str], None]) -> contextlib.AbstractContextManager[None]:
        """Own the folder for as long as a block lasts: see `owner.py`."""
        return owned(self.path, warn)


def run_folder(checkpoints: Path, name: str | None, *, stem: str, resume: bool) -> Run:
    """The folder for a training run called `name`, or after `stem` when no name was given.

    Raises:
        SettingsError: the name is not one plain folder name.
        OutputError: the name was given and is taken.
    """
    if name is None:
        plain = re.sub(r"[^\w.+-]+", "-", stem).encode()[:90].decode(errors="ignore").strip(".-")
        return Run(checkpoints / (plain or "run"))
    if not _plain(name):
        raise SettingsError(
            f"{name!r} cannot be the name of a run", "", "give one folder name of at most 100 characters"
        )
    run = Run(checkpoints / name)
    if run.exists() and not resume:
        raise _taken(run)
    return run


def claimed(run: Run, *, given: bool, resume: bool = False) -> Run:
    """A folder that nobody else had: `run`'s own, or if its name was not given and is taken, with -2, -3 behind it.

    Raises:
        OutputError: the name was given and is taken, or the folder cannot be created.
    """
    try:
        run.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_failed(run.path.parent, error) from error
    for number in range(1, 10_001):
        path = run.path if number == 1 else run.path.with_name(f"{run.path.name}-{number}")
        try:
            path.mkdir()
        except FileExistsError as error:
            if resume:
                return run  # somebody else was faster; whose it is, the lock will say
            if given:
                raise _taken(run) from error
        except OSError as error:
            raise writing_failed(path, error) from error
        else:
            return Run(path)
    raise OutputError(f"{run.path} and 9,999 numbered ones are taken", "", "choose another `name`")


def _taken(run: Run) -> OutputError:
    what = f"the run {run.path.name} exists in {run.path.parent}"
    return OutputError(what, "", "choose another `name`", "continue it with `resume=True`")


def _plain(name: str) -> bool:
    """Whether `name` stays inside the checkpoints folder and reads as one name everywhere."""
    plain = 0 < len(name) <= 100 and name.isprintable() and name[0] not in ".-" and not set(name) & set("/\\")
    return plain and len(name.encode()) <= 200


def find_model(argument: str | None, checkpoints: Path) -> Path:
    """The checkpoint file that a file, a run's folder, a run's name, or nothing at all (the newest run) stands for.

    A file or a folder that holds no checkpoint does not hide the run of its name, which a text of that name gave it.

    Raises:
        MissingInputError: there is none.
    """
    if argument is None:
        return _newest(checkpoints)
    places = [place for place in (Path(argument), checkpoints / argument) if os.path.lexists(place)]
    for place in places:
        model = Run(place).model() if os.path.isdir(place) else place  # noqa: PTH112 - false for any unusable name
        if model is not None and _may_be_checkpoint(model):
            return model
    if not places:
        remedy = f"name a {SUFFIX} file, a run's folder, or a run in {checkpoints}"
        raise MissingInputError(f"no model is called {argument}", "", remedy)
    if os.path.isdir(places[0]):  # noqa: PTH112
        raise MissingInputError(f"no checkpoint in {places[0]}", "", "train there first, or name another run")
    return places[0]


def _may_be_checkpoint(path: Path) -> bool:
    """Whether a file is called a checkpoint, or begins as one: with the length of a header, and the header."""
    if path.suffix == SUFFIX:
        return True
    try:
        if not path.is_file():  # to open a pipe would wait for its writer
            return False
        with path.open("rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError:
        return False


def _newest(checkpoints: Path) -> Path:
    try:
        files = [path for path in checkpoints.glob(f"*/*{SUFFIX}") if not path.name.startswith(".")]
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise MissingInputError(f"cannot read {checkpoints}", why, "check `checkpoints`") from error
    if not files:
        raise MissingInputError(f"no model in {checkpoints}", "", "train one: charrnn train corpus.txt")
    newest = max(files, key=_age)
    return Run(newest.parent).model() or newest


def _age(path: Path) -> int:
    """When a file was last written; one that its owner has just dropped counts as oldest."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
