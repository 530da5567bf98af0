"""Resuming equals never having stopped: weights, moments, averages, metrics and samples, bit for bit."""

import itertools
import json
import shutil

import numpy as np
import pytest

from charrnn.config import Wish
from charrnn.config_file import read_config_file
from charrnn.errors import DataError, SettingsError, StoppedError
from charrnn.learning import learner as learner_module
from charrnn.model import machine
from charrnn.planning.preparation import Request
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.training import session
from charrnn.training.interruption import Interruption
from charrnn.training.session import opened

SETTINGS = {
    "hidden": 12,
    "embedding": 6,
    "batch_size": 3,
    "seq_length": 8,
    "steps": 14,
    "eval_every": 5,
    "precision": "float32",
    "threads": 1,
    "dropout": 0.5,
    "weight_drop": 0.25,
    "dropout_start": 0.4,
    "layers": 2,
}
TEXT = "the quick brown fox jumps over the lazy dog; " * 12  # four windows an epoch and a rest
TIMES = {"seconds", "symbols_per_second"}


class StopAt(Interruption):
    """Asks to stop when it is polled for the n-th time."""

    def __init__(self, poll):
        super().__init__()
        self.left = poll

    def check(self, *agree):
        self.left -= 1
        if self.left == 0:
            self.stop = 15
        super().check(*agree)


def train(folder, *, poll=None, curves=False, name="r", cache=None, **changes):
    """One session of the run `name`; returns whether it reached its end."""
    text = folder / "text.txt"
    if not text.exists():
        text.write_text(TEXT)
    wish = Wish()
    wish.add(SETTINGS | {"corpus": [str(text)]} | changes, "flag")
    request = Request(wish, folder, name, resume=True, tensorboard=curves, cache=cache)
    interruption = StopAt(poll) if poll else Interruption()
    try:
        with opened(request, lambda event: None, interruption) as loop:
            loop.go()
    except StoppedError:
        return False
    return True


def outcome(folder):
    """Everything a run leaves behind, without what a clock put there."""
    last = max((folder / "r").glob("step-*.safetensors"))
    checkpoint = read_checkpoint(last, training=True)
    events = [json.loads(line) for line in (folder / "r" / "metrics.jsonl").read_text().splitlines()]
    kept = [
        {key: value for key, value in event.items() if key not in TIMES}
        for event in events
        if event["event"] in ("trained", "evaluated", "sampled")
    ]
    tensors = {**checkpoint.weights, **{f"training/{name}": array for name, array in checkpoint.training.items()}}
    progress = checkpoint.progress.model_dump(exclude={"seconds"})
    best = read_checkpoint(folder / "r" / "best.safetensors").weights
    return tensors, best, kept, (folder / "r" / "samples.txt").read_text(), progress


def same(one, other):
    tensors = all(
        set(a) == set(b) and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in zip(one[:2], other[:2], strict=True)
    )
    return tensors and one[2:] == other[2:]


def test_stopping_at_any_poll_and_resuming_changes_nothing(tmp_path):
    """Every place at which a run can stop: before the first step, between steps, inside evaluations, at the end."""
    unbroken = tmp_path / "unbroken"
    unbroken.mkdir()
    assert train(unbroken)
    expected, poll, stopped = outcome(unbroken), 1, 0
    while True:
        folder = tmp_path / f"poll-{poll}"
        folder.mkdir()
        if train(folder, poll=poll):
            break
        assert train(folder)
        if (folder / "r").exists():
            assert same(outcome(folder), expected), f"stopped at poll {poll}"
        stopped, poll = stopped + 1, poll + 1
    assert stopped >= SETTINGS["steps"] + 3  # all steps, and the evaluations between them


# Every cell with every two of what else there is; the slow tests have all three together.
SHAPES = [
    pytest.param(
        *shape, marks=[pytest.mark.slow] if sum(map(bool, (shape[1] - 1, shape[2], shape[3] == "byte"))) % 2 else []
    )
    for shape in itertools.product(("rnn", "lstm", "gru"), (1, 2), (0.0, 0.5), ("char", "byte"))
]


