"""Records are scored alone, exactly; of those with answers the answers are, and what would be answered is known."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config import ModelConfig
from charrnn.evaluation.choices import choose
from charrnn.evaluation.score import Score, score_stream, total
from charrnn.generation.generate import generate
from charrnn.generation.sample import Request, Sampling
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.shapes import parameter_shapes
from charrnn.text.marks import ANSWER, END
from charrnn.text.vocabulary import Vocabulary

few = settings(max_examples=40, deadline=None)
RECORDS = Vocabulary("char", (END, "a", "b", "c"), end="\n")
ANSWERS = Vocabulary("char", (END, "a", "b", "c", ANSWER), end="\n", answer="=")


def network(symbols, seed=0):
    config = ModelConfig(cell="lstm", layers=2, hidden=8, embedding=4, dropout=0)
    generator = np.random.default_rng(seed)
    shapes = parameter_shapes(config, symbols)
    weights = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights["head.bias"][4:] = -100  # nobody is asked for ANSWER, and a sample never writes it
    return NumpyNetwork(config, symbols, weights)


def scored(vocabulary, text, seed=0, pieces=None):
    """The parts of a text of records as they are scored, and their total."""
    reader, ids = network(len(vocabulary), seed), vocabulary.encode(text)
    parts = list(score_stream(lambda short: reader, pieces or [ids], vocabulary))
    return parts, sum((total(vocabulary, *part) for part in parts), Score())


def stepped(vocabulary, record, seed=0):
    """Nats of every symbol of one record, END included, by stepping from a fresh state."""
    reader = network(len(vocabulary), seed)
    state, nats = reader.initial_state(1), []
    ids = vocabulary.encode(END + record + END).astype(np.int64)
    for symbol, target in itertools.pairwise(ids):
        logits, state = reader.step(np.array([symbol]), state)
        logits = logits[0].astype(np.float64)
        nats.append(math.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[target])
    return nats


WORDS = st.lists(st.text(st.sampled_from("abc"), min_size=1, max_size=12), min_size=1, max_size=12)


@few
@given(WORDS)
def test_a_record_costs_what_it_costs_alone(records):
    (part,), score = scored(RECORDS, END + "".join(record + END for record in records))
    expected = [nats for record in records for nats in stepped(RECORDS, record)]
    assert math.isnan(part.nats[0])
    np.testing.assert_allclose(part.nats[1:], expected, rtol=0, atol=1e-5)
    assert score.symbols == score.characters == sum(len(record) + 1 for record in records)


@few
@given(WORDS, st.randoms())
def test_the_score_of_records_does_not_depend_on_their_order_to_the_last_bit(records, chance):
    mixed = chance.sample(records, len(records))
    one, other = (scored(RECORDS, END + "".join(record + END for record in some))[1] for some in (records, mixed))
    assert one == other


@pytest.mark.parametrize("size", [5, 64, 1000])
def test_records_score_the_same_in_blocks(monkeypatch, size):
    generator = np.random.default_rng(0)
    records = ["".join(generator.choice(list("abc"), size=generator.integers(1, 31))) for _ in range(200)]
    text = END + "".join(record + END for record in records)
    (whole,), score = scored(RECORDS, text)
    monkeypatch.setattr("charrnn.evaluation.score.BLOCK", size)
    ids = RECORDS.encode(text)
    parts, same = scored(RECORDS, text, pieces=[ids[start : start + 7] for start in range(0, len(ids), 7)])
    np.testing.assert_array_equal(np.concatenate([part.ids for part in parts]), ids)
    np.testing.assert_array_equal(np.concatenate([part.nats for part in parts]), whole.nats)
    assert all(part.ids[-1] == 0 for part in parts)
    assert same.nats == pytest.approx(score.nats, rel=1e-12)
    assert (same.symbols, same.bytes) == (score.symbols, score.bytes)


@few
@given(st.lists(st.tuples(*[st.text(st.sampled_from("abc"), max_size=6)] * 2), min_size=1, max_size=8))
def test_only_answers_are_scored(pairs):
    text = END + "".join(f"{question}{ANSWER}{answer}{END}" for question, answer in pairs)
    (part,), score = scored(ANSWERS, text)
    expected = []
    for question, answer in pairs:
        expected += stepped(ANSWERS, f"{question}{ANSWER}{answer}")[len(question) + 1 :]
    np.testing.assert_allclose(part.nats[~np.isnan(part.nats)], expected, rtol=0, atol=1e-5)
    assert (score.symbols, score.records) == (sum(len(answer) + 1 for _, answer in pairs), len(pairs))


@pytest.mark.parametrize("seed", range(3))
def test_exact_match_is_what_greedy_answers_match(seed):
    """The model's own greedy answers and others: teacher forcing counts exactly those that it would write."""
    reader = network(len(ANSWERS), seed)
    questions = ["".join(word) for word in itertools.product("abc", repeat=3)]
    requests = [Request(ANSWERS.encode(question + ANSWER), 0) for question in questions]
    sampling = Sampling(length=8, temperature=0.0, records=True)
    own = dict.fromkeys(range(len(questions)), b"")
    ended = set()
    for piece in generate(reader, ANSWERS, requests, sampling):
        own[piece.number] += piece.text
        if piece.ending is not None and piece.ending.reason == "record":
            ended.add(piece.number)
    answers = [own[number].decode() if number % 2 and number in ended else "cab" for number in range(len(questions))]
    text = END + "".join(f"{q}{ANSWER}{a}{END}" for q, a in zip(questions, answers, strict=True))
    (part,), score = scored(ANSWERS, text, seed)
    right = sum(own[n].decode() == answers[n] and n in ended for n in range(len(questions)))
    assert score.exact == right
    assert score.exact_match == right / len(questions)
    assert score.accuracy == part.hits[~np.isnan(part.nats)].mean()


@few
@given(st.lists(st.text(st.sampled_from("abc"), max_size=4), min_size=1, max_size=6), st.integers(0, 3))
def test_the_choice_is_the_likeliest_answer(questions, seed):
    offered = ["a", "", "cb", "bbb"]
    text = END + "".join(f"{question}{ANSWER}b{END}" for question in questions)
    found = choose(network(len(ANSWERS), seed), ANSWERS, ANSWERS.encode(text), [ANSWERS.encode(c) for c in offered])
    for question, (asked, answer, best) in zip(questions, found, strict=True):
        costs = [sum(stepped(ANSWERS, f"{question}{ANSWER}{c}", seed)[len(question) + 1 :]) for c in offered]
        assert ANSWERS.decode(asked.tolist()) == question
        assert ANSWERS.decode(answer.tolist()) == "b"
        assert costs[best] <= min(costs) + 1e-4


# Characters that were folded


def test_an_unknown_character_costs_its_class_and_which_it_is():
    vocabulary = Vocabulary("char", ("a", "b"), folds=True)
    reader = network(3)
    (part,) = score_stream(lambda short: reader, [vocabulary.encode("aé好b")], vocabulary)
    plain, _, _ = reader.surprisal(np.array([[0], [2], [2]]), np.array([[2], [2], [1]]), reader.initial_state(1))
    spelling = math.log(0x110000 - 2048 - 2)
    np.testing.assert_allclose(part.nats[1:], plain[:, 0] + [spelling, spelling, 0], rtol=0, atol=1e-6)
    assert part.nats[0] == math.log(3)
