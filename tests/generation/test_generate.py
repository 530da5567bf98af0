"""From a prompt to a stream of text, with networks of a few symbols whose probabilities are known."""

import math
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config import ModelConfig
from charrnn.errors import SettingsError
from charrnn.generation.generate import generate, side_by_side
from charrnn.generation.sample import Ending, Request, Sampling
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.shapes import parameter_shapes
from charrnn.text.marks import ANSWER, END
from charrnn.text.vocabulary import Vocabulary

ABCDE = Vocabulary("char", tuple("abcde"))
TABLE = np.array(  # p(next | last), one row for each last symbol
    [
        [0.50, 0.20, 0.15, 0.10, 0.05],
        [0.05, 0.05, 0.80, 0.05, 0.05],
        [0.20, 0.20, 0.20, 0.20, 0.20],
        [0.70, 0.00, 0.00, 0.30, 0.00],
        [0.01, 0.04, 0.05, 0.40, 0.50],
    ]
)


class Markov:
    """A network whose next symbol depends on the last one only; remembers what it read."""

    symbols = 5

    def __init__(self, remember=True):
        self.read, self.remember = [], remember
        self.logits = np.log(np.maximum(TABLE, 1e-300))

    def initial_state(self, lanes):
        return np.full(lanes, -1)

    def select(self, state, rows):
        return np.where(rows >= 0, state[rows], -1)

    def agrees(self, lanes):
        return True

    def step(self, ids, state):
        if self.read and len(ids) == 1:
            assert state[0] in (-1, self.read[-1]), "the state must be the one handed out last"
        if self.remember:
            self.read += ids.tolist()
        return self.logits[ids], ids


class Script:
    """A network that is certain of every next symbol: those of `ids`, one after the other."""

    def __init__(self, ids, symbols):
        self.ids, self.symbols, self.read = ids, symbols, []

    def initial_state(self, lanes):
        return np.full(lanes, -1)

    def select(self, state, rows):
        return np.where(rows >= 0, state[rows], -1)

    def agrees(self, lanes):
        return True

    def step(self, ids, state):
        self.read += ids.tolist()
        place = state + 1
        return 1000.0 * np.eye(self.symbols)[np.asarray(self.ids)[place % len(self.ids)]], place


def ids_of(text, vocabulary=ABCDE):
    return vocabulary.encode(text)


def nats_of(ids):
    return -sum(math.log(TABLE[last, following]) for last, following in pairwise(ids))


def alone(network, vocabulary, prompt, sampling, seed=0, on_piece=lambda piece: None):
    """(text, ending) of one request, symbol by symbol."""
    text, ending = b"", None
    for piece in generate(network, vocabulary, [Request(prompt, seed)], sampling, burst=1):
        on_piece(piece.text)
        text, ending = text + piece.text, piece.ending
    return text, ending


def write(prompt, seed=0, **sampling):
    """(text, ending) of the network of five symbols."""
    return alone(Markov(), ABCDE, ids_of(prompt), Sampling(**sampling), seed)


def encoded(stop):
    return stop.encode("utf-8", "surrogateescape")


def pieces_of(text, *stops, vocabulary=None):
    """What leaves when a network writes `text`, and the ending."""
    vocabulary = vocabulary or Vocabulary.of(text)
    ids = ids_of(text, vocabulary)
    sampling = Sampling(length=len(ids), stops=tuple(map(encoded, stops)))
    pieces = []
    text, ending = alone(Script(ids, len(vocabulary)), vocabulary, ids[:1], sampling, on_piece=pieces.append)
    assert b"".join(pieces) == text
    return pieces, ending


def test_transitions_are_as_frequent_as_the_network_says():
    """20,000 symbols from seed 0; each frequency of a pair within 6 sigma of its probability given the first."""
    ids = ids_of(b"a" + write("a", length=20_000)[0])
    pairs = np.zeros((5, 5))
    np.add.at(pairs, (ids[:-1], ids[1:]), 1)
    seen = pairs.sum(axis=1, keepdims=True)
    assert (seen > 500).all()
    assert (np.abs(pairs - seen * TABLE) <= 6 * np.sqrt(seen * TABLE * (1 - TABLE))).all()