@pytest.mark.parametrize(("cell", "layers", "dropout", "unit"), SHAPES)
def test_resumed_run_equals_the_unbroken_one(tmp_path, cell, layers, dropout, unit):
    shape = {"cell": cell, "layers": layers, "dropout": dropout, "weight_drop": dropout / 2, "unit": unit}
    for name in ("unbroken", "broken"):
        (tmp_path / name).mkdir()
    assert train(tmp_path / "unbroken", **shape)
    for poll in (3, 4, 6):  # several stops in one run
        assert not train(tmp_path / "broken", poll=poll, **shape)
    assert train(tmp_path / "broken", **shape)
    assert same(outcome(tmp_path / "broken"), outcome(tmp_path / "unbroken"))


@pytest.mark.parametrize("more", [{"record_separator": "fox"}, {"record_separator": " "}, {"unit": "word"},
                                  {"record_separator": "; ", "target_after": "fox", "shuffle_records": True},
                                  {"min_count": 20}], ids=str)  # fmt: skip
def test_a_resumed_run_on_records_words_or_folded_characters_equals_the_unbroken_one(tmp_path, more):
    """Records longer than a window, whose state is carried, and others that end within theirs."""
    for name in ("unbroken", "broken"):
        (tmp_path / name).mkdir()
    assert train(tmp_path / "unbroken", **more)
    for poll in (3, 4, 5):
        assert not train(tmp_path / "broken", poll=poll, **more)
    assert train(tmp_path / "broken", **more)
    assert same(outcome(tmp_path / "broken"), outcome(tmp_path / "unbroken"))


@pytest.mark.parametrize("lost", ["state.0.h", "state.1.c", "moment1.head.weight", "moment2.head.bias"])
def test_the_comparison_sees_what_a_checkpoint_would_lose(tmp_path, monkeypatch, lost):
    """Negative control: without any one part of the checkpoint the resumed run differs."""
    for name in ("unbroken", "broken"):
        (tmp_path / name).mkdir()
    assert train(tmp_path / "unbroken")
    assert not train(tmp_path / "broken", poll=8)
    restore = learner_module.Learner.restore

    def forgetful(self, tensors, average, step):
        restore(self, {**tensors, lost: np.zeros_like(tensors[lost])}, average, step)

    monkeypatch.setattr(learner_module.Learner, "restore", forgetful)
    assert train(tmp_path / "broken")
    assert not same(outcome(tmp_path / "broken"), outcome(tmp_path / "unbroken"))


def test_the_comparison_sees_masks_of_another_step(tmp_path, monkeypatch):
    """Negative control: after resuming, dropout draws what belongs to the step before."""
    for name in ("unbroken", "broken"):
        (tmp_path / name).mkdir()
    assert train(tmp_path / "unbroken")
    assert not train(tmp_path / "broken", poll=8)
    right = learner_module.Learner._masks
    monkeypatch.setattr(learner_module.Learner, "_masks", lambda self, index, *rest: right(self, index - 1, *rest))
    assert train(tmp_path / "broken")
    assert not same(outcome(tmp_path / "broken"), outcome(tmp_path / "unbroken"))


