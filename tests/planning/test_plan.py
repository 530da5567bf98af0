"""Seconds become steps once, by arithmetic on measured costs; the costs here are made up."""

import math
from dataclasses import replace

import numpy as np
import pytest

from charrnn.config import RunConfig, Wish
from charrnn.errors import SettingsError
from charrnn.evaluation.held_out import EVALUATED, SHORTEST, reading
from charrnn.planning import plan
from charrnn.planning.plan import (
    EVALUATION_SHARE,
    EVALUATIONS,
    LEAVING_SECONDS,
    MARGIN,
    Cost,
    complete,
    evaluations,
    measure,
    most_steps,
    replan,
)
from charrnn.planning.settings import DEFAULT_SECONDS, choose_settings
from charrnn.text.batches import windows_of
from charrnn.text.corpus import Corpus
from charrnn.text.marks import GAP
from charrnn.text.vocabulary import Vocabulary

WINDOWS = 97  # of 16 lanes x 64 symbols in 100,000
SHAPE = {"batch_size": 16, "seq_length": 64}

NONE = np.zeros(0, np.uint8)


def corpus_of(train, validation=1000):
    return Corpus(Vocabulary.of("ab"), np.zeros(train, np.uint8), np.zeros(validation, np.uint8), NONE, "f" * 64)


def planned(cost=None, seconds_left=0.0, *, train=100_000, **asked):
    wish, corpus = Wish(), corpus_of(train)
    wish.add({"corpus": ["poem.txt"], **SHAPE, **asked}, "flag")
    return complete(
        choose_settings(wish, corpus, 0.1, speeds=lambda *_: {"float32": 1e11}), wish, corpus, cost, seconds_left
    )


def test_what_is_dropped_follows_from_the_network_and_from_how_often_it_reads():
    few, often, wide = (planned(epochs=e, hidden=h) for e, h in ((3, 256), (60, 256), (3, 1024)))
    assert 0 < few.dropout < wide.dropout <= often.dropout
    assert few.weight_drop < often.weight_drop
    assert planned(epochs=3, hidden=256, layers=6).dropout > few.dropout
    assert planned(Cost(1.0, 0.0), 60.0, time=60.0).dropout == 0  # half an epoch
    timed = planned(Cost(0.01, 0.0), 60.0, time=60.0, hidden=256)
    assert timed.dropout == planned(steps=timed.steps, hidden=256).dropout > 0
    assert all(config.raise_dropout for config in (few, often, wide))


def test_a_dropout_that_was_asked_for_is_the_whole_of_it():
    """Nothing is added to it, now or later, and it is in force from the first step on; each can still be asked for."""
    found = planned(epochs=60, dropout=0.3)
    assert (found.dropout, found.weight_drop, found.dropout_start, found.raise_dropout) == (0.3, 0.0, 1.0, False)
    found = planned(epochs=60, dropout=0.3, weight_drop=0.2, dropout_start=0.5, raise_dropout=True)
    assert (found.dropout, found.weight_drop, found.dropout_start, found.raise_dropout) == (0.3, 0.2, 0.5, True)
    found = planned(epochs=60, weight_drop=0.2)
    assert (found.weight_drop, found.raise_dropout) == (0.2, False)
    assert found.dropout == planned(epochs=60).dropout


def test_a_text_that_can_only_be_memorised_is():
    found = planned(train=1999, epochs=60)
    assert (found.dropout, found.weight_drop, found.raise_dropout) == (0, 0, False)
    assert planned(train=2000, epochs=60).raise_dropout
    assert planned(train=1999, epochs=60, raise_dropout=True).raise_dropout


def watched(steps, eval_every):
    """How many evaluations `steps` steps see: at every multiple of `eval_every`, and at the end."""
    return math.ceil(steps / eval_every)


@pytest.mark.parametrize("cost", [None, Cost(0.01, 0.5)])
@pytest.mark.parametrize(("asked", "steps"), [({"steps": 123}, 123), ({"steps": 1}, 1), ({"epochs": 1}, WINDOWS),
                                              ({"epochs": 2.5}, 242), ({"epochs": 1e-6}, 1)])  # fmt: skip
def test_steps_and_epochs_are_respected_whatever_they_cost(asked, steps, cost):
    assert planned(cost, **asked).steps == steps