@pytest.mark.parametrize(
    ("choice", "possible"),
    [
        ({}, "abcde"),
        ({"temperature": 0}, "e"),
        ({"temperature": 0.01}, "e"),
        ({"top_k": 2}, "de"),
        ({"top_p": 0.92}, "cde"),
        ({"min_p": 0.3}, "de"),
    ],
)
def test_choice_of_the_sampling_is_the_one_that_is_made(choice, possible):
    """What follows e in 1000 samples: of probability 1/100, a is missing from one such set in 20,000."""
    texts = {write("e", seed, length=1, **choice)[0].decode() for seed in range(1000)}
    assert "".join(sorted(texts)) == possible


def test_same_seed_writes_the_same_text_and_another_seed_another():
    assert write("a", seed=1, length=200) == write("a", seed=1, length=200)
    assert write("a", seed=1, length=200)[0] != write("a", seed=2, length=200)[0]


def test_longer_text_begins_with_the_shorter_one_of_its_seed():
    """One number is drawn for each symbol, whatever the length."""
    assert write("ab", seed=5, length=120)[0][:50] == write("ab", seed=5, length=50)[0]


@pytest.mark.parametrize("choice", [{}, {"temperature": 0.3}, {"top_k": 2}])
def test_nats_are_those_of_the_text_at_temperature_one(choice):
    """Also when the choice was made from a sharper or a filtered distribution."""
    text, ending = write("a", seed=3, length=300, **choice)
    assert ending == Ending("length", 300, pytest.approx(nats_of(ids_of(b"a" + text)), rel=1e-12))


def test_nats_of_a_stopped_text_include_its_stop_string():
    text, ending = write("a", seed=3, stops=(b"cd",))
    expected = nats_of(ids_of(b"a" + text + b"cd"))
    assert ending == Ending("stop", len(text) + 2, pytest.approx(expected, rel=1e-12), b"cd")


@pytest.mark.parametrize("prompt", ["a", "dcba", "aaaaaaaaaa"])
def test_prompt_is_read_and_then_every_symbol_but_the_last(prompt):
    network = Markov()
    text, _ = alone(network, ABCDE, ids_of(prompt), Sampling(length=30))
    assert network.read == [*ids_of(prompt), *ids_of(text)[:-1]]


def test_text_without_a_prompt_begins_after_a_newline_where_the_model_knows_one():
    for vocabulary, newline in (Vocabulary("char", ("\t", "\n", "a", "b", "c")), 1), (Vocabulary.of(b""), 10):
        network = Script([0], len(vocabulary))
        alone(network, vocabulary, np.zeros(0, dtype=np.uint8), Sampling(length=0))
        assert network.read == [newline]


def test_text_without_a_prompt_or_a_newline_begins_after_any_symbol():
    """2000 seeds; each of five symbols within 6 sigma of a fifth, and it is no part of the text."""
    counts = np.zeros(5)
    for seed in range(2000):
        network = Markov()
        text, _ = alone(network, ABCDE, np.zeros(0, dtype=np.uint8), Sampling(length=0), seed)
        counts[network.read] += 1
        assert text == b""
    assert counts.sum() == 2000
    assert (np.abs(counts - 400) <= 6 * math.sqrt(2000 * 0.2 * 0.8)).all()


def test_length_zero_writes_nothing():
    assert write("a", length=0, stops=(b"a",)) == (b"", Ending("length", 0, 0.0))


@pytest.mark.parametrize(
    ("written", "stops", "pieces"),
    [
        ("abc", [], ["a", "b", "c"]),
        ("aé€", [], ["a", "é", "€"]),
        ("ababc", ["abab"], []),
        ("abaabab", ["abab"], ["aba"]),  # aba, then another a: only that one may still be a beginning
        ("abac", ["abab"], ["abac"]),
        ("aabab", ["abab"], ["a"]),
        ("aba", ["abab"], ["aba"]),  # held to the end, and then there is no more to wait for
        ("xab", ["ab", "b"], ["x"]),
        ("xab", ["abc", "b"], ["x", "a"]),
        ("xaé€y", ["é€"], ["x", "a"]),
        ("é€", ["€"], ["é"]),
    ],
)
def test_text_leaves_as_soon_as_no_stop_string_can_claim_it(written, stops, pieces):
    assert [piece for piece in pieces_of(written, *stops)[0] if piece] == [piece.encode() for piece in pieces]


