"""Saving goes on whatever the disk does, and claims no more than what is on disk."""

import errno
import os
from types import SimpleNamespace

import pytest

from charrnn.config import RunConfig, Wish
from charrnn.errors import OutputError, StorageError
from charrnn.learning.learner import Learner
from charrnn.planning.preparation import Request
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.runs.events import Finished, Notice, Saved
from charrnn.runs.folder import BEST, Run
from charrnn.runs.progress import Progress
from charrnn.text.corpus import build_corpus
from charrnn.training import keeper as keeper_module
from charrnn.training.interruption import Interruption
from charrnn.training.keeper import RETRY_SECONDS, Keeper
from charrnn.training.session import opened

CONFIG = RunConfig(
    layers=1, hidden=4, embedding=3, dropout=0.0, corpus=["poem.txt"], validation_fraction=0.1, batch_size=2,
    seq_length=3, steps=10, learning_rate=0.01, warmup=0, eval_every=5, save_every="5m", sample_every=5, device="cpu",
    precision="float32", threads=1, weight_drop=0.0, dropout_start=1.0,
)  # fmt: skip


class Disk:
    """A disk that refuses every write as long as `error` is set."""

    def __init__(self, monkeypatch):
        self.error, self.fsync = None, os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, descriptor):
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        self.fsync(descriptor)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.fixture
def clock(monkeypatch):
    """The keeper's clock, moved by hand, on a machine that has just been started."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(keeper_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def events():
    return []


@pytest.fixture
def keeper(tmp_path, events, clock):
    corpus = build_corpus("hello world " * 10)
    learner = Learner(CONFIG, len(corpus.vocabulary))
    return Keeper(Run(tmp_path), corpus, learner, events.append, {"torch": "2"}, {"steps": 10}, saved_at=clock.now)


def save(keeper, step, *, must=False, **changes):
    return keeper.save(CONFIG.model_copy(update=changes), Progress(step=step), must=must)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_save_holds_the_whole_run_and_is_told(keeper, tmp_path, events, clock):
    clock.now += 7
    assert save(keeper, 3)
    path = tmp_path / "step-00000003.safetensors"
    found = read_checkpoint(path, training=True)
    assert events == [Saved(3, str(path))]
    assert keeper.saved_at == clock.now
    assert (found.config, found.progress, found.vocabulary) == (CONFIG, Progress(step=3), keeper.corpus.vocabulary)
    assert (found.made_with, found.wish) == ({"torch": "2"}, {"steps": 10})
    assert (found.corpus.train_symbols, found.corpus.validation_symbols) == (108, 12)
    assert found.corpus.fingerprint == keeper.corpus.fingerprint
    assert {name: array.tobytes() for name, array in found.training.items()} == {
        name: array.tobytes() for name, array in keeper.learner.tensors().items()
    }


def test_the_best_model_is_written_alone(keeper, tmp_path, events):
    assert keeper.save_best(CONFIG, Progress(step=3, best_nats=1.5, best_step=3))
    found = read_checkpoint(tmp_path / BEST)
    assert not found.resumable
    assert found.progress == Progress(step=3, best_nats=1.5, best_step=3)
    assert {name: array.tobytes() for name, array in found.weights.items()} == {
        name: array.tobytes() for name, array in keeper.learner.average_weights().items()
    }
    assert names(tmp_path) == [BEST]
    assert events == []


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_as_many_checkpoints_are_kept_as_were_asked_for(keeper, tmp_path, keep):
    for step in range(1, 6):
        assert save(keeper, step, keep=keep)
    assert names(tmp_path) == [f"step-{step:08d}.safetensors" for step in range(6 - keep, 6)]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_periodic_save_that_fails_is_said_and_leaves_what_was_there(keeper, tmp_path, disk, events, number):
    assert save(keeper, 1, keep=1)
    before = (tmp_path / "step-00000001.safetensors").read_bytes()
    disk.error = number
    assert save(keeper, 2, keep=1) is False
    assert names(tmp_path) == ["step-00000001.safetensors"]
    assert (tmp_path / "step-00000001.safetensors").read_bytes() == before
    (notice,) = events[1:]
    assert (type(notice), notice.step) == (Notice, 2)
    assert notice.text.startswith("warning: cannot ")
    assert str(tmp_path / "step-00000002.safetensors") in notice.text
    assert os.strerror(number).lower() in notice.text
    assert "training goes on, and saving is tried again in 5 s" in notice.text


def test_the_waits_between_tries_grow_to_a_minute_and_stay_there(keeper, disk, clock, events):
    disk.error, waits = errno.ENOSPC, []
    for _ in range(7):
        assert keeper.may_try()
        failed_at = clock.now
        assert not save(keeper, 1)
        while not keeper.may_try():
            clock.now += 0.5
        waits.append(clock.now - failed_at)
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    assert waits[:5] == list(RETRY_SECONDS)
    assert [event.text.rpartition(" in ")[2] for event in events] == [f"{wait:.0f} s" for wait in waits]
    assert keeper.failures == 7


def test_after_a_success_the_next_failure_waits_as_short_as_the_first(keeper, disk, clock):
    disk.error = errno.ENOSPC
    assert not save(keeper, 1)
    assert not save(keeper, 1)
    disk.error = None
    assert save(keeper, 2)
    assert keeper.failures == 0
    assert keeper.may_try()
    disk.error = errno.ENOSPC
    assert not save(keeper, 3)
    clock.now += 5
    assert keeper.may_try()


def test_a_failed_save_does_not_count_as_the_last_one(keeper, disk, clock):
    assert save(keeper, 1)
    saved_at = clock.now
    clock.now += 60
    disk.error = errno.ENOSPC
    assert not save(keeper, 2)
    assert keeper.saved_at == saved_at


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_save_that_must_succeed_and_cannot_is_an_error_naming_step_and_path(keeper, tmp_path, disk, events, number):
    assert save(keeper, 1, keep=1)
    disk.error = number
    with pytest.raises(StorageError, match="the run is not saved at step 2") as caught:
        save(keeper, 2, must=True, keep=1)
    assert caught.value.exit_code == 74
    assert str(tmp_path / "step-00000002.safetensors") in str(caught.value)
    assert names(tmp_path) == ["step-00000001.safetensors"]
    assert len(events) == 1
    assert keeper.failures == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_best_model_that_cannot_be_written_is_said_and_leaves_the_one_before(keeper, tmp_path, disk, events, number):
    assert keeper.save_best(CONFIG, Progress(step=1))
    disk.error = number
    assert keeper.save_best(CONFIG, Progress(step=2)) is False
    assert read_checkpoint(tmp_path / BEST).progress.step == 1
    assert [type(event) for event in events] == [Notice]
    assert str(tmp_path / BEST) in events[0].text
    assert not keeper.may_try()


def test_a_run_can_be_saved_at_once_when_nothing_failed_yet(tmp_path, clock):
    keeper = Keeper(Run(tmp_path), None, None, pytest.fail)
    assert keeper.may_try()
    assert (keeper.failures, keeper.made_with, keeper.wish) == (0, {}, {})


class Failing:
    """Calls `real`, except for the calls numbered in `refused`, which raise `error`."""

    def __init__(self, real, refused, error):
        self.real, self.refused, self.error, self.calls = real, refused, error, 0

    def __call__(self, *arguments):
        self.calls += 1
        if self.calls in self.refused:
            raise self.error
        return self.real(*arguments)


@pytest.fixture
def train(tmp_path, monkeypatch):
    """One whole run `r` of 12 steps with four evaluations, which tells `listener` what happens."""
    (tmp_path / "poem.txt").write_text("the quick brown fox jumps over the lazy dog; " * 12)
    monkeypatch.setattr(keeper_module, "RETRY_SECONDS", (0.0,))
    wish = Wish()
    settings = {"hidden": 8, "embedding": 4, "batch_size": 2, "seq_length": 8, "steps": 12, "eval_every": 3}
    wish.add(settings | {"save_every": 1, "precision": "float32", "corpus": [str(tmp_path / "poem.txt")]}, "flag")

    def train(listener):
        with opened(Request(wish, tmp_path, "r"), listener, Interruption()) as loop:
            loop.go()

    return train


@pytest.mark.parametrize("error", [StorageError("full"), OutputError("read-only")], ids=lambda error: str(error))
@pytest.mark.parametrize("refused", [{1}, {2}, {2, 3}], ids=str)
def test_no_checkpoint_claims_a_best_model_that_is_not_on_disk(tmp_path, train, monkeypatch, refused, error):
    failing, compared = Failing(Run.save_best, refused, error), []
    monkeypatch.setattr(Run, "save_best", lambda run, checkpoint: failing(run, checkpoint))

    def compare(event):
        if isinstance(event, Saved):
            claim = read_checkpoint(tmp_path / "r" / f"step-{event.step:08d}.safetensors").progress
            best = tmp_path / "r" / BEST
            held = read_checkpoint(best).progress if best.exists() else Progress()
            assert (claim.best_nats, claim.best_step) == (held.best_nats, held.best_step)
            compared.append(event.step)

    train(compare)
    assert failing.calls >= max(refused)  # each evaluation was better than what is on disk
    assert compared == list(range(1, 13))


def test_a_run_whose_last_best_model_cannot_be_written_ends_in_an_error(tmp_path, train, monkeypatch):
    failing = Failing(Run.save_best, {4, 5}, StorageError("cannot write it"))
    monkeypatch.setattr(Run, "save_best", lambda run, checkpoint: failing(run, checkpoint))
    with pytest.raises(StorageError, match="cannot write it"):
        train(lambda event: None)
    assert read_checkpoint(tmp_path / "r" / BEST).progress.best_step == 9


def test_a_run_goes_on_while_the_disk_is_full_and_is_saved_when_it_is_not(tmp_path, train, monkeypatch):
    failing, told = Failing(Run.save, {2, 3, 4}, StorageError("cannot write it")), []
    monkeypatch.setattr(Run, "save", lambda run, *rest: failing(run, *rest))
    train(told.append)
    assert [event.step for event in told if isinstance(event, Saved)] == [1, *range(5, 13)]
    assert [event.step for event in told if isinstance(event, Notice) and "cannot write it" in event.text] == [2, 3, 4]
    assert isinstance(told[-1], Finished)
    assert read_checkpoint(max((tmp_path / "r").glob("step-*")), training=True).progress.step == 12


def test_a_run_whose_last_save_fails_ends_in_an_error_and_keeps_the_save_before(tmp_path, train, monkeypatch):
    failing = Failing(Run.save, set(range(11, 99)), StorageError("cannot write it"))
    monkeypatch.setattr(Run, "save", lambda run, *rest: failing(run, *rest))
    with pytest.raises(StorageError, match=r"not saved at step 12.*cannot write it") as caught:
        train(lambda event: None)
    assert caught.value.exit_code == 74
    assert read_checkpoint(max((tmp_path / "r").glob("step-*")), training=True).progress.step == 10
