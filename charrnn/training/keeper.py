"""Saving: whole checkpoints of a run while it goes on, whatever the disk does.

A periodic save that fails (full disk, quota) is said, tried again after a while, and training goes on; what was on disk
stays. Only the last save of a session must succeed. What is written claims no more than what is on disk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from charrnn.config import RunConfig
from charrnn.errors import CharrnnError, OutputError, StorageError
from charrnn.learning.distributed import ALONE, Group
from charrnn.learning.learner import Learner
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.events import Listener, Notice, Saved
from charrnn.runs.folder import Run
from charrnn.runs.own_text import nameless
from charrnn.runs.progress import CorpusFacts, Progress
from charrnn.text.corpus import Corpus

RETRY_SECONDS = (5.0, 10.0, 20.0, 40.0, 60.0)


@dataclass
class Keeper:
    """Writes the checkpoints of one run."""

    run: Run
    corpus: Corpus
    learner: Learner
    emit: Listener
    made_with: dict[str, str] = field(default_factory=dict)
    wish: dict[str, Any] = field(default_factory=dict)
    group: Group = ALONE
    saved_at: float = field(default_factory=time.monotonic)
    failures: int = 0  # in a row
    retry_at: float = 0.0

    def save(self, config: RunConfig, progress: Progress, *, must: bool) -> bool:
        """Write the whole run as it stands; returns whether it is on disk.

        Raises:
            StorageError: it `must` be written and cannot be; what was on disk before still is.
        """
        checkpoint = self._checkpoint(config, progress, self.learner.tensors())
        path = self._write(lambda: self.run.save(checkpoint, config.keep), progress.step, must)
        if path is None:
            return False
        self.failures, self.retry_at, self.saved_at = 0, 0.0, time.monotonic()
        self.emit(Saved(progress.step, str(path)))
        return True

    def save_best(self, config: RunConfig, progress: Progress, *, must: bool = False) -> bool:
        """Write the averaged network as the model to share; returns whether it is on disk."""
        checkpoint = replace(self._checkpoint(nameless(config), progress), wish=None)
        return self._write(lambda: self.run.save_best(checkpoint), progress.step, must) is not None

    def _write(self, write: Callable[[], Path], step: int, must: bool) -> Path | None:
        try:
            return self.group.first(write)
        except (StorageError, OutputError) as error:
            if must:
                raise StorageError(f"the run is not saved at step {step}", str(error)) from error
            self._warn(step, error)
            return None

    def may_try(self) -> bool:
        """Whether enough time has passed since the last failure."""
        return time.monotonic() >= self.retry_at

    def _warn(self, step: int, error: CharrnnError) -> None:
        wait = RETRY_SECONDS[min(self.failures, len(RETRY_SECONDS) - 1)]
        self.failures, self.retry_at = self.failures + 1, time.monotonic() + wait
        self.emit(Notice(step, f"warning: {error}; training goes on, and saving is tried again in {wait:.0f} s"))

    def _checkpoint(self, config: RunConfig, progress: Progress, training: dict[str, Any] | None = None) -> Checkpoint:
        return Checkpoint(
            config=config,
            vocabulary=self.corpus.vocabulary,
            corpus=CorpusFacts(
                fingerprint=self.corpus.fingerprint,
                train_symbols=len(self.corpus.train),
                validation_symbols=len(self.corpus.validation),
                test_symbols=len(self.corpus.test),
            ),
            progress=progress.model_copy(),
            weights=self.learner.average_weights(),
            training=training,
            made_with=self.made_with,
            wish=self.wish,
        )