@pytest.mark.parametrize(
    ("written", "stops", "text", "reason", "symbols", "stop"),
    [
        ("hello\nworld", ["\n"], "hello", "stop", 6, "\n"),
        ("hello world", ["\n"], "hello world", "length", 11, None),
        ("hello", ["h"], "", "stop", 1, "h"),
        ("say END or end", ["end", "END"], "say ", "stop", 7, "END"),
        ("one two", ["two", "wo", "e tw"], "on", "stop", 6, "e tw"),
        ("abcd", ["bcd", "cd", "d"], "a", "stop", 4, "bcd"),  # all end together: the earliest beginning
        ("ab", ["ab", "abc"], "", "stop", 2, "ab"),  # never waits for a longer one
        ("héé€", ["é€"], "hé", "stop", 4, "é€"),
        ("hé", ["\udcc3", "é"], "h", "stop", 2, "é"),  # é and its first byte arrive together: the longer one
    ],
)
def test_text_ends_before_the_stop_string_that_is_complete_first(written, stops, text, reason, symbols, stop):
    pieces, ending = pieces_of(written, *stops)
    assert b"".join(pieces).decode() == text
    assert (ending.reason, ending.characters, ending.stop) == (reason, symbols, stop and encoded(stop))


def test_stop_string_is_found_byte_by_byte():
    """A model of bytes writes é as two symbols; its first byte is held until the second is known."""
    vocabulary = Vocabulary.of(b"")
    pieces, _ = pieces_of(b"a\xc3\xa8\xc3\xa9b", "é", vocabulary=vocabulary)
    assert [piece for piece in pieces if piece] == [b"a", b"\xc3\xa8"]


def reference(symbols, stops):
    """(text, symbols read, stop) by looking at the whole text after every symbol."""
    for count in range(1, len(symbols) + 1):
        text = "".join(symbols[:count]).encode()
        found = [(text.find(stop), -len(stop), stop) for stop in stops if stop in text]
        if found:
            place, _, stop = min(found)
            return text[:place], count, stop
    return "".join(symbols).encode(), len(symbols), None


SYMBOLS = st.sampled_from(["a", "b", "é", "è", "€"])  # é and è share their first byte


@given(written=st.lists(SYMBOLS, min_size=1, max_size=30), stops=st.lists(st.text(SYMBOLS, min_size=1), max_size=4))
@settings(deadline=None, max_examples=400)
def test_stream_is_the_text_up_to_the_first_stop_string(written, stops):
    pieces, ending = pieces_of("".join(written), *stops)
    expected, count, stop = reference(written, [stop.encode() for stop in stops])
    assert (b"".join(pieces), ending.characters, ending.stop) == (expected, count, stop)


@given(written=st.binary(min_size=1, max_size=30), data=st.data())
@settings(deadline=None, max_examples=200)
def test_stream_of_bytes_is_the_text_up_to_the_first_stop_string(written, data):
    """Stop strings are cut from the text itself, so that they are found, also inside of characters."""
    place = data.draw(st.integers(0, len(written) - 1))
    stop = written[place : data.draw(st.integers(place + 1, len(written)))]
    vocabulary = Vocabulary.of(b"")
    network = Script(ids_of(written, vocabulary), 256)
    sampling = Sampling(length=len(written), stops=(stop,))
    text, ending = alone(network, vocabulary, ids_of("x", vocabulary), sampling)
    assert text == written[: written.find(stop)]
    assert (ending.characters, ending.stop) == (written.find(stop) + len(stop), stop)


@given(written=st.text("ab", min_size=1, max_size=25), stop=st.text("ab", min_size=2, max_size=6))
@settings(deadline=None, max_examples=300)
def test_only_what_may_begin_a_stop_string_is_held_back(written, stop):
    """After every symbol, what is out and what is held together are what was written."""
    vocabulary = Vocabulary("char", ("a", "b"))
    ids = ids_of(written, vocabulary)
    for count in range(1, reference(written, [stop.encode()])[1]):
        sampling = Sampling(length=count + 1, stops=(stop.encode(),))
        stream = generate(Script(ids, 2), vocabulary, [Request(ids[:1], 0)], sampling, burst=1)
        out = b""
        begun = max(n for n in range(len(stop)) if written[:count].endswith(stop[:n]))
        while len(out) < count - begun:
            out += next(stream).text
        assert out.decode() == written[: count - begun]