def test_a_resumed_run_has_the_curves_of_the_unbroken_one(tmp_path):
    """Stopped at four places; one session draws nothing."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_accumulator")

    def curves(folder):
        found = reader.EventAccumulator(str(folder / "r" / "tensorboard"), size_guidance={"tensors": 0})
        found.Reload()
        tags = [tag for tag in found.Tags()["tensors"] if tag != "training/symbols_per_second"]
        return {tag: [(at.step, at.tensor_proto.SerializeToString()) for at in found.Tensors(tag)] for tag in tags}

    for name in ("unbroken", "broken"):
        (tmp_path / name).mkdir()
    assert train(tmp_path / "unbroken", curves=True)
    for poll, drawn in ((3, True), (4, True), (6, False), (5, True)):
        assert not train(tmp_path / "broken", poll=poll, curves=drawn)
    assert train(tmp_path / "broken", curves=True)
    expected = curves(tmp_path / "unbroken")
    assert len(expected) == 6
    assert [step for step, _ in expected["training/loss"]] == list(range(1, SETTINGS["steps"] + 1))
    assert curves(tmp_path / "broken") == expected


def test_resuming_a_complete_run_changes_nothing(tmp_path):
    assert train(tmp_path)
    before = outcome(tmp_path)
    assert train(tmp_path)
    assert same(outcome(tmp_path), before)


def test_resuming_with_other_settings_is_refused(tmp_path):
    assert not train(tmp_path, poll=6)
    with pytest.raises(SettingsError, match=r"`hidden=13` is not what this run was started with \(12\)"):
        train(tmp_path, hidden=13)
    with pytest.raises(SettingsError, match=r"`time=90s` is not what this run was started with \(none\)"):
        train(tmp_path, steps=None, time=90.0)


def test_a_run_in_bfloat16_goes_on_in_float32_where_a_machine_has_none(tmp_path, monkeypatch):
    """Unless somebody insists; and a new run that asks for it is refused."""
    assert not train(tmp_path, poll=6, cell="gru", precision="bfloat16")
    for module in (machine, session):
        monkeypatch.setattr(module, "computes", lambda device, precision, cell: precision == "float32")
    (tmp_path / "new").mkdir()
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(SettingsError, match="`precision=bfloat16` cannot be used here"):
            train(folder, cell="gru", precision="bfloat16")
    assert train(tmp_path, cell="gru", precision="auto")
    checkpoint = read_checkpoint(max((tmp_path / "r").glob("step-*.safetensors")))
    assert (checkpoint.config.precision, checkpoint.progress.step) == ("float32", SETTINGS["steps"])


def test_resuming_on_a_changed_text_is_refused(tmp_path):
    assert not train(tmp_path, poll=6)
    (tmp_path / "text.txt").write_text(TEXT.replace("lazy", "late"))
    with pytest.raises(DataError, match="has changed since the model was trained on it"):
        train(tmp_path)


def test_resuming_passes_over_a_damaged_checkpoint_and_still_ends_the_same(tmp_path):
    for name in ("unbroken", "broken"):
        (tmp_path / name).mkdir()
    assert train(tmp_path / "unbroken")
    assert not train(tmp_path / "broken", poll=12)
    newest = max((tmp_path / "broken" / "r").glob("step-*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-7])
    assert train(tmp_path / "broken")
    assert same(outcome(tmp_path / "broken"), outcome(tmp_path / "unbroken"))


def test_another_seed_gives_other_weights_and_the_same_seed_the_same(tmp_path):
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        folder.mkdir()
        assert train(folder, seed=seed)
    a, b, c = map(outcome, folders)
    assert same(a, b)
    assert not same(a, c)


def test_a_run_without_a_better_score_ends_early_wherever_it_was_stopped(tmp_path):
    """At the same step, with everything the same; the same line again says that it is complete."""
    early = {"steps": 400, "eval_every": 4, "patience": 3, "learning_rate": 0.1, "dropout": 0.0, "weight_drop": 0.0}
    (tmp_path / "whole").mkdir()
    assert train(tmp_path / "whole", **early)
    expected = outcome(tmp_path / "whole")
    step, best = expected[4]["step"], expected[4]["best_step"]
    assert best < step == best + 3 * 4 < 400
    assert train(tmp_path / "whole", **early)
    assert outcome(tmp_path / "whole")[4]["step"] == step
    for poll in (2, step // 2, step, step + 3):
        folder = tmp_path / str(poll)
        folder.mkdir()
        train(folder, poll=poll, **early)
        assert train(folder, **early)
        assert same(outcome(folder), expected), poll


LONGER = {"steps": 30}  # of which the first 14 are a leg by themselves


def test_a_complete_run_goes_on_for_another_leg_wherever_that_is_stopped(tmp_path):
    """As if it had never been complete in between, and as the same run from its own settings."""
    for name in ("whole", *(f"stopped-{poll}" for poll in (1, 2, 9, 16))):
        (tmp_path / name).mkdir()
    assert train(tmp_path / "whole")
    first = outcome(tmp_path / "whole")[2]
    assert train(tmp_path / "whole", **LONGER)
    expected = outcome(tmp_path / "whole")
    assert expected[2][: len(first)] == first
    assert expected[4]["step"] == 30
    for poll in (1, 2, 9, 16):
        folder = tmp_path / f"stopped-{poll}"
        assert train(folder)
        assert not train(folder, poll=poll, **LONGER)
        assert train(folder, **LONGER)
        assert same(outcome(folder), expected)
    wish = Wish()
    wish.add(read_config_file(tmp_path / "whole" / "r" / "config.yaml"), "file")
    request = Request(wish, tmp_path / "again", "r")
    with opened(request, lambda event: None, Interruption()) as loop:
        loop.go()
    again = outcome(tmp_path / "again")
    assert all(np.array_equal(again[0][name], expected[0][name]) for name in expected[0])


def test_a_leg_warms_up_and_falls_by_itself(tmp_path):
    assert train(tmp_path, steps=40)
    assert train(tmp_path, steps=100)
    assert train(tmp_path, steps=100)
    rates = [event["learning_rate"] for event in outcome(tmp_path)[2] if event["event"] == "trained"]
    assert len(rates) == 100
    peak = max(rates)
    assert rates[39] < 0.01 * peak
    assert rates[40] < rates[41] < rates[45]
    assert max(rates[40:]) == pytest.approx(peak, rel=0.01)
    assert rates[99] < 0.01 * peak


@pytest.mark.parametrize("more", [{"epochs": 9.0}, {"time": "1h"}])
def test_a_leg_may_be_asked_for_in_epochs_or_in_time_whatever_the_run_was(tmp_path, more):
    """And what it was asked for then is what the same line asks for: nothing more."""
    assert train(tmp_path)
    wish = {"steps": None} | more
    assert not train(tmp_path, poll=20, **wish)
    config = read_config_file(tmp_path / "r" / "config.yaml")
    assert config["legs"] == ["14"]
    assert int(config["steps"]) > 30
    assert not train(tmp_path, poll=5, **wish)
    assert read_config_file(tmp_path / "r" / "config.yaml")["legs"] == ["14"]


def test_a_run_that_ended_early_may_go_on_and_has_its_patience_anew(tmp_path):
    early = {"steps": 400, "eval_every": 4, "patience": 3, "learning_rate": 0.1, "dropout": 0.0, "weight_drop": 0.0}
    assert train(tmp_path, **early)
    ended = outcome(tmp_path)[4]["step"]
    assert ended < 400
    assert train(tmp_path, **early)
    assert outcome(tmp_path)[4]["step"] == ended
    assert train(tmp_path, **early | {"steps": 500})
    assert outcome(tmp_path)[4]["step"] >= ended + 12


@pytest.mark.parametrize("shorter", [{"steps": 7}, {"steps": None, "epochs": 0.5}])
def test_what_is_no_longer_than_a_complete_run_is_refused(tmp_path, shorter):
    assert train(tmp_path)
    before = outcome(tmp_path)
    with pytest.raises(SettingsError, match="is not longer than the run; it has made 14 steps"):
        train(tmp_path, **shorter)
    assert same(outcome(tmp_path), before)


def test_a_run_that_is_not_complete_is_not_made_longer(tmp_path):
    assert not train(tmp_path, poll=6)
    with pytest.raises(SettingsError, match="make it longer when it is complete"):
        train(tmp_path, **LONGER)


@pytest.mark.parametrize("cached", [True, False])
def test_a_run_that_learns_from_others_goes_on_as_if_it_had_never_stopped(tmp_path, cached):
    for seed in (1, 2):
        assert train(tmp_path, name=f"teacher-{seed}", seed=seed)
    taught = {"distill_from": ["teacher-1", "teacher-2"], "distill_weight": 0.4}
    taught |= {"cache": tmp_path / "cached"} if cached else {}
    assert train(tmp_path, **taught)
    expected = outcome(tmp_path)
    shutil.rmtree(tmp_path / "r")
    for poll in (3, 8):
        assert not train(tmp_path, poll=poll, **taught)
    assert train(tmp_path, **taught)
    assert same(outcome(tmp_path), expected)
    shutil.rmtree(tmp_path / "r")
    assert train(tmp_path)
    assert not same(outcome(tmp_path), expected)
