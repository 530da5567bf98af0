"""Saving: whole checkpoints of a run while it goes on, whatever the disk does.

A periodic save that fails (full disk, quota) is said, tried again after a while, and training goes on; what was on disk
stays. Only the last save of a session must succeed. What is written claims no more than what is on disk.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from charrnn.checkpoint import Checkpoint, CorpusFacts, Progress
from charrnn.config import RunConfig
from charrnn.errors import CharrnnError, OutputError, StorageError
from charrnn.report.events import Listener, Notice, Saved
from charrnn.text.corpus import Corpus
from charrnn.training.learner import Learner
from charrnn.training.run import Run

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
    saved_at: float = field(default_factory=time.monotonic)
    failures: int = 0  # in a row
    retry_at: float = 0.0

    def save(self, config: RunConfig, progress: Progress, *, must: bool) -> bool:
        """Write the whole run as it stands; returns whether it is on disk.

        Raises:
            StorageError: it `must` be written and cannot be; what was on disk before still is.
        """
        try:
            path = self.run.save(self._checkpoint(config, progress, self.learner.tensors(progress.step)), config.keep)
        except (StorageError, OutputError) as error:
            if must:
                raise StorageError(f"the run is not saved at step {progress.step}", str(error)) from error
            self._warn(progress.step, error)
            return False
        self.failures, self.retry_at, self.saved_at = 0, 0.0, time.monotonic()
        self.emit(Saved(progress.step, str(path)))
        return True

    def save_best(self, config: RunConfig, progress: Progress) -> bool:
        """Write the averaged network as the model to share; returns whether it is on disk."""
        try:
            self.run.save_best(self._checkpoint(config, progress))
        except (StorageError, OutputError) as error:
            self._warn(progress.step, error)
            return False
        return True

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
            ),
            progress=progress.model_copy(),
            weights=self.learner.average_weights(),
            training=training,
            made_with=self.made_with,
            wish=self.wish,
        )