# Many texts at once


SMALL = ModelConfig(cell="lstm", layers=2, hidden=20, embedding=6, dropout=0)


def real_network(config=SMALL, symbols=5):
    generator = np.random.default_rng(0)
    shapes = parameter_shapes(config, symbols)
    weights = {name: generator.normal(scale=0.5, size=shape).astype(np.float32) for name, shape in shapes.items()}
    return NumpyNetwork(config, symbols, weights)


def texts_of(network, requests, sampling, **how):
    """{number: (text, ending)}, checked to come in order and whole."""
    texts, endings = {}, {}
    for piece in generate(network, ABCDE, requests, sampling, **how):
        assert piece.number == len(endings), "no text leaves before the one in front of it has ended"
        texts[piece.number] = texts.get(piece.number, b"") + piece.text
        if piece.ending is not None:
            endings[piece.number] = piece.ending
    assert texts.keys() == endings.keys()
    return {number: (texts[number], endings[number]) for number in texts}


PROMPTS = st.lists(st.text("abcde", max_size=9), max_size=12)


@given(
    prompts=PROMPTS,
    lanes=st.integers(1, 9),
    burst=st.integers(1, 9),
    stops=st.lists(st.text("abcde", min_size=1, max_size=3), max_size=2),
    length=st.integers(0, 25),
)
@settings(deadline=None, max_examples=150)
def test_a_text_is_the_same_whatever_is_written_beside_it(prompts, lanes, burst, stops, length):
    """Bit for bit, nats included: a real network, any number of lanes, lanes that end and begin at any time."""
    network = real_network()
    requests = [Request(ids_of(prompt), 7 + number) for number, prompt in enumerate(prompts)]
    sampling = Sampling(length=length, stops=tuple(map(encoded, stops)))
    expected = [alone(network, ABCDE, request.prompt, sampling, request.seed) for request in requests]
    found = texts_of(network, requests, sampling, lanes=lanes, burst=burst)
    assert list(found.values()) == expected


def test_a_thousand_texts_are_those_of_their_seeds_in_any_order():
    """1000 texts of 40 symbols in 256 lanes, forwards and backwards, against one after the other."""
    network, sampling = real_network(), Sampling(length=40)
    requests = [Request(ids_of("a"), seed) for seed in range(1000)]
    forwards = texts_of(network, requests, sampling, lanes=256)
    backwards = texts_of(network, requests[::-1], sampling, lanes=100)
    assert [forwards[n] for n in range(1000)] == [backwards[999 - n] for n in range(1000)]
    for seed in range(0, 1000, 50):
        assert forwards[seed] == alone(network, ABCDE, ids_of("a"), sampling, seed)
    assert len({text for text, _ in forwards.values()}) > 990


def test_requests_are_asked_for_when_a_lane_is_free():
    """However many there are, no more than twice the lanes are under way or wait for their turn."""
    asked = []

    def requests():
        for number in range(200):
            asked.append(number)
            yield Request(ids_of("a" * (50 if number == 0 else 1)), number)

    for piece in generate(Markov(), ABCDE, requests(), Sampling(length=5), lanes=4):
        assert len(asked) <= piece.number + 2 * 4 + 1
    assert len(asked) == 200


@pytest.mark.parametrize(
    ("length", "lanes"), [(0, 256), (500, 256), (1 << 17, 256), (1 << 18, 128), (10_000_000, 3), (10**15, 1)]
)
def test_longer_texts_are_written_by_fewer_lanes(length, lanes):
    assert side_by_side(length, 256) == lanes


def test_a_network_whose_sums_depend_on_the_lanes_is_read_in_one():
    class Careless(Markov):
        def initial_state(self, lanes):
            assert lanes == 1
            return super().initial_state(lanes)

        def agrees(self, lanes):
            return False

    requests = [Request(ids_of("a"), seed) for seed in range(6)]
    found = texts_of(Careless(), requests, Sampling(length=20), lanes=4)
    assert found == texts_of(Markov(), requests, Sampling(length=20), lanes=4)


