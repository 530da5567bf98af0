"""A run that was given a time ends in it, whatever becomes of the machine's speed."""

import pytest

from charrnn.config import RunConfig
from charrnn.planning.plan import CLOSING_SECONDS, Cost
from charrnn.training import pace as module
from charrnn.training.pace import Pace


def config(steps):
    values = {"cell": "lstm", "layers": 1, "hidden": 8, "embedding": 6, "dropout": 0.0, "corpus": ["-"], "steps": steps}
    values |= {"validation_fraction": 0.1, "batch_size": 3, "seq_length": 10, "learning_rate": 0.01, "warmup": 2}
    values |= {"weight_drop": 0.0, "dropout_start": 1.0, "eval_every": steps, "save_every": 5, "sample_every": steps}
    return RunConfig(**values, device="cpu", threads=1, precision="float32")


def spent(monkeypatch, budget, planned, cost_of):
    """The seconds that a run takes whose step i costs `cost_of(i)`; a clock that only steps move."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    pace = Pace(100.0 + budget, Cost(planned, 0.0))
    run, step = config(int((budget - CLOSING_SECONDS) / planned)), 0
    pace.back_to(0, 0.0)
    while step < run.steps:
        now[0] += cost_of(step)
        step += 1
        if pace.due(step, run.steps):
            run = pace.planned(run, step, now[0] - 100.0)
    return now[0] - 100.0


@pytest.mark.parametrize("slower", [1, 2, 10, 60])
@pytest.mark.parametrize("begins", [0.0, 0.1, 0.35, 0.7, 0.95])
def test_a_machine_that_becomes_slower_ends_the_run_in_time(monkeypatch, slower, begins):
    """An eighth of the time may pass before it shows, and the last step may be one of the slow ones."""
    budget, each = 95.0, 0.03
    first = begins * budget / each
    taken = spent(monkeypatch, budget, each, lambda step: each * (slower if step >= first else 1))
    assert taken <= budget + 2 * slower * each
    assert taken >= 0.8 * budget


def test_a_machine_that_becomes_faster_is_used_to_the_end(monkeypatch):
    assert 0.9 * 95 < spent(monkeypatch, 95.0, 0.3, lambda step: 0.3 if step < 100 else 0.03) <= 95


def test_without_a_time_nothing_is_planned_anew():
    assert not Pace().due(100, 100)
