"""The hub: window, loss, step, report, evaluate, save, stop.

The hidden state is carried inside the learner from window to window; a window says where it starts afresh. What is due
at a step (an evaluation, a sample, a save) is done before the next one is made, and recorded as done, so a run that was
stopped anywhere goes on as if it had never stopped. Nothing that watches touches what learns.
"""

import math
import shlex
import time
from dataclasses import dataclass, field, replace

from torch import Tensor

from charrnn.config import RunConfig, parse_duration
from charrnn.config_file import CONFIG, write_config_file
from charrnn.errors import DivergedError, EndedEarlyError, OutputError, StorageError
from charrnn.learning.distributed import Group
from charrnn.learning.learner import Learner
from charrnn.learning.watch import live_sample, validate
from charrnn.runs.checkpoint import Arrays
from charrnn.runs.events import Evaluated, Finished, Listener, Notice, Planned, RolledBack, Sampled, Trained
from charrnn.runs.folder import Run
from charrnn.runs.progress import Progress
from charrnn.text.batches import RecordBatches, windows_of
from charrnn.text.corpus import Corpus
from charrnn.text.lanes import Lanes
from charrnn.training import overfitting
from charrnn.training.interruption import Interruption
from charrnn.training.keeper import Keeper
from charrnn.training.pace import Pace, told

REPORTS, REPORT_STEPS = 400, 100  # so many in a run, but never further apart than so many steps
ROLLBACKS = 3  # in a whole run
SPIKE, NOISE = 2.0, 0.5  # times the loss reported before, and at least so many nats more: worth a warning, never more