@pytest.mark.parametrize("seconds", [10.0, 60.0, 3600.0])
@pytest.mark.parametrize("step", [0.001, 0.03, 0.5])
@pytest.mark.parametrize("evaluation", [0.0, 0.002, 0.1, 2.0])
def test_a_time_is_used_and_not_exceeded(seconds, step, evaluation):
    config = planned(Cost(step, evaluation), seconds, train=40_000_000, time=seconds)
    training = config.steps * step
    watching = watched(config.steps, config.eval_every) * evaluation
    assert training + watching + LEAVING_SECONDS <= seconds
    assert training >= (1 - EVALUATION_SHARE) * MARGIN * (seconds - LEAVING_SECONDS - evaluation) - step


@pytest.mark.parametrize("eval_every", [1, 10, "1s"])
def test_a_time_also_holds_the_evaluations_that_were_asked_for(eval_every):
    config = planned(Cost(0.01, 0.1), 60.0, time=60.0, eval_every=eval_every)
    watching = watched(config.steps, config.eval_every) * 0.1
    assert 0.8 * 60.0 <= config.steps * 0.01 + watching + LEAVING_SECONDS <= 60.0


@pytest.mark.parametrize("seconds_left", [0.5, 0.0, -3.0])
def test_a_time_that_is_over_still_makes_one_step(seconds_left):
    assert planned(Cost(0.1, 1.0), seconds_left, time=1).steps == 1


@pytest.mark.parametrize("train", [5_000, 100_000, 1_000_000])
def test_without_a_length_a_small_text_is_not_read_too_often(train):
    wish, corpus = Wish(), corpus_of(train)
    wish.add({"corpus": ["poem.txt"], **SHAPE}, "flag")
    choices = choose_settings(wish, corpus, 0.1, speeds=lambda *_: {"float32": 1e12})
    assert 1 < choices.epochs < math.inf
    windows = windows_of(corpus.train, corpus.vocabulary, 16, 64).windows
    cost = Cost(0.1 / windows, 0.01)
    assert complete(choices, wish, corpus, cost, DEFAULT_SECONDS).steps == choices.epochs * windows
    assert f"at most {choices.epochs:g} epochs" in choices.reasons["steps"]


@pytest.mark.parametrize(
    ("train", "teachers", "weight", "worth"),
    [(5_000, [], None, 100), (1_000, [], None, 400), (5_000, ["a"], None, 200), (5_000, ["a"], 0.75, 400)],
)
def test_a_time_is_not_used_to_read_a_text_more_often_than_it_is_worth(train, teachers, weight, worth):
    """Nor are more steps planned later; with teachers a reading counts less, and a small network may read on."""
    wish, corpus = Wish(), corpus_of(train)
    wish.add({"corpus": ["poem.txt"], **SHAPE, "time": 600.0, "distill_weight": weight}, "flag")
    choices = choose_settings(wish, corpus, 0.1, speeds=lambda *_: {"float32": 1e12})
    choices.values |= {"distill_from": teachers}
    windows = windows_of(corpus.train, corpus.vocabulary, choices.values["batch_size"], 64).windows
    cost = Cost(0.1 / windows, 0.01)
    assert most_steps(choices, wish, corpus, windows) == pytest.approx(worth * windows)
    assert complete(choices, wish, corpus, cost, 600.0).steps == round(worth * windows)
    assert f"the text is worth {worth} epochs" in choices.reasons["steps"]
    few = replace(choices, values=choices.values | {"hidden": 8, "embedding": 0})
    assert complete(few, wish, corpus, cost, 600.0).steps > 4000 * windows
    assert complete(choices, wish, corpus, cost, 5.0).steps < 60 * windows
    assert "what fits into the time given" in choices.reasons["steps"]


def test_without_a_length_a_slow_machine_stops_after_the_default_time():
    config = planned(Cost(1.0, 2.0), seconds_left=DEFAULT_SECONDS)
    assert 0.9 * DEFAULT_SECONDS < config.steps + 2 * watched(config.steps, config.eval_every) < DEFAULT_SECONDS


@pytest.mark.parametrize(
    ("cost", "steps", "number"),
    [
        (None, 1000, EVALUATIONS),
        (None, 3, 3),
        (Cost(0.01, 0.0), 1000, EVALUATIONS),
        (Cost(0.01, 10 * EVALUATION_SHARE / 50), 1000, EVALUATIONS),  # 10 s of steps would pay for 50
        (Cost(0.01, 10 * EVALUATION_SHARE / 5.01), 1000, 5),
        (Cost(0.01, 10 * EVALUATION_SHARE / 4.99), 1000, 4),
        (Cost(0.01, 9.0), 1000, 1),  # too dear, but the last one is always made
        (Cost(1.0, 1e-6), 2, 2),
        (Cost(1.0, 1.0), 1, 1),
    ],
)
def test_an_evaluation_that_is_dear_is_made_less_often(cost, steps, number):
    assert evaluations(cost, steps) == number


