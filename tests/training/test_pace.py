"""A run whose steps nobody counted ends in time, whatever becomes of the machine's speed."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from charrnn.config import RunConfig, Wish
from charrnn.planning.dropping import chosen
from charrnn.planning.plan import Cost, complete
from charrnn.planning.preparation import Preparation, Request
from charrnn.planning.settings import DEFAULT_SECONDS, choose_settings
from charrnn.text.corpus import Corpus
from charrnn.text.vocabulary import Vocabulary
from charrnn.training import pace as module
from charrnn.training.pace import Pace, mean_dropout, told

WINDOWS = 97  # of 16 lanes x 64 symbols in 100,000


def config(steps):
    values = {"cell": "lstm", "layers": 1, "hidden": 8, "embedding": 6, "dropout": 0.0, "corpus": ["-"], "steps": steps}
    values |= {"validation_fraction": 0.1, "batch_size": 3, "seq_length": 10, "learning_rate": 0.01, "warmup": 2}
    values |= {"weight_drop": 0.0, "dropout_start": 1.0, "eval_every": steps, "save_every": 5, "sample_every": steps}
    return RunConfig(**values, device="cpu", threads=1, precision="float32")


@pytest.fixture
def clock(monkeypatch):
    """One that only steps move."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(module.plan, "time", module.time)
    return clock


def made(pace, run, clock, cost_of):
    """The configuration of `run` at its end, whose step i costs `cost_of(i)`, and every one before."""
    runs, step = [run], 0
    pace.back_to(0, 0.0)
    while step < run.steps:
        clock.now += cost_of(step)
        step += 1
        if pace.due(step, run.steps):
            run = pace.planned(run, step, clock.now - 100.0)
            runs.append(run)
    return runs


def spent(clock, budget, planned, cost_of, evaluation=0.0, closing=3.5):
    """The seconds until the last step of a run whose step i costs `cost_of(i)`."""
    pace = Pace(100.0 + budget, Cost(planned, evaluation, closing), began=clock.now)
    made(pace, config(int((budget - closing) / planned)), clock, cost_of)
    return clock.now - 100.0


@pytest.mark.parametrize("slower", [1, 2, 10, 60])
@pytest.mark.parametrize("begins", [0.0, 0.1, 0.35, 0.7, 0.95])
def test_a_machine_that_becomes_slower_ends_the_run_in_time(clock, slower, begins):
    """An eighth of the time may pass before it shows, and the last step may be one of the slow ones."""
    budget, each = 95.0, 0.03
    first = begins * budget / each
    taken = spent(clock, budget, each, lambda step: each * (slower if step >= first else 1))
    assert taken <= budget + 2 * slower * each
    assert taken >= 0.8 * budget


@pytest.mark.parametrize("closing", [0.5, 3.5, 20.0])
@pytest.mark.parametrize("evaluation", [0.0, 2.0, 10.0])
@pytest.mark.parametrize("slower", [1.1, 2, 60])
def test_what_comes_after_the_last_step_is_left_its_time(clock, evaluation, closing, slower):
    """However slow the last of them become, and where they are but a little slower."""
    ending = evaluation + closing
    slow = lambda step: 0.03 * (slower if step * 0.03 > 80 - ending else 1)  # noqa: E731
    taken = spent(clock, 95.0, 0.03, slow, evaluation, closing)
    assert 80 - ending < taken <= 95 - ending + 2 * slower * 0.03 + 0.1


def test_a_machine_that_becomes_faster_is_used_to_the_end(clock):
    assert 0.9 * 95 < spent(clock, 95.0, 0.3, lambda step: 0.3 if step < 100 else 0.03) <= 95


def of(measured, **asked):
    """The pace of a new run and its configuration, where a step was measured to cost so much."""
    wish = Wish()
    wish.add({"corpus": ["-"], "batch_size": 16, "seq_length": 64, "hidden": 256, **asked}, "flag")
    symbols, none = np.zeros(100_000, np.uint8), np.zeros(0, np.uint8)
    corpus = Corpus(Vocabulary.of("ab"), symbols, np.zeros(1000, np.uint8), none, "f" * 64)
    choices, cost = choose_settings(wish, corpus, 0.1, speeds=lambda *_: {"float32": 1e11}), Cost(measured, 0.0)
    run = complete(choices, wish, corpus, cost, wish.get("time") or DEFAULT_SECONDS)
    prepared = Preparation(corpus, choices, run, cost, [])
    return Pace.of(prepared, Request(wish, Path("checkpoints"), began=100.0)), prepared, choices.epochs * WINDOWS


@pytest.mark.parametrize("measured", [1.0, 0.03, 0.001])
def test_a_run_without_a_length_reads_its_text_as_often_as_it_is_worth_or_for_so_long_as_is_usual(clock, measured):
    """Whatever a step was measured to cost; what is dropped is that of the length it came to have."""
    pace, p, most = of(measured)
    *_, quick = made(pace, p.config, clock, lambda step: 0.001)
    assert quick.steps == most
    rule, _ = chosen(Wish(), quick.model_dump(), p.corpus, most / WINDOWS)
    assert mean_dropout(quick) == pytest.approx(mean_dropout(quick.model_copy(update=rule)), abs=module.SLIGHTLY)
    clock.now = 100.0
    pace, p, most = of(measured)
    *_, slow = made(pace, p.config, clock, lambda step: 0.1)
    assert slow.steps < most
    assert 0.85 * DEFAULT_SECONDS < clock.now - 100.0 <= DEFAULT_SECONDS + 0.2


def test_a_run_that_gets_a_little_longer_keeps_what_it_drops(clock):
    """And says so where it does not."""
    pace, p, _ = of(0.02, time=60.0)
    assert {mean_dropout(each) for each in made(pace, p.config, clock, lambda step: 0.019)} == {mean_dropout(p.config)}
    clock.now = 100.0
    pace, p, _ = of(0.1, time=60.0)
    runs = made(pace, p.config, clock, lambda step: 0.01)
    assert mean_dropout(runs[-1]) > mean_dropout(p.config) + 0.1
    assert told(p.config, p.config.model_copy(update={"steps": 7})) == ""
    said = told(p.config, runs[-1])
    assert said.startswith(f"chose dropout {runs[-1].dropout}, weight-drop {runs[-1].weight_drop}, dropout-start ")
    assert said.endswith(f": the run is to have {runs[-1].steps:,} steps now")


def test_a_dropout_that_was_asked_for_stays_whatever_the_length(clock):
    pace, p, _ = of(0.1, time=60.0, dropout=0.3)
    last = made(pace, p.config, clock, lambda step: 0.01)[-1]
    assert last.steps > 4 * p.config.steps
    assert (last.dropout, last.weight_drop, last.dropout_start) == (0.3, 0.0, 1.0)
    clock.now = 100.0
    pace, p, _ = of(0.1, time=60.0, weight_drop=0.1)
    last = made(pace, p.config, clock, lambda step: 0.01)[-1]
    assert (last.weight_drop, last.dropout) == (0.1, 0.5)
    assert p.config.dropout < 0.5


@pytest.mark.parametrize("asked", [{"steps": 100}, {"epochs": 1.0}])
def test_counted_steps_are_never_planned_anew(clock, asked):
    pace, p, _ = of(0.1, **asked)
    assert made(pace, p.config, clock, lambda step: 100.0) == [p.config]
    assert not Pace().due(100, 100)