@dataclass
class Loop:
    """One session of a run, from where `progress` stands to the last step or the first reason to stop."""

    run: Run
    config: RunConfig
    corpus: Corpus
    learner: Learner
    progress: Progress
    keeper: Keeper
    emit: Listener
    interruption: Interruption
    group: Group
    pace: Pace = field(default_factory=Pace)
    first_weights: Arrays | None = None  # of another model, where the run started from one
    saved: tuple[int | None, ...] = ()  # what had been done by the newest checkpoint
    clock: float = field(default_factory=time.monotonic)  # when training last began or was reported
    windows: Lanes | RecordBatches = field(init=False)
    pending: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # losses and norms not looked at yet

    @property
    def done(self) -> tuple[int | None, ...]:
        """What a checkpoint written now would hold: the last step, evaluation and sample."""
        return self.progress.step, self.progress.evaluated_step, self.progress.sampled_step

    def go(self) -> None:
        """Run to the end.

        Raises:
            EndedEarlyError: a signal, or the time is over; the run is saved at the step where it stopped.
            DivergedError: the loss is no number any more, again and again; the last good checkpoint is whole.
            StorageError: the last save failed; the checkpoint before it is whole.
        """
        c = self.config
        self.windows = windows_of(self.corpus.train, self.corpus.vocabulary, c.batch_size, c.seq_length, c.seed)
        self.clock = time.monotonic()
        self.pace.back_to(self.progress.step, self.progress.seconds)
        while True:
            try:
                self._learn()
                break
            except DivergedError as error:
                self._roll_back(error)
            except EndedEarlyError:
                self._leave()
                raise
        self._save(must=True)
        p = self.progress
        self.emit(Finished(p.step, self.run.path.name, p.seconds, p.epoch, p.validation_nats, p.best_nats, p.best_step))

    def _learn(self) -> None:
        windows = self.windows
        self._observe()
        while self.progress.step < self.config.steps:
            self.interruption.check(self.group.agree)
            p = self.progress
            self.pending.append(self.learner.step(windows.window(p.step), p.step))
            p.step, p.epoch = p.step + 1, (p.step + 1) / windows.windows
            if self._due(min(REPORT_STEPS, max(1, self.config.steps // REPORTS))):
                self._report()
            elif self.learner.device.type == "cpu":  # elsewhere looking would wait for the device at every step
                self._settle()
            self._observe()
        if self.progress.evaluated_step != self.progress.step:
            self._evaluate(again=True)

    def _leave(self) -> None:
        try:
            self._settle()
        except DivergedError:
            return  # what is on disk is the last good state
        self._save(must=True)
        again = f"the same command with `name={shlex.quote(self.run.path.name)}` `resume=True` continues the run"
        self.emit(Notice(self.progress.step, f"saved at step {self.progress.step}; {again}"))

    def _settle(self) -> float:
        """Look at the losses of the steps made since the last look; returns the last gradient norm."""
        p, last = self.progress, math.nan
        for loss, norm in self.pending:
            value, last = loss.item(), norm.item()
            if not math.isfinite(value) or not math.isfinite(last):
                what = f"training diverged by step {p.step}"
                remedy = "lower `learning_rate`; the checkpoints written so far are intact"
                raise DivergedError(what, f"loss {value:.3g}, gradient norm {last:.3g}", remedy)
            p.loss_sum, p.loss_count = p.loss_sum + value, p.loss_count + 1
        self.pending.clear()
        return last

    def _report(self) -> None:
        norm, p, now = self._settle(), self.progress, time.monotonic()
        elapsed, self.clock = now - self.clock, now
        p.seconds += elapsed
        loss, read = p.loss_sum / p.loss_count, p.loss_count * self.windows.symbols / self.windows.windows
        rate = self.learner.rate
        self.corpus.release()
        self.emit(Trained(p.step, p.epoch, loss, norm, rate, read / max(elapsed, 1e-9), p.seconds))
        if p.last_loss is not None and loss > max(SPIKE * p.last_loss, p.last_loss + NOISE):
            jumped = f"warning: the loss jumped from {p.last_loss:.3f} to {loss:.3f}; training goes on"
            self.emit(Notice(p.step, jumped))
        p.loss_sum, p.loss_count, p.last_loss = 0.0, 0, loss

    def _roll_back(self, error: DivergedError) -> None:
        """Back to the last good state with half the learning rate; at most ROLLBACKS times."""
        p, self.pending = self.progress, []
        if p.rollbacks >= ROLLBACKS:
            raise error
        good = self.group.first(lambda: self.run.newest_good(lambda text: self.emit(Notice(p.step, text))))
        then = {"learning_rate": good.config.learning_rate, "raised": good.config.raised} if good else {"raised": []}
        config = self.config.model_copy(update=then)
        halved = 0.5 ** (p.rollbacks + 1 - (good.progress.rollbacks if good else p.rollbacks))
        self.use(config.model_copy(update={"learning_rate": config.learning_rate * halved}))
        if good is not None and good.training is not None:
            self.learner.restore(good.training, good.weights, good.progress.step)
            self.progress = good.progress
        else:
            self.learner.begin(self.first_weights)
            self.progress = Progress()
        back, back.rollbacks = self.progress, p.rollbacks + 1
        self.pace.back_to(back.step, back.seconds)
        self.saved = ()
        watched = (back.evaluated_step, back.sampled_step, back.rollbacks)
        self.emit(RolledBack(back.step, p.step, self.config.learning_rate, str(error), *watched))
        self._save(must=False)  # so that a resumed run knows of it

    def use(self, config: RunConfig) -> None:
        """Go on with `config`, which the run's folder shows from now on."""
        self.config = self.learner.config = config
        try:
            self.group.first(lambda: write_config_file(self.run.path / CONFIG, config))
        except (StorageError, OutputError) as error:
            self.emit(Notice(self.progress.step, f"warning: {error}; training goes on"))

    def _due(self, every: int) -> bool:
        """Whether something that happens every so many steps happens now: also at the end, but not just before it."""
        step, left = self.progress.step, self.config.steps - self.progress.step
        return step > 0 and (left == 0 or (step % every == 0 and left >= every // 2))

    def _observe(self) -> None:
        """Evaluate, sample and save what is due at this step and was not done."""
        p, began = self.progress, time.monotonic()
        if self._due(self.config.eval_every) and p.evaluated_step != p.step:
            self._settle()
            self._evaluate()
        if self._due(self.config.sample_every) and p.sampled_step != p.step:
            self._sample()
        if self._save_due():
            self._settle()
            self._save(must=False)
        if self.pace.due(p.step, self.config.steps, self.group):
            self._replan(p.seconds + began - self.clock)
        self.clock += time.monotonic() - began  # watching is not training

    def _evaluate(self, *, again: bool = False) -> None:
        """Score the averaged network and share it if it is the best; without its model on disk a score does not count.

        `again` is the last chance of the last evaluation, whose model must be written now.
        """
        p, began = self.progress, time.monotonic()
        before, best, last = (p.evaluated_step, p.best_nats, p.best_step, p.stale), True, p.validation_nats
        if len(self.corpus.validation) > 1:  # without a validation part the latest model is the one to share
            poll = self.interruption.check if self.group.size == 1 else lambda: None  # all leave together, or none
            nats, temperature = validate(self.learner.average, self.corpus, self.group, poll)
            best, p.validation_nats, p.temperature = p.best_nats is None or nats < p.best_nats, nats, temperature
            p.best_nats, p.best_step, p.stale = (nats, p.step, 0) if best else (p.best_nats, p.best_step, p.stale + 1)
            if not again:
                self.emit(Evaluated(p.step, nats, nats / math.log(2), temperature, best, p.epoch))
        p.evaluated_step = p.step
        if best and not self.keeper.save_best(self.config, p, must=again):
            p.evaluated_step, p.best_nats, p.best_step, p.stale = before
        if self.pace.cost:
            self.pace.cost = replace(self.pace.cost, evaluation=time.monotonic() - began)
        if overfitting.noticed(self.config, p, last, len(self.corpus.validation)):
            self.use(overfitting.raised(self.config, p.step))
            self.emit(Notice(p.step, overfitting.told(self.config, p)))
        if self.config.patience is not None and p.stale >= self.config.patience and p.step < self.config.steps:
            self.pace.deadline = None  # whatever is left of it
            self.use(self.config.model_copy(update={"steps": p.step}))
            told = f"stopped early: {p.stale} evaluations without a better score than that of step {p.best_step:,}"
            self.emit(Notice(p.step, told))

    def _replan(self, seconds: float) -> None:
        """Fit the rest of the run into the time that is left."""
        step, config = self.progress.step, self.pace.planned(self.config, self.progress.step, seconds, self.group)
        if config != self.config and self.pace.cost:
            if notice := told(self.config, config):
                self.emit(Notice(step, notice))
            self.use(config)
            self.emit(Planned(step, config.steps, (config.steps - step) * self.pace.cost.step))

    def _sample(self) -> None:
        p = self.progress
        p.sampled_step = p.step
        if self.group.rank == 0:
            text = live_sample(self.config, self.learner.average, self.corpus, p.temperature)
            self.emit(Sampled(p.step, text, p.validation_nats, p.epoch))

    def _save_due(self) -> bool:
        return bool(self.group.agree(self._save_wanted())[0])

    def _save_wanted(self) -> bool:
        wanted, p, every = self.interruption.save_wanted(), self.progress, self.config.save_every
        if self.saved == self.done or not (wanted or self.keeper.may_try()):
            return False
        if isinstance(every, int):
            regular = self._due(every)
        else:
            regular = time.monotonic() - self.keeper.saved_at > parse_duration(every)
        return wanted or regular or self.keeper.failures > 0 or (p.evaluated_step == p.step and p.step > 0)

    def _save(self, *, must: bool) -> None:
        """Write the whole run as it stands, unless it is on disk already."""
        if self.saved != self.done and self.keeper.save(self.config, self.progress, must=must):
            self.saved = self.done