@pytest.mark.parametrize("steps", [1, 7, 10, 99, 1000])
def test_evaluations_are_spread_over_the_run(steps):
    config = planned(steps=steps)
    assert watched(steps, config.eval_every) <= EVALUATIONS
    assert config.eval_every <= math.ceil(steps / min(steps, EVALUATIONS))
    assert config.sample_every == config.eval_every


@pytest.mark.parametrize(
    ("asked", "cost", "steps"),
    [("10s", 0.05, 200), ("1m", 0.05, 1200), ("0.01s", 1.0, 1), (25, 0.05, 25), ("1m30s", 0.5, 180)],
)
def test_durations_between_evaluations_and_samples_become_steps(asked, cost, steps):
    assert planned(Cost(cost, 0.0), steps=10_000, eval_every=asked).eval_every == steps
    assert planned(Cost(cost, 0.0), steps=10_000, sample_every=asked).sample_every == steps


@pytest.mark.parametrize(("asked", "kept"), [(None, "5m"), (300, 300), ("90s", "90s")])
def test_saving_stays_as_it_was_asked_for(asked, kept):
    assert planned(steps=10, save_every=asked).save_every == kept


@pytest.mark.parametrize(("steps", "asked", "warmup"), [(5, None, 0), (200, None, 20), (5000, None, 100), (5, 50, 50)])
def test_the_warm_up_is_a_tenth_and_at_most_a_hundred_steps(steps, asked, warmup):
    assert planned(steps=steps, warmup=asked).warmup == warmup


@pytest.mark.parametrize("asked", [{"epochs": 1e12}, {"epochs": 1e300}, {"steps": 9, "eval_every": "9000d"}], ids=str)
def test_a_length_beyond_all_bounds_is_refused_in_words(asked):
    with pytest.raises(SettingsError):
        planned(Cost(1e-4, 0.0), **asked)


@pytest.mark.parametrize(
    ("asked", "needed"),
    [
        ({}, True),
        ({"time": "1m"}, True),
        ({"steps": 10}, False),
        ({"epochs": 2}, False),
        ({"steps": 10, "eval_every": 5}, False),
        ({"steps": 10, "eval_every": "5s"}, True),
        ({"epochs": 2, "sample_every": "5s"}, True),
        ({"steps": 10, "save_every": "5m"}, False),
    ],
    ids=str,
)
def test_a_run_is_measured_only_when_seconds_are_asked_for(asked, needed):
    wish = Wish()
    wish.add(asked, "flag")
    assert plan.needs_measuring(wish) is needed


def run_config(**changes):
    values = {
        "layers": 1, "hidden": 4, "embedding": 3, "dropout": 0.0, "corpus": ["poem.txt"], "validation_fraction": 0.1,
        "batch_size": 2, "seq_length": 3, "steps": 1000, "learning_rate": 0.01, "warmup": 0, "eval_every": 100,
        "save_every": "5m", "sample_every": 5, "device": "cpu", "precision": "float32", "threads": 1,
        "weight_drop": 0.0, "dropout_start": 1.0,
    }  # fmt: skip
    return RunConfig(**values | changes)


# half of 1000 steps are made, 0.1 s each; room for n more steps is n * 0.1 / MARGIN and the closing
@pytest.mark.parametrize(
    ("room", "steps"),
    [(500, 1000), (509, 1000), (491, 1000), (511, 1011), (489, 989), (1000, 1500), (250, 750), (1, 501), (0, 501),
     (-90, 501)],
)  # fmt: skip
def test_a_run_is_replanned_when_its_end_moves_by_more_than_a_hundredth(room, steps):
    seconds_left = (room + 0.5) * 0.1 / MARGIN + LEAVING_SECONDS
    config = run_config()
    again = replan(config, 500, Cost(0.1, 0.0), seconds_left, fixed=True)
    assert again == config.model_copy(update={"steps": steps})


@pytest.mark.parametrize(("steps", "room", "longer"), [(1, 0, 1), (1, 1, 1), (1, 90, 91), (50, 50, 50), (50, 51, 101)])
def test_a_run_that_ends_early_goes_on_if_most_of_its_time_is_left(steps, room, longer):
    seconds_left = (room + 0.5) * 0.1 / MARGIN + LEAVING_SECONDS
    assert replan(run_config(steps=steps, eval_every=steps), steps, Cost(0.1, 0.0), seconds_left).steps == longer