@pytest.mark.parametrize("lanes", [1, 8])
def test_memory_does_not_grow_with_the_length_nor_with_the_number_of_texts(lanes):
    """What Python and NumPy hold at most, for ten times the text: within 64 KiB, the better of two."""

    def peak(count, length):
        return min(once(count, length), once(count, length))

    def once(count, length):
        tracemalloc.start()
        requests = (Request(ids_of("a"), seed) for seed in range(count))
        for _ in generate(Markov(remember=False), ABCDE, requests, Sampling(length=length), lanes=lanes):
            pass
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    peak(2, 100)  # what is imported or cached once
    few = peak(2 * lanes, 50)
    assert peak(20 * lanes, 50) < few + (1 << 16)
    assert lanes > 1 or peak(1, 8_000) < peak(1, 800) + (1 << 16)


def test_nothing_asked_for_is_nothing_written():
    assert list(generate(Markov(), ABCDE, [], Sampling(), lanes=4)) == []


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": -1}, {"temperature": math.nan}, {"temperature": math.inf}, {"top_p": 0}, {"top_p": 1.1},
     {"min_p": math.nan}, {"top_k": 0}, {"length": -1}, {"stops": (b"",)}],
    ids=str,
)  # fmt: skip
def test_sampling_out_of_bounds_is_refused(wrong):
    with pytest.raises(SettingsError):
        Sampling(**wrong)


# Records


RECORDS = Vocabulary("char", (END, "a", "b", "c", ANSWER), end="\n", answer="=")


def written(vocabulary, sampling, prompt="", seed=0, network=None):
    text, ending = b"", None
    ids = vocabulary.encode(prompt)
    for piece in generate(network or real_network(symbols=len(vocabulary)), vocabulary, [Request(ids, seed)], sampling):
        text, ending = text + piece.text, piece.ending
    return text.decode(), ending


def test_a_record_ends_a_sample_only_where_it_is_asked_to():
    records = Vocabulary("char", (END, "a", "b", "c"), end="\n")
    free, ending = written(records, Sampling(length=200))
    assert (ending.reason, len(free)) == ("length", 200)
    alone, ending = written(records, Sampling(length=200, records=True))
    assert ending.reason == "record"
    assert alone == free.split("\n")[0]
    assert ending.characters == len(alone)


def test_after_a_record_the_next_begins_from_nothing():
    """Each record of a long text is one that a fresh network, fed the same draws, could have begun with."""
    records, network = Vocabulary("char", (END, "a", "b", "c"), end="\n"), real_network(symbols=4)
    greedy, _ = written(records, Sampling(length=300, temperature=0.0), network=network)
    assert len(set(greedy.split("\n")[:-1])) <= 1, "greedy records are all the same"


def test_what_is_never_written_is_never_written():
    for vocabulary in (RECORDS, Vocabulary("char", ("a", "b", "c"), folds=True)):
        text, _ = written(vocabulary, Sampling(length=2000, temperature=50.0), "a")
        assert set(text) == set("abc\n" if vocabulary is RECORDS else "abc")


@pytest.mark.parametrize("length", range(12))
def test_words_are_cut_at_the_length(length):
    vocabulary = Vocabulary("word", (" ", "  ", " é", "a", "abc"))
    text, ending = written(vocabulary, Sampling(length=length, temperature=5.0), "a")
    assert len(text) == ending.characters == length
    assert written(vocabulary, Sampling(length=30, temperature=5.0), "a")[0].startswith(text)


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_what_is_there_is_answered_before_what_comes_later(lanes):
    """A pause among the requests changes no text, and the requests before it are answered before it ends."""
    asked = [Request(np.array([number % 5]), number) for number in range(6)]
    sampling, given, written = Sampling(10), [], {}

    def slowly():
        for number, request in enumerate(asked):
            given.append(number)
            yield request
            if number in (0, 1, 4):
                yield None
                assert {each for each, _, ending in done if ending} == set(range(number + 1))

    done = []
    for piece in generate(Markov(remember=False), ABCDE, slowly(), sampling, lanes=lanes):
        done.append(piece)
        written[piece.number] = written.get(piece.number, b"") + piece.text
    plain = {}
    for piece in generate(Markov(remember=False), ABCDE, asked, sampling, lanes=4):
        plain[piece.number] = plain.get(piece.number, b"") + piece.text
    assert written == plain
