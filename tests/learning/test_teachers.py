"""What teachers expect is what they say, and a student's loss is the formula."""

import re

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from charrnn.config import RunConfig
from charrnn.learning import teachers
from charrnn.learning.learner import Learner
from charrnn.learning.teachers import Expected, expectations, row_of
from charrnn.model.network import CharRNN
from charrnn.text import survey
from charrnn.text.batches import windows_of
from charrnn.text.corpus import build_corpus
from charrnn.text.lanes import Lanes
from charrnn.text.marks import END
from charrnn.text.vocabulary import Vocabulary

CORPUS = build_corpus("the quick brown fox jumps over the lazy dog; " * 80)
V = len(CORPUS.vocabulary)


def config(**changes):
    values = {"cell": "lstm", "layers": 1, "hidden": 8, "embedding": 6, "dropout": 0.0, "corpus": ["-"], "steps": 9}
    values |= {"validation_fraction": 0.1, "batch_size": 3, "seq_length": 10, "learning_rate": 0.01, "warmup": 2}
    values |= {"weight_drop": 0.0, "dropout_start": 1.0, "eval_every": 5, "save_every": 5, "sample_every": 5}
    return RunConfig(**values | {"device": "cpu", "threads": 1, "precision": "float32"} | changes)


def network(seed, symbols=V):
    torch.manual_seed(seed)
    return CharRNN(config(), symbols)


def rows(networks, corpus=CORPUS):
    return np.concatenate(list(expectations(networks, corpus.train, corpus.vocabulary, lambda text: None)))


def directly(networks, ids):
    """Their mean at every place after the first, the state carried from the beginning."""
    found = 0
    for each in networks:
        with torch.no_grad():
            logits, _ = each(torch.from_numpy(ids[:-1].astype(np.int64))[:, None], each.initial_state(1))
        found = found + logits[:, 0].softmax(-1) / len(networks)
    return found.numpy()


def wanted_of(expected, window, symbols=V):
    taught = {name: held.take(window.places[1:]) for name, held in expected.on(torch.device("cpu")).items()}
    counted = None if window.counted is None else torch.from_numpy(window.counted)
    return expected.targets(taught, torch.from_numpy(window.targets), counted, symbols)


def test_what_teachers_expect_is_the_mean_of_what_they_say(monkeypatch):
    """Also block by block, each with what stands before it."""
    networks = [network(1), network(2)]
    expected = directly(networks, CORPUS.train)
    for held in (1 << 26, 1):
        monkeypatch.setattr(teachers, "_HELD", held)
        found = rows(networks)
        assert len(found) == len(CORPUS.train)
        assert not found[0]["p"].any()
        assert np.abs(found["p"][1:] - expected).max() < 1e-3


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("kept", [V, 4])
def test_a_student_s_loss_is_the_formula(monkeypatch, weight, kept):
    """(1 - w) times the cross-entropy of the text plus w times that of the teachers; of few symbols the rest is t's."""
    if kept < V:
        monkeypatch.setattr(teachers, "WHOLE", 1)
        monkeypatch.setattr(teachers, "LIKELIEST", kept)
    found = rows([network(1)])
    window = Lanes(CORPUS.train, 3, 10).window(4)
    wanted = wanted_of(Expected(found, weight), window)
    logits = torch.randn(10, 3, V)
    ours = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(0, 1))
    logs, p = logits.log_softmax(-1), directly([network(1)], CORPUS.train)[window.places[1:] - 1]
    if kept < V:
        smallest = np.sort(p, axis=-1)[..., -kept][..., None]
        p = np.where(p >= smallest, p, 0)
    hard = -logs.gather(-1, torch.from_numpy(window.targets)[..., None])[..., 0]
    lost = torch.from_numpy(1 - p.sum(-1)) if kept < V else 0
    soft = -(torch.from_numpy(p) * logs).sum(-1) + lost * hard
    assert float(ours) == pytest.approx(float(((1 - weight) * hard + weight * soft).mean()), abs=2e-3)
    assert torch.allclose(wanted.sum(-1), torch.ones(10, 3), atol=1e-5)


def test_a_teacher_of_no_weight_changes_nothing():
    windows = Lanes(CORPUS.train, 3, 10)
    alone, taught = Learner(config(), V), Learner(config(), V, expected=Expected(rows([network(1)]), 0.0))
    for step in range(6):
        losses = [float(learner.step(windows.window(step), step)[0]) for learner in (alone, taught)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_whoever_teaches_is_followed():
    """A student of one that always expects an x comes to expect it, whatever the text says."""
    found = np.zeros(len(CORPUS.train), dtype=row_of(V))
    place = int(CORPUS.vocabulary.encode("x")[0])
    found["p"][:, place] = 1
    learner, windows = (
        Learner(config(learning_rate=0.05, steps=60), V, expected=Expected(found, 0.9)),
        Lanes(CORPUS.train, 3, 10),
    )
    for step in range(60):
        learner.step(windows.window(step), step)
    logits, _ = learner.network(torch.from_numpy(windows.window(0).inputs), learner.network.initial_state(3))
    assert float(logits.detach().softmax(-1)[..., place].mean()) > 0.7


def test_how_far_the_teachers_are_is_told(monkeypatch):
    monkeypatch.setattr(survey, "_TELL_SECONDS", -1.0)
    told, n = [], len(CORPUS.train)
    list(expectations([network(1), network(2)], CORPUS.train, CORPUS.vocabulary, told.append))
    found = [re.fullmatch(r"teachers: read ([\d,]+) of ([\d,]+) symbols", line).groups() for line in told]
    read = [int(one.replace(",", "")) for one, _ in found]
    assert {of for _, of in found} == {f"{2 * n:,}"}
    assert read == sorted(read)
    assert 0 == read[0] < read[-1] <= 2 * n


def test_of_records_only_what_counts_is_taught():
    vocabulary = Vocabulary("char", tuple(sorted({END, *"abc"})), end="\n")
    ids = vocabulary.encode(END + "ab" + END + "abcabc" + END + "c" + END)
    windows = windows_of(ids, vocabulary, 2, 4)
    found = np.concatenate(list(expectations([network(1, 4)], ids, vocabulary, lambda text: None)))
    for step in range(windows.windows):
        window = windows.window(step)
        wanted = wanted_of(Expected(found, 0.5), window, 4)
        assert torch.allclose(wanted.sum(-1), torch.from_numpy(window.counted).float(), atol=1e-5)
        assert (window.places[1:][window.counted] > 0).all()
