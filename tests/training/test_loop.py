"""What the hub does when things go wrong before anything was saved."""

import math
import time

import numpy as np
import pytest
import torch

from charrnn.config import Wish
from charrnn.language_model import load
from charrnn.learning.learner import Learner
from charrnn.planning import plan
from charrnn.planning.plan import Cost
from charrnn.planning.preparation import Request
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.runs.events import Evaluated, RolledBack
from charrnn.training.interruption import Interruption
from charrnn.training.session import opened

SIZES = {"hidden": 8, "embedding": 4, "batch_size": 2, "seq_length": 8, "precision": "float32", "threads": 1}


def train(folder, name, *, init_from=None, listener=lambda event: None, **settings):
    wish = Wish()
    wish.add({"corpus": [str(folder / "text.txt")], **settings}, "flag")
    with opened(Request(wish, folder, name, init_from=init_from), listener, Interruption()) as loop:
        loop.go()
    return loop


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "text.txt").write_text("to be or not to be, that is the question; " * 20)
    return tmp_path


def test_a_fine_tuned_run_that_diverges_before_its_first_save_goes_back_to_the_weights_it_began_with(
    folder, monkeypatch
):
    train(folder, "old", steps=20, **SIZES)
    begun, real, faults = [], Learner.step, [torch.tensor(math.nan)]

    def step(self, window, index):
        if index == 0:
            begun.append(self.network.weights()["head.weight"].copy())
        loss, norm = real(self, window, index)
        return (faults.pop() if index == 1 and faults else loss), norm

    monkeypatch.setattr(Learner, "step", step)
    told = []
    train(
        folder,
        "new",
        init_from="old",
        steps=6,
        eval_every=6,
        listener=told.append,
        threads=1,
        batch_size=2,
        seq_length=8,
    )
    assert [event.step for event in told if isinstance(event, RolledBack)] == [0]
    old = read_checkpoint(folder / "old" / "best.safetensors").weights["head.weight"]
    assert len(begun) == 2
    assert all(np.array_equal(weights, old) for weights in begun)


def test_what_a_run_shares_scores_as_the_run_said_at_the_temperature_that_it_said(folder):
    told = []
    loop = train(folder, "sure", steps=400, eval_every=100, learning_rate=0.05, listener=told.append, **SIZES)
    said = {event.step: event for event in told if isinstance(event, Evaluated)}
    best = said[loop.progress.best_step]
    assert len(said) == 4
    for model, of in ((load(folder / "sure"), best), (load(max((folder / "sure").glob("step-*"))), said[400])):
        assert model.checkpoint.progress.temperature == of.temperature
        found = model.score([loop.corpus.validation]).nats_per_char
        assert found == pytest.approx(of.nats_per_char, abs=1e-6)
    assert best.temperature != 1.0, "the test says nothing"


def test_a_run_with_a_time_uses_it_though_the_machine_was_slow_while_it_was_measured(folder, monkeypatch):
    monkeypatch.setattr(plan, "measure", lambda *_, **__: Cost(step=60.0, evaluation=0.01))
    began = time.monotonic()
    loop = train(folder, "slow", time=6.0, **SIZES)
    assert loop.progress.step > 20
    assert time.monotonic() - began < 30
