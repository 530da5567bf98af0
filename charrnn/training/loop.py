"""The hub: window, loss, step, report, evaluate, save, stop.

The hidden state is carried inside the learner from window to window; a window says where it starts afresh. What is due
at a step (an evaluation, a sample, a save) is done before the next one is made, and recorded as done, so a run that was
stopped anywhere goes on as if it had never stopped. Nothing that watches touches what learns.
"""

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

from charrnn.checkpoint import Checkpoint, CorpusFacts, Progress
from charrnn.config import RunConfig, parse_duration
from charrnn.config_file import write_config_file
from charrnn.errors import DivergedError, StoppedError
from charrnn.report.events import Evaluated, Finished, Listener, Planned, Sampled, Saved, Trained
from charrnn.text.corpus import Corpus
from charrnn.text.lanes import Lanes
from charrnn.training.interruption import Interruption
from charrnn.training.learner import Learner
from charrnn.training.plan import Cost, replan
from charrnn.training.run import CONFIG, Run
from charrnn.training.watch import live_sample, validation_nats

REPORTS = 400  # in a whole run
REPLANS = 8  # in a run with a time limit


@dataclass
class Loop:
    """One session of a run, from where `progress` stands to the last step or the first reason to stop."""

    run: Run
    config: RunConfig
    corpus: Corpus
    learner: Learner
    progress: Progress
    emit: Listener
    interruption: Interruption
    made_with: dict[str, str] = field(default_factory=dict)
    wish: dict[str, Any] = field(default_factory=dict)
    deadline: float | None = None  # on the monotonic clock; None where no --time was given, or on resuming
    cost: Cost | None = None  # as last measured
    saved_at: float = field(default_factory=time.monotonic)
    saved: tuple[int | None, ...] = ()  # what had been done by the newest checkpoint
    clock: float = field(default_factory=time.monotonic)  # when training last began or was reported
    marker: tuple[int, float] = (0, 0.0)  # step and seconds at the last replanning of this session

    @property
    def done(self) -> tuple[int | None, ...]:
        """What a checkpoint written now would hold: the last step, evaluation and sample."""
        return self.progress.step, self.progress.evaluated_step, self.progress.sampled_step

    def go(self) -> None:
        """Run to the end.

        Raises:
            StoppedError: a signal; the run is saved at the step where it stopped.
            DivergedError: the loss is no number any more; the last good checkpoint is whole.
        """
        windows = Lanes(self.corpus.train, self.config.batch_size, self.config.seq_length, self.config.seed)
        self.clock, self.marker = time.monotonic(), (self.progress.step, self.progress.seconds)
        try:
            self._observe()
            while self.progress.step < self.config.steps:
                self.interruption.check()
                self._step(windows)
                self._observe()
        except StoppedError:
            self.save()
            raise
        self.save()
        p = self.progress
        self.emit(Finished(p.step, self.run.path.name, p.seconds, p.epoch, p.validation_nats, p.best_nats, p.best_step))

    def _step(self, windows: Lanes) -> None:
        p = self.progress
        loss, norm = self.learner.step(windows.window(p.step), p.step)
        p.step, p.epoch = p.step + 1, (p.step + 1) / windows.windows
        p.loss_sum, p.loss_count = p.loss_sum + loss.item(), p.loss_count + 1
        if not math.isfinite(p.loss_sum) or not math.isfinite(norm.item()):
            raise DivergedError(
                f"training diverged at step {p.step}",
                f"loss {loss.item():.3g}, gradient norm {norm.item():.3g}",
                "lower --learning-rate; the checkpoints written so far are whole",
            )
        if self._due(max(1, self.config.steps // REPORTS)):
            self._report(norm.item())

    def _report(self, norm: float) -> None:
        p, now = self.progress, time.monotonic()
        elapsed, self.clock = now - self.clock, now
        p.seconds += elapsed
        speed = p.loss_count * self.config.batch_size * self.config.seq_length / max(elapsed, 1e-9)
        rate = self.learner.optimizer.param_groups[0]["lr"]
        self.emit(Trained(p.step, p.epoch, p.loss_sum / p.loss_count, norm, rate, speed, p.seconds))
        p.loss_sum, p.loss_count = 0.0, 0

    def _due(self, every: int) -> bool:
        """Whether something that happens every so many steps happens now: also at the end, but not just before it."""
        step, left = self.progress.step, self.config.steps - self.progress.step
        return step > 0 and (left == 0 or (step % every == 0 and left >= every // 2))

    def _observe(self) -> None:
        """Evaluate, sample and save what is due at this step and was not done."""
        p, began = self.progress, time.monotonic()
        if self._due(self.config.eval_every) and p.evaluated_step != p.step:
            self._evaluate()
        if self._due(self.config.sample_every) and p.sampled_step != p.step:
            self._sample()
        if self._save_due():
            self.save()
        if self.deadline is not None and p.step < self.config.steps and self._due(max(1, self.config.steps // REPLANS)):
            self._replan(self.deadline - time.monotonic())
        self.clock += time.monotonic() - began  # watching is not training

    def _evaluate(self) -> None:
        p, best, began = (
            self.progress,
            True,
            time.monotonic(),
        )  # without a validation part the latest model is the one to share
        if len(self.corpus.validation) > 1:
            nats = validation_nats(self.learner.average, self.corpus, self.interruption.check)
            best, p.validation_nats = p.best_nats is None or nats < p.best_nats, nats
            p.best_nats, p.best_step = (nats, p.step) if best else (p.best_nats, p.best_step)
            self.emit(Evaluated(p.step, nats, nats / math.log(2), best, p.epoch))
        p.evaluated_step = p.step
        if best:
            self.run.save_best(self._checkpoint())
        if self.cost:
            self.cost = replace(self.cost, evaluation=time.monotonic() - began)

    def _replan(self, seconds_left: float) -> None:
        """Fit the rest of the run into the time that is left, at the speed of the last stretch."""
        p, (step, seconds) = self.progress, self.marker
        if self.cost is None or p.seconds <= seconds:
            return
        self.cost = replace(self.cost, step=(p.seconds - seconds) / (p.step - step))
        self.marker = (p.step, p.seconds)
        config = replan(self.config, p.step, self.cost, seconds_left, fixed=self.wish.get("eval_every") is not None)
        if config != self.config:
            self.config = self.learner.config = config
            write_config_file(self.run.path / CONFIG, config)
            self.emit(Planned(p.step, config.steps, (config.steps - p.step) * self.cost.step))

    def _sample(self) -> None:
        p = self.progress
        text = live_sample(self.config, self.learner.average, self.corpus.vocabulary)
        p.sampled_step = p.step
        self.emit(Sampled(p.step, text, p.validation_nats))

    def _save_due(self) -> bool:
        p = self.progress
        if self.saved == self.done:
            return False
        every = self.config.save_every
        by_count = (
            self._due(every) if isinstance(every, int) else time.monotonic() - self.saved_at > parse_duration(every)
        )
        return self.interruption.save_wanted() or by_count or (p.evaluated_step == p.step and p.step > 0)

    def save(self) -> None:
        """Write the whole run as it stands, unless it is on disk already."""
        if self.saved == self.done:
            return
        path = self.run.save(self._checkpoint(self.learner.tensors(self.progress.step)))
        self.saved, self.saved_at = self.done, time.monotonic()
        self.emit(Saved(self.progress.step, str(path)))

    def _checkpoint(self, training: dict[str, Any] | None = None) -> Checkpoint:
        corpus = self.corpus
        facts = CorpusFacts(
            fingerprint=corpus.fingerprint, train_symbols=len(corpus.train), validation_symbols=len(corpus.validation)
        )
        return Checkpoint(
            config=self.config,
            vocabulary=corpus.vocabulary,
            corpus=facts,
            progress=self.progress.model_copy(),
            weights=self.learner.average_weights(),
            training=training,
            made_with=self.made_with,
            wish=self.wish,
        )