@pytest.mark.parametrize(("made", "room", "most", "steps"), [
    (500, 900, 1100, 1100), (500, 900, 1000, 1000), (500, 100, 1100, 600), (1000, 900, 1000, 1000),
    (1000, 1100, 1050, 1000),
])  # fmt: skip
def test_a_replanned_run_never_makes_more_steps_than_the_text_is_worth(made, room, most, steps):
    seconds_left = (room + 0.5) * 0.1 / MARGIN + LEAVING_SECONDS
    assert replan(run_config(), made, Cost(0.1, 0.0), seconds_left, most=most).steps == steps


def check_length(config, made, again, cost, seconds_left):
    """The rest of the run ends in time and uses it; a plan that fits within a hundredth may be kept."""
    more = again.steps - made
    needed = more * cost.step + watched(more, again.eval_every) * cost.evaluation + LEAVING_SECONDS
    late = 0.01 * config.steps * cost.step if again == config else 0.0
    assert 0.9 * seconds_left - 1 <= needed <= seconds_left + late


@pytest.mark.parametrize("eval_every", [1, 10, 100, 5000])
@pytest.mark.parametrize("evaluation", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("seconds_left", [10.0, 59.0, 300.0])
def test_a_replanned_run_ends_in_time_and_keeps_the_interval_that_was_asked_for(eval_every, evaluation, seconds_left):
    config, cost = run_config(steps=5900, eval_every=eval_every), Cost(0.01, evaluation)
    again = replan(config, eval_every, cost, seconds_left, fixed=True)
    assert again.eval_every == eval_every
    check_length(config, eval_every, again, cost, seconds_left)


@pytest.mark.parametrize("faster", [0.25, 0.5, 0.9, 1.0, 1.2, 1.9, 3.0, 20.0])
def test_a_machine_that_changes_its_speed_ends_in_time_with_few_evaluations(faster):
    before = Cost(0.01, 0.4)
    config = planned(before, 60.0, time=60.0)
    made = config.eval_every
    after, seconds_left = Cost(before.step / faster, before.evaluation), 60.0 - made * before.step
    again = replan(config, made, after, seconds_left)
    assert watched(again.steps - made, again.eval_every) <= 2 * EVALUATIONS
    check_length(config, made, again, after, seconds_left)


@pytest.mark.parametrize("validation", [2, 5_000, 150_000, 10**6])
def test_a_short_evaluation_says_what_a_long_one_costs(monkeypatch, validation):
    """Here a second for every symbol that is read: those that are scored, and run-ups of all lanes but the first."""
    clock, corpus = [0.0], corpus_of(100, validation)

    def evaluate(network, corpus, group, most):
        clock[0] += reading(corpus, most)

    monkeypatch.setattr(plan, "validate", evaluate)
    monkeypatch.setattr(plan.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(plan, "_MOST", 1)
    whole = reading(corpus)
    assert measure(run_config(), corpus).evaluation == pytest.approx(whole)
    assert clock[0] <= min(whole, SHORTEST + 31 * 512)
    seen = min(validation, EVALUATED) - 1
    assert whole == pytest.approx(seen + (min(32, max(1, seen // 1024)) - 1) * 512, abs=32)


def test_measuring_finds_what_a_step_and_an_evaluation_cost(monkeypatch):
    monkeypatch.setattr(plan, "_SECONDS", 0.0)
    cost = measure(run_config(), corpus_of(100))
    assert 0 < cost.step < 10
    assert 0 < cost.evaluation < 10


@pytest.mark.parametrize(
    ("train", "validation", "closing"),
    [(100, 2, 0.5), (500_000, 2, 2.0), (10**6, 2, 3.5), (10**8, 2, 3.5), (100, 100_000, 0.8), (100, 10**6, 1.1)],
)
def test_what_comes_after_the_last_step_takes_as_long_as_there_is_to_count(monkeypatch, train, validation, closing):
    """And no longer where nothing is counted: nobody is to see it, or the network reads from both sides."""
    monkeypatch.setattr(plan, "_SECONDS", 0.0)
    monkeypatch.setattr(plan, "_MOST", 0)
    corpus = corpus_of(train, validation)
    assert measure(run_config(), corpus, baselines=True).closing == pytest.approx(closing, abs=0.001)
    assert measure(run_config(), corpus).closing == LEAVING_SECONDS
    corpus = replace(corpus, vocabulary=Vocabulary("char", ("a", "b", GAP), gaps=True))
    assert measure(run_config(bidirectional=True), corpus, baselines=True).closing == LEAVING_SECONDS


def test_time_that_no_counting_takes_is_trained_in():
    short, long = (planned(Cost(0.01, 0.0, closing), 30.0, time=30.0).steps for closing in (0.5, 3.5))
    assert short - long == pytest.approx(MARGIN * 3.0 / 0.01, abs=2)
