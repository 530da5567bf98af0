"""A run that overfits notices it, raises dropout, says so, and ends lower than one that goes on."""

import math
import random

import pytest

from charrnn.config import RunConfig
from charrnn.learning.learner import Learner
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.runs.progress import Progress
from charrnn.training import overfitting
from charrnn.training.keeper import Keeper
from tests.training.test_resume import outcome, same, train

RUN = {"raise_dropout": True, "raised": [], "eval_every": 10, "steps": 100}
LETTERS = "".join(random.Random(1).choices("abcdefgh", k=1500))  # noqa: S311 - of which nothing but themselves can be learnt
OVERFITTING = {
    **{"hidden": 32, "embedding": 16, "batch_size": 4, "seq_length": 32, "layers": 1, "learning_rate": 0.02},
    **{"steps": 160, "eval_every": 10, "dropout": 0.0, "weight_drop": 0.0, "sample_every": 1000},
}

BY_STEPS = OVERFITTING | {"steps": 20, "raise_dropout": True}


@pytest.mark.parametrize(
    ("changes", "step", "before", "now", "expected"),
    [
        ({}, 50, 1.502, 1.51, True),
        ({}, 50, 1.502, 1.502, False),  # above the best, but no higher than before
        ({}, 50, 1.5, 1.5025, False),  # by less than counts
        ({}, 50, 1.52, 1.51, False),  # it falls
        ({}, 50, None, 1.51, False),  # the first score
        ({}, 100, 1.502, 1.51, False),  # the last one
        ({"raised": [40]}, 50, 1.502, 1.51, False),  # raised just before
        ({"raised": [40]}, 60, 1.502, 1.51, True),
        ({"raised": [50]}, 50, 1.502, 1.51, False),  # raised here, before the run went back to an earlier step
        ({"raised": [20, 60]}, 50, 1.502, 1.51, False),
        ({"raise_dropout": False}, 50, 1.502, 1.51, False),
    ],
)
def test_what_counts_as_overfitting(changes, step, before, now, expected):
    config = RunConfig.model_construct(**RUN | changes)
    progress = Progress(step=step, validation_nats=now, best_nats=1.5, best_step=20)
    assert overfitting.noticed(config, progress, before, 10**6) is expected


def test_scores_of_few_symbols_may_rise_a_little():
    progress = Progress(step=50, validation_nats=1.51, best_nats=1.5, best_step=20)
    assert not overfitting.noticed(RunConfig.model_construct(**RUN), progress, 1.502, 500)
    progress.validation_nats = 1.52
    assert overfitting.noticed(RunConfig.model_construct(**RUN), progress, 1.502, 500)


def test_a_run_that_overfits_ends_lower_where_dropout_is_raised_wherever_it_was_stopped(tmp_path):
    """At the same steps, with everything the same; a run from its own settings makes the same steps."""
    ended = {}
    for name, raises in (("goes on", False), ("raised", True)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text.txt").write_text(LETTERS)
        assert train(tmp_path / name, **OVERFITTING, raise_dropout=raises)
        ended[name] = outcome(tmp_path / name)
    looks = {
        name: [event["nats_per_char"] for event in found[2] if event["event"] == "evaluated"]
        for name, found in ended.items()
    }
    steps = raised_at(tmp_path / "raised")
    assert steps
    assert not raised_at(tmp_path / "goes on")
    same_until = steps[0] // 10
    assert looks["raised"][:same_until] == looks["goes on"][:same_until]
    assert looks["raised"][-1] < looks["goes on"][-1] - 0.03
    for poll in (steps[0] + 1, steps[-1] + 30):
        folder = tmp_path / str(poll)
        folder.mkdir()
        (folder / "text.txt").write_text(LETTERS)
        assert not train(folder, poll=poll, **OVERFITTING, raise_dropout=True)
        assert train(folder, **OVERFITTING, raise_dropout=True)
        assert same(outcome(folder), ended["raised"]), poll


def test_what_is_said_is_what_is_dropped_in_a_later_leg_too():
    """The growth of dropout ended with the first leg."""
    growing = {"dropout": 0.4, "weight_drop": 0.2, "dropout_start": 0.0, "legs": [50], "steps": 100, "raised": [60]}
    progress = Progress(step=60, validation_nats=1.51, best_nats=1.5, best_step=20)
    said = overfitting.told(RunConfig.model_construct(**RUN | growing), progress)
    assert said.endswith("dropout is raised to 0.60, weight-drop to 0.47")


def test_a_raise_is_undone_with_the_steps_that_led_to_it(tmp_path, monkeypatch):
    """The run goes back to before it, and learns from there on as one that never raised anything."""
    honest, seen = Learner.step, []

    def step(learner, window, index):
        seen.append((index, list(learner.config.raised)))
        loss, norm = honest(learner, window, index)
        return (loss * math.nan, norm) if index == 12 and len(seen) == 13 else (loss, norm)

    monkeypatch.setattr(Learner, "step", step)
    monkeypatch.setattr(overfitting, "noticed", lambda config, progress, *_: progress.step == 10 and len(seen) == 10)
    monkeypatch.setattr(Keeper, "save", lambda self, config, progress, *, must: must)  # nothing but the start is good
    (tmp_path / "text.txt").write_text(LETTERS)
    assert train(tmp_path, **BY_STEPS)
    assert [index for index, _ in seen[:14]] == [*range(13), 0]
    assert [raised for index, raised in seen[10:13]] == [[10]] * 3
    assert all(not raised for _, raised in seen[13:])


def raised_at(folder):
    """The steps at which a run raised dropout."""
    return read_checkpoint(max((folder / "r").glob("step-*.safetensors"))).config.raised


def test_who_chooses_dropout_chooses_what_becomes_of_it(charrnn, tmp_path):
    (tmp_path / "text.txt").write_text(2 * LETTERS)
    for flags, expected in (
        ([], "true"),
        (["--dropout", "0.2"], "false"),
        (["--weight-drop", "0.2"], "false"),
        (["--dropout", "0.2", "--raise-dropout"], "true"),
        (["--no-raise-dropout"], "false"),
    ):
        shown = charrnn("train", "text.txt", "--steps", "5", "--print-config", *flags, cwd=tmp_path)
        assert f"raise_dropout: {expected}".encode() in shown.stdout, flags


def test_a_raise_is_said_and_shown(charrnn, tmp_path):
    (tmp_path / "text.txt").write_text(LETTERS)
    flags = "--hidden 32 --embedding 16 --batch-size 4 --seq-length 32 --learning-rate 0.02 --steps 160 --eval-every 10"
    line = ["train", "text.txt", *flags.split(), "--dropout", "0", "--raise-dropout", "--name", "r"]
    done = charrnn(*line, cwd=tmp_path)
    assert done.returncode == 0
    assert b"the validation score rose from " in done.stderr
    assert b": dropout is raised to 0.33, weight-drop to 0.33" in done.stderr
    assert (
        b"dropout and weight-drop raised at step "
        in charrnn("info", "checkpoints/r/step-00000160.safetensors", cwd=tmp_path).stdout
    )
