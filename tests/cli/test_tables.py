"""Scores for people: what they stand on is said, and nothing is written that is not there."""

import math

import pytest

from charrnn.cli.tables import interval, validation_rows
from charrnn.config import RunConfig
from charrnn.evaluation.baselines import baselines
from charrnn.evaluation.held_out import EVALUATED
from charrnn.runs.progress import Progress
from charrnn.text.corpus import Corpus
from charrnn.text.marks import ANSWER, END
from charrnn.text.vocabulary import Vocabulary

REACHED = Progress(step=9, evaluated_step=9, validation_nats=2 * math.log(2), best_nats=math.log(2), best_step=3)
PLAIN = RunConfig.model_construct()


def corpus_of(vocabulary, train, validation):
    return Corpus(vocabulary, *(vocabulary.encode(part) for part in (train, validation, "")), "")


@pytest.mark.parametrize("validation", [400, EVALUATED + 8])
def test_baselines_are_those_of_what_was_watched(validation):
    corpus = corpus_of(Vocabulary.of("abcd"), "abcabd" * 50, "abcd" * (validation // 4))
    (name, ours), *others = validation_rows(REACHED, corpus, PLAIN)
    assert name == "validation"
    assert ours.startswith("1.0000 bits per character = 0.6931 nats (the best, at step 3; last 2.0000")
    assert (f"on its first {EVALUATED:,} symbols" in ours) == (validation > EVALUATED)
    expected = baselines(corpus.train, corpus.validation[:EVALUATED], corpus.vocabulary)
    assert [name for name, _ in others] == list(expected)
    assert all(row.startswith(f"{expected[name]:.4f} bits per character (") for name, row in others)


def test_answers_are_compared_with_nothing():
    """Counting cannot be told which symbols are asked and which are answers."""
    vocabulary = Vocabulary("char", (END, "a", "b", ANSWER), end="\n", answer="\t")
    corpus = corpus_of(vocabulary, f"{END}a{ANSWER}b{END}" * 9, f"{END}a{ANSWER}b{END}")
    assert [name for name, _ in validation_rows(REACHED, corpus, PLAIN)] == ["validation"]


def test_no_difference_has_no_sign():
    assert interval({"mean": -1e-5, "low": -0.02, "high": 2e-5}) == "0.0000 (-0.0200 to 0.0000)"
