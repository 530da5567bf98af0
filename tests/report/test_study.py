"""What a report is told: the passage, the levels of cells, shares of gradients and of what is copied."""

import math

import numpy as np
import pytest

from charrnn.evaluation.gradients import reach
from charrnn.evaluation.novelty import novelty
from charrnn.evaluation.units import activations
from charrnn.language_model import load
from charrnn.report.study import SAMPLE, SEED, beginning, card, rungs, shown, study
from charrnn.text.marks import ANSWER, END
from charrnn.text.vocabulary import Vocabulary

WORDS = Vocabulary.of("ab\n")


@pytest.fixture(scope="module")
def model(trained):
    return load(trained / "checkpoints/verses")


@pytest.fixture(scope="module")
def corpus(model):
    return model.own_text()


@pytest.fixture(scope="module")
def account(model):
    return study(model)


def test_the_passage_is_held_out_text_with_the_likeliest_first(account, model, corpus):
    text = "".join(symbol.text for symbol in account.passage)
    assert text in model.vocabulary.decode(corpus.validation.tolist())
    assert account.where == "From the held-out text"
    for symbol in account.passage:
        shares = [share for _, share in symbol.likeliest]
        assert len(shares) == 5
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-9
        assert all(2**-symbol.bits == pytest.approx(share) for name, share in symbol.likeliest if name == symbol.text)


def test_levels_are_the_activations_of_every_unit(account, model, corpus):
    start = len(corpus.validation) - len(account.passage)
    values = activations(model.networks.numpy, corpus.validation)[start:]
    assert len(account.cells.levels) == values.shape[1] == 24
    for unit, levels in enumerate(account.cells.levels):
        drawn = np.array([int(level, 15) for level in levels]) / 7 - 1
        assert np.abs(drawn - values[:, unit]).max() <= 1 / 14 + 1e-6


def test_the_gradient_is_a_share_of_what_reaches_one_step_back(account, model, corpus):
    norms = reach(model.networks.torch.network, corpus.validation, model.checkpoint.config.seq_length)
    assert account.reach == pytest.approx(tuple(norms / norms[0]))
    assert account.reach[0] == 1


def test_what_is_copied_is_told_of_the_sample_that_is_shown(account, model, corpus):
    text = model.sample(length=SAMPLE.length, temperature=SAMPLE.temperature, seed=SEED).text
    before, copied, after = account.copying.sample
    assert before + copied + after == text
    assert copied in model.vocabulary.decode(corpus.train.tolist())
    assert account.copying.longest[0] == len(copied)
    assert account.copying.shares[4][0] == novelty(corpus.train, model.ids(text)).shares[4]
    theirs = novelty(corpus.train, corpus.validation[: len(text)])
    assert account.copying.longest[1] == theirs.length
    assert {n: share for n, (_, share) in account.copying.shares.items()} == theirs.shares


def test_the_card_says_what_the_checkpoint_says(model):
    said = dict(card(model))
    nats = model.checkpoint.progress.validation_nats
    assert said["validation"] == f"{nats:.4f} nats = {nats / math.log(2):.4f} bits per character"
    assert "60 of 60 steps" in said["trained"]


@pytest.mark.parametrize(("text", "first"), [("ab\n" * 400, 402), ("a" * 600, 200), ("a" * 3000, 512), ("ab", 1)])
def test_a_passage_begins_with_a_line_after_a_run_up(text, first):
    assert beginning(WORDS.encode(text), WORDS) == first


def test_a_symbol_is_shown_by_itself():
    assert [shown(WORDS, symbol) for symbol in range(3)] == ["\n", "a", "b"]
    assert shown(Vocabulary.of(b"any"), 0xC3) == "\\xc3"
    assert shown(Vocabulary("char", (END, "a"), end="\n"), 0) == ""


def test_of_questions_and_answers_the_answers_count_and_their_ends():
    ids = np.array([0, 2, 3, 1, 2, 0, 3, 1, 0, 2, 2])
    answers = Vocabulary("char", (END, ANSWER, "a", "b"), end="\n", answer="=")
    assert answers.layout.counted(ids).astype(int).tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0]
    assert answers.layout.counted(ids[1:]).astype(int).tolist() == [0, 0, 0, 1, 1, 0, 0, 1, 0, 0]
    assert Vocabulary("char", (END, "a", "b", "c"), end="\n").layout.counted(ids).all()


def test_rungs_are_the_samples_of_a_record_whatever_else_is_in_it():
    events = [
        {"event": "sampled", "step": 1, "text": "a", "nats_per_char": math.log(2)},
        {"event": "trained", "step": 2},
        {"event": "sampled", "step": 3, "text": 7},
        {"event": "sampled", "step": 4, "text": "b", "nats_per_char": "nan"},
    ]
    assert [(rung.step, rung.bits_per_char, rung.text) for rung in rungs(events)] == [(1, 1.0, "a"), (4, None, "b")]
