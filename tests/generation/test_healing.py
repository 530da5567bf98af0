"""Prompts of a model of words, cut anywhere: what follows is what the text has, with its probability."""

import math

import numpy as np
import pytest

from charrnn.config import ModelConfig
from charrnn.generation.beam import continuations
from charrnn.generation.choose import softmax
from charrnn.generation.generate import generate
from charrnn.generation.limits import Spans
from charrnn.generation.sample import Request, Sampling
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.shapes import parameter_shapes
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.words import unfinished, words

SYMBOLS = ("\n", " ", "a", "b", "l", "o", "w", "flow", " flow", " flowl", " fa", "f", " is", " f")
V = Vocabulary("word", tuple(sorted(SYMBOLS)))


@pytest.fixture(scope="module")
def network():
    config = ModelConfig(cell="lstm", layers=2, hidden=8, embedding=4, dropout=0)
    generator = np.random.default_rng(3)
    shapes = parameter_shapes(config, len(V))
    weights = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return NumpyNetwork(config, len(V), weights)


def chances(network, read, path):
    state, found = network.initial_state(1), 1.0
    whole = [*read, *path]
    for place, symbol in enumerate(whole[:-1]):
        logits, state = network.step(np.array([symbol]), state)
        if place + 1 >= len(read):
            found *= float(softmax(logits)[0, whole[place + 1]])
    return found


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("cash flow is ", " "),
        ("cash flow is", " is"),
        ("cash fl", " fl"),
        ("cash", "cash"),
        ("a  ", " "),
        ("a  b", " b"),
        ("a\n", ""),
        ("a.", ""),
        ("", ""),
        ("a\nb_1", "b_1"),
        ("x" * 64, ""),
        (" " + "x" * 63, " " + "x" * 63),
        ("x" * 70, "x" * 6),
        ("\u4e2d\u6587", "\u4e2d\u6587"),
    ],
)
def test_the_rest_is_what_a_word_may_go_on_with(text, rest):
    assert unfinished(text) == rest


def test_what_stands_before_the_rest_is_encoded_alike_whatever_follows():
    """The border is one that no continuation moves."""
    generator = np.random.default_rng(0)
    for _ in range(300):
        text = "".join(generator.choice(list("ab \n.x"), size=80))
        cut = int(generator.integers(80))
        border = cut - len(unfinished(text[:cut]))
        first = words(text[:border])
        assert words(text)[: len(first)] == first


@pytest.mark.parametrize("rest", [" ", " f", " fl", " flow", "fl", "f", "a"])
def test_the_distribution_is_that_of_all_texts_that_begin_with_the_prompt(network, rest):
    """Every way to write the rest and one symbol more, added up by hand."""
    read = [V.symbols.index("a"), V.symbols.index("\n")]
    spelling = [V.symbols.index(c) for c in rest]
    ways = [[place] for place, symbol in enumerate(V.symbols) if symbol.startswith(rest)]
    ways += [spelling] if len(rest) > 1 else []
    total, expected = 0.0, {}
    for way in ways:
        p = chances(network, read, way)
        total += p
        text = V.decode(way)[len(rest) :]
        following = [(way, text)] if text else [([*way, s], V.symbols[s]) for s in range(len(V))]
        for path, shown in following:
            expected[shown] = expected.get(shown, 0.0) + chances(network, read, path)
    found = dict(continuations(network, V, np.array(read), 1, 99, rest))
    assert found.keys() == expected.keys()
    assert sum(found.values()) == pytest.approx(1)
    for text, p in expected.items():
        assert found[text] == pytest.approx(p / total, rel=1e-4)


@pytest.mark.parametrize("rest", [" ", " fl", " flow", "fl"])
def test_samples_are_as_frequent_as_that_distribution_and_cost_its_logarithm(network, rest):
    """What 2,000 samples of one character begin with, within 5 sigma."""
    read = np.array([V.symbols.index("a"), V.symbols.index("\n")])
    requests = [Request(read, seed, rest) for seed in range(2000)]
    pieces = list(generate(network, V, requests, Sampling(length=1), lanes=64))
    seen = {}
    for piece in pieces:
        text, before = seen.get(piece.number, (b"", None))
        seen[piece.number] = text + piece.text, piece.ending or before
    expected = {}
    for text, p in continuations(network, V, read, 1, 99, rest):
        expected[text[0]] = expected.get(text[0], 0.0) + p
    for first, p in expected.items():
        count = sum(text.decode() == first for text, _ in seen.values())
        assert abs(count - 2000 * p) <= 5 * math.sqrt(2000 * p * (1 - p)) + 1
    assert {ending.characters for _, ending in seen.values()} == {1}
    assert all(ending.nats >= 0 for _, ending in seen.values())


def test_a_sample_costs_its_symbols_given_the_rest(network):
    """At temperature 0 the way is known: the likeliest of all."""
    read, rest = [V.symbols.index("a")], " fl"
    ways = [[place] for place, symbol in enumerate(V.symbols) if symbol.startswith(rest)]
    ways.append([V.symbols.index(character) for character in rest])
    costs = [chances(network, read, way) for way in ways]
    best = ways[int(np.argmax(costs))]
    *_, piece = generate(network, V, [Request(np.array(read), 0, rest)], Sampling(length=1, temperature=0))
    nats = -math.log(max(costs) / sum(costs))
    if V.decode(best) == rest:
        state = network.initial_state(1)
        for symbol in [*read, *best]:
            logits, state = network.step(np.array([symbol]), state)
        nats -= math.log(softmax(logits).max())
    assert piece.ending.nats == pytest.approx(nats, rel=1e-4)


def test_a_rest_is_written_alike_alone_and_side_by_side_and_whatever_the_limits(network):
    read = V.encode("a\n")
    spans = Spans(V.encode("a flow\na flowl is\n fl\n"), 3)
    sampling = Sampling(length=20, no_repeat=3, novel=3, spans=spans)
    requests = [Request(read, seed, rest) for seed, rest in enumerate([" fl", "", " ", " flow", "fl"] * 3)]
    beside, alone = {}, {}
    for piece in generate(network, V, requests, sampling, lanes=6):
        beside[piece.number] = beside.get(piece.number, b"") + piece.text
    for number, request in enumerate(requests):
        alone[number] = b"".join(piece.text for piece in generate(network, V, [request], sampling, burst=1))
    assert beside == alone
