"""What nobody asked for is chosen with a reason; what somebody asked for is never changed in silence."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from charrnn.config import ModelConfig, RunConfig, Wish
from charrnn.errors import SettingsError
from charrnn.model.machine import LayerShape, usable_device
from charrnn.planning import settings as room
from charrnn.planning.dropping import WORTH
from charrnn.planning.settings import DEFAULT_SECONDS, SIZES, choose_settings, operations, size_for
from charrnn.text.corpus import Corpus
from charrnn.text.lanes import Lanes
from charrnn.text.vocabulary import Vocabulary
from tests.settings_table import PAGE, written

TRAIN = [2, 3, 17, 100, 1999, 2000, 29_999, 30_000, 200_000, 499_999, 500_000, 3_000_000, 10_000_000]
CHOSEN = {
    *("validation_fraction", "layers", "hidden", "embedding", "learning_rate", "device", "precision", "threads"),
    *("batch_size", "seq_length"),
}
PLANNED = {
    **{"steps": 1, "warmup": 0, "eval_every": 1, "sample_every": 1, "save_every": 1},
    **{"dropout": 0.0, "weight_drop": 0.0, "dropout_start": 1.0},
}
ASKED = {
    "cell": "gru", "layers": 3, "hidden": 7, "embedding": 0, "dropout": 0.0, "layer_norm": False, "residual": False,
    "unit": "byte", "validation_fraction": 0.25, "batch_size": 2, "seq_length": 5, "learning_rate": 0.5,
    "weight_decay": 0.0, "clip": 0.1, "ema": 0.0, "seed": 9, "save_every": "1m", "device": "cpu",
    "precision": "float32", "threads": 1, "glob": "*.txt", "encoding": "latin-1",
}  # fmt: skip

NONE = np.zeros(0, np.uint8)


def choices(train=100_000, share=0.1, processes=1, speed=5e11, seconds=120.0, **asked):
    """What is chosen on a machine of so many floating-point operations a second, with so many seconds left."""
    wish = Wish()
    wish.add({"corpus": ["poem.txt"], **asked}, "flag")
    corpus = Corpus(Vocabulary.of("ab"), np.zeros(train, np.uint8), np.zeros(100, np.uint8), NONE, "f" * 64)
    speeds = lambda device, wanted, *_: dict.fromkeys(wanted, speed)  # noqa: E731
    return choose_settings(wish, corpus, share, processes, speeds, seconds)


@pytest.mark.parametrize("processes", [1, 2, 3, 5, 8, 64, 100])
def test_every_process_gets_the_same_number_of_lanes_and_none_is_lost(processes):
    alone, found = choices().values, choices(processes=processes, speed=5e11 / processes).values
    assert found["batch_size"] % processes == 0
    assert 0 <= found["batch_size"] - alone["batch_size"] < processes
    assert {**found, "batch_size": 0} == {**alone, "batch_size": 0}
    small = choices(train=2_000, processes=processes, batch_size=10 * processes, seq_length=30).values["batch_size"]
    assert small % processes == 0 or processes > 2_000 // 30


def test_lanes_that_were_asked_for_are_not_rounded():
    assert choices(processes=3, batch_size=16).values["batch_size"] == 16  # refused where they are shared out


def test_the_table_of_sizes_covers_every_text_and_run_from_the_largest_down():
    rows = [(size.symbols, size.learnt) for size in SIZES]
    assert rows == sorted(set(rows), reverse=True)
    assert rows[-1] == (0, 0)
    assert all((size.symbols, 0) in rows for size in SIZES), "every size must have a row for short runs"


@pytest.mark.parametrize("train", TRAIN)
def test_a_text_of_any_size_gets_a_network_it_can_train(train):
    found = choices(train)
    config = RunConfig.model_validate(found.values | PLANNED)
    assert Lanes(np.zeros(train, np.uint8), config.batch_size, config.seq_length).windows >= 1
    assert 16 <= config.hidden <= 1024
    assert 1e-3 <= config.learning_rate <= 2e-2
    assert set(found.reasons) == CHOSEN
    assert all(found.reasons.values())


def largest(train, learnt):
    """The row for a text of `train` symbols in a run that learns from `learnt(row)`."""
    rows = [size for size in SIZES if size.symbols <= train and size.learnt <= learnt(size)]
    return max(rows, key=lambda size: (size.symbols, size.learnt))


def has(found, row):
    keys = ("hidden", "embedding", "learning_rate")
    return [found.values[key] for key in keys] == [getattr(row, key) for key in keys] and found.epochs == row.epochs


@pytest.mark.parametrize("train", TRAIN)
@pytest.mark.parametrize("speed", [1e9, 1e11, 5e11, 1e14])
@pytest.mark.parametrize("seconds", [5.0, 95.0, DEFAULT_SECONDS, 600.0, 36_000.0])
def test_a_time_is_as_long_as_the_machine_makes_it(train, seconds, speed):
    """A symbol costs 6 operations for each weight: of H units and E inputs an LSTM has 4 H (E + H), its head H V."""
    work = seconds * speed / 6
    each = lambda size: 4 * size.hidden * (size.embedding + size.hidden) + 2 * size.hidden  # noqa: E731
    row = largest(train, lambda size: min(work / each(size), WORTH * train))
    assert has(choices(train, speed=speed, seconds=seconds), row)
    assert has(choices(train, speed=speed / 4, processes=4, seconds=seconds), row)


def test_a_network_is_one_for_what_a_text_is_worth_however_long_the_time():
    assert [choices(train, seconds=1e6).values["hidden"] for train in (85_000, 150_000)] == [384, 512]
    assert choices(85_000, seconds=1e6, distill_from=["teacher"]).values["hidden"] == 512
    assert choices(85_000, epochs=150.0).values["hidden"] == 512


@pytest.mark.parametrize("train", TRAIN)
@pytest.mark.parametrize("epochs", [0.5, 3.0, 12.0, 100.0])
def test_a_number_of_epochs_asks_for_the_same_network_on_any_machine(train, epochs):
    row = largest(train, lambda size: epochs * train)
    found = [choices(train, speed=speed, epochs=epochs) for speed in (1.0, 1e15)]
    assert found[0].values == found[1].values
    assert has(found[0], row)


@pytest.mark.parametrize("train", TRAIN)
@pytest.mark.parametrize("steps", [1, 1000, 100_000])
@pytest.mark.parametrize("asked", [{}, {"batch_size": 100}, {"seq_length": 10}])
def test_so_does_a_number_of_steps(train, steps, asked):
    row = largest(train, lambda s: steps * asked.get("batch_size", s.lanes) * asked.get("seq_length", s.window))
    assert has(choices(train, speed=0.0, steps=steps, **asked), row)


@pytest.mark.parametrize("steps", [1, 500, 800, 2000, 5000])
def test_on_a_gpu_a_step_is_as_large_as_it_is_there(monkeypatch, steps):
    monkeypatch.setattr(room, "usable_device", lambda device: "cuda")
    monkeypatch.setattr(room, "precisions", lambda device, cell: ["float32", "bfloat16"])
    found = choices(1_000_000, speed=0.0, steps=steps).values
    row = largest(1_000_000, lambda size: steps * 64 * 128)
    assert (found["hidden"], found["learning_rate"]) == (row.hidden, row.learning_rate)
    assert (found["batch_size"], found["seq_length"]) == (64, 128)


def test_the_machine_is_measured_only_where_the_table_depends_on_it():
    def refuse():
        raise AssertionError("measured")

    wish = Wish()
    wish.add({"time": 60.0}, "flag")
    (row,) = (size for size in SIZES if size.symbols == 10_000)
    assert size_for(wish, 20_000, 65, refuse) == (row, "for a training set of 20,000 symbols")
    with pytest.raises(AssertionError, match="measured"):
        size_for(wish, 1_000_000, 65, refuse)


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        ({}, 12 * (2 + 3) + 5 * 3),
        ({"layers": 2}, 12 * (2 + 3) + 12 * (3 + 3) + 5 * 3),
        ({"cell": "rnn"}, 3 * (2 + 3) + 5 * 3),
        ({"embedding": 0}, 12 * (5 + 3) + 5 * 3),
        ({"bidirectional": True}, 2 * 12 * (2 + 3) + 1 * 6 + 5 * (6 + 1)),
    ],
)
def test_operations_are_six_for_each_weight_of_a_product(changes, weights):
    """Of 3 units and 2 inputs: four gates, and a head of 5 symbols; the embedding is looked up."""
    network = {"layers": 1, "hidden": 3, "embedding": 2, "dropout": 0.0} | changes
    assert operations(ModelConfig.model_validate(network), 5) == 6 * weights


def test_a_large_alphabet_takes_time_as_well():
    wish = Wish()
    wish.add({"time": 60.0}, "flag")
    few, many = (size_for(wish, 1_000_000, symbols, lambda: 60e12)[0].hidden for symbols in (65, 20_000))
    assert (few, many) == (512, 256)


def test_the_reason_says_how_often_the_text_can_be_read():
    why = choices(1_000_000, speed=1e11, seconds=95.0).reasons["hidden"]
    assert why == f"for a training set of 1,000,000 symbols and time for {95e5 / 6 / (4 * 256 * 320 + 512):.3g} epochs"


@pytest.mark.parametrize(("seconds", "patience"), [(30.0, 0.6), (300.0, 6.0), (3600.0, 10.0)])
def test_measuring_waits_for_other_processes_for_a_small_part_of_the_time(seconds, patience):
    wish, waited = Wish(), []
    wish.add({"corpus": ["poem.txt"]}, "flag")
    corpus = Corpus(Vocabulary.of("ab"), np.zeros(1_000_000, np.uint8), np.zeros(100, np.uint8), NONE, "f" * 64)

    def speeds(device, wanted, threads, shape, patience):
        waited.append(patience)
        return dict.fromkeys(wanted, 1e11)

    choose_settings(wish, corpus, 0.1, 1, speeds, seconds)
    assert set(waited) == {patience}


def precision_for(monkeypatch, float32, bfloat16, **asked):
    """What is chosen, and why, on a machine of such speeds, and of which layers they were measured."""
    monkeypatch.setattr(room, "precisions", lambda device, cell: ["float32", "bfloat16"])
    wish, shapes = Wish(), []
    wish.add({"corpus": ["poem.txt"], "steps": 5, **asked}, "flag")

    def speeds(device, wanted, threads, shape, patience):
        shapes.append(shape)
        return {name: value for name, value in {"float32": float32, "bfloat16": bfloat16}.items() if name in wanted}

    corpus = Corpus(Vocabulary.of("ab"), np.zeros(1_000_000, np.uint8), np.zeros(100, np.uint8), NONE, "f" * 64)
    found = choose_settings(wish, corpus, 0.1, 1, speeds)
    return found.values["precision"], found.reasons.get("precision"), shapes


def test_the_precision_is_the_faster_one_and_both_speeds_are_said(monkeypatch):
    for float32, bfloat16, expected in ((687e9, 412e9, "float32"), (340e9, 516e9, "bfloat16"), (5e9, 5e9, "float32")):
        precision, why, shapes = precision_for(monkeypatch, float32, bfloat16)
        assert precision == expected
        assert f"float32 {float32 / 1e9:.0f}, bfloat16 {bfloat16 / 1e9:.0f}" in why
        assert shapes == [LayerShape("lstm", 64, 128, 16)]


def test_it_is_measured_on_a_layer_like_the_one_that_will_be_trained(monkeypatch):
    asked = {"cell": "gru", "hidden": 40, "embedding": 0, "batch_size": 6}
    assert precision_for(monkeypatch, 1.0, 2.0, **asked)[2] == [LayerShape("gru", 2, 40, 6)]


def test_a_precision_that_was_asked_for_is_not_measured(monkeypatch):
    assert precision_for(monkeypatch, 1.0, 9e12, precision="float32") == ("float32", None, [])


def test_the_faster_precision_also_says_how_large_a_network_there_is_time_for(monkeypatch):
    """The slower one has time for less; what was asked for counts alone."""
    monkeypatch.setattr(room, "precisions", lambda device, cell: ["float32", "bfloat16"])
    monkeypatch.setattr(room, "check_precision", lambda *_: None)  # this machine may have none but float32
    speeds = {"float32": 9e11, "bfloat16": 2e11}
    wish = Wish()
    wish.add({"corpus": ["poem.txt"], "time": 95.0}, "flag")
    corpus = Corpus(Vocabulary.of("ab"), np.zeros(1_000_000, np.uint8), np.zeros(100, np.uint8), NONE, "f" * 64)
    hidden = []
    for precision in ("auto", "float32", "bfloat16"):
        wish.values["precision"] = precision
        found = choose_settings(wish, corpus, 0.1, 1, lambda device, wanted, *_: {p: speeds[p] for p in wanted})
        hidden.append(found.values["hidden"])
    assert hidden[0] == hidden[1] > hidden[2]


@pytest.mark.parametrize(("key", "value"), ASKED.items(), ids=ASKED)
def test_what_was_asked_for_wins_and_changes_nothing_else(key, value):
    without, found = choices(), choices(**{key: value})
    assert found.values[key] == value
    assert key not in found.reasons
    rest = {other for other in found.values.keys() | without.values.keys() if other != key}
    assert {other: found.values[other] for other in rest} == {other: without.values[other] for other in rest}


def test_auto_leaves_the_choice_to_the_program():
    found, chosen = choices(device="auto", precision="auto"), choices()
    assert found.values == chosen.values
    assert found.reasons == chosen.reasons


def test_lengths_are_left_to_the_plan():
    assert not choices(epochs=3).values.keys() & {"epochs", "time"}
    assert not choices(time="1m").values.keys() & {"epochs", "time"}


@pytest.mark.parametrize(
    ("train", "asked", "lanes", "window"),
    [
        (100, {}, 1, 64),
        (300, {}, 4, 64),
        (1024, {}, 15, 64),
        (20, {}, 1, 19),
        (2, {}, 1, 1),
        (1000, {"batch_size": 100}, 15, 64),
        (1000, {"batch_size": 10, "seq_length": 5000}, 1, 999),
    ],
)
def test_lanes_that_the_text_cannot_fill_are_shrunk_and_the_reason_says_so(train, asked, lanes, window):
    found = choices(train, device="cpu", **asked)
    assert (found.values["batch_size"], found.values["seq_length"]) == (lanes, window)
    assert re.search(rf"shrunk to {lanes}\D+{window}\b", found.reasons["batch_size"])
    assert f"the training set has only {train:,} symbols" in found.reasons["batch_size"]


def test_lanes_that_the_text_fills_are_not_called_shrunk():
    assert "shrunk" not in " ".join(choices(1025, device="cpu").reasons.values())


def test_every_choice_is_told_once_with_its_value():
    found, told = choices(hidden=7), []
    for sentence in found.sentences():
        what, _, why = sentence.removeprefix("chose ").partition(": ")
        told += [(part, why) for part in what.split(", ")]
    chosen = [(f"{key.replace('_', '-')} {found.values[key]}", found.reasons[key]) for key in CHOSEN - {"hidden"}]
    assert sorted(told) == sorted(chosen)


def test_paths_are_recorded_so_that_another_folder_finds_them_and_stdin_stays():
    assert choices().values["corpus"] == [str(Path("poem.txt").absolute())]
    assert choices(corpus=["-"]).values["corpus"] == ["-"]


@pytest.mark.parametrize(("share", "said"), [(0.1, "a tenth"), (0.0, "too small")])
def test_the_reason_for_the_held_out_share_is_the_true_one(share, said):
    assert said in choices(share=share).reasons["validation_fraction"]


def test_a_validation_text_of_its_own_is_not_blamed_on_a_small_text():
    assert "too small" not in choices(share=0.0, validation="other.txt").reasons["validation_fraction"]


@pytest.mark.parametrize("device", ["nonsense", "", "meta", "cpu:-1", "cuda:999", "hpu", "privateuseone", "gpu"])
def test_a_device_that_is_not_here_is_refused_with_the_ones_that_are(device):
    with pytest.raises(SettingsError, match="choose from cpu") as caught:
        usable_device(device)
    assert caught.value.exit_code == 2


def test_the_device_for_auto_is_one_that_is_here():
    assert usable_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert usable_device(usable_device("auto")) == usable_device("auto")


def test_the_documentation_shows_the_table_that_is_used():
    page = PAGE.read_text()
    assert written(page) == page, "python tests/settings_table.py writes it"
