"""What a sample may not write: by brute force, with a network of five symbols."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import SettingsError
from charrnn.generation import limits
from charrnn.generation.choose import distribution, draw
from charrnn.generation.generate import generate
from charrnn.generation.limits import Limits, Spans
from charrnn.generation.sample import Request, Sampling
from tests.generation.test_generate import ABCDE, TABLE, Markov, ids_of

TEXT = ids_of("abcdeabcdbcaeedcbabacadbeebdeacbd" * 3)


def spans_of(ids, size):
    return {tuple(ids[at : at + size]) for at in range(len(ids) - size + 1)}


def twin(prompt, sampling, train, seed):
    """The same text, with everything looked for from the start at every symbol: its ids, and whether it was cut off."""
    generator, ids = np.random.default_rng(seed), prompt.tolist()
    for _ in range(sampling.length):
        logits = np.log(np.maximum(TABLE, 1e-300))[ids[-1]].copy()
        for symbol in range(5):
            whole = [*ids, symbol]
            repeats = sampling.no_repeat and tuple(whole[-sampling.no_repeat :]) in spans_of(ids, sampling.no_repeat)
            copies = sampling.novel and len(whole) >= sampling.novel and tuple(whole[-sampling.novel :]) in train
            if repeats or copies:
                logits[symbol] = -np.inf
        if logits.max() == -np.inf:
            return ids[len(prompt) :], True
        choice = distribution(logits[None], sampling.temperature, sampling.top_k, sampling.top_p)
        ids.append(int(draw(choice, generator.random(1))[0]))
    return ids[len(prompt) :], False


@settings(max_examples=60)
@given(
    prompt=st.text("abcde", min_size=1, max_size=12),
    no_repeat=st.none() | st.integers(1, 6),
    novel=st.none() | st.integers(1, 6),
    seed=st.integers(0, 9),
    choice=st.sampled_from([{}, {"temperature": 0}, {"temperature": 1.7, "top_k": 2}, {"top_p": 0.8}]),
)
def test_a_text_is_the_one_of_its_slow_twin_and_holds_its_limits(prompt, no_repeat, novel, seed, choice):
    spans = None if novel is None else Spans(TEXT, novel)
    sampling = Sampling(length=60, no_repeat=no_repeat, novel=novel, spans=spans, **choice)
    expected, cut = twin(ids_of(prompt), sampling, spans_of(TEXT, novel) if novel else set(), seed)
    requests = [Request(ids_of("a"), 99), Request(ids_of(prompt), seed), Request(ids_of("cab"), 98)]
    for lanes in (1, 3):
        pieces = list(generate(Markov(remember=False), ABCDE, requests, sampling, lanes=lanes))
        written = b"".join(piece.text for piece in pieces if piece.number == 1)
        (ending,) = [piece.ending for piece in pieces if piece.number == 1 and piece.ending]
        assert ids_of(written.decode()).tolist() == expected
        assert ending.reason == ("exhausted" if cut else "length")
        assert ending.characters == len(expected)
    whole = [*ids_of(prompt).tolist(), *expected]
    for end in range(len(prompt) + 1, len(whole) + 1):
        if no_repeat:
            assert tuple(whole[max(0, end - no_repeat) : end]) not in spans_of(whole[: end - 1], no_repeat)
        if novel and end >= novel:
            assert tuple(whole[end - novel : end]) not in spans_of(TEXT, novel)


def test_a_text_costs_what_the_model_says_whatever_its_limits_forbid():
    sampling = Sampling(length=30, no_repeat=3)
    text, nats = "a", 0.0
    for piece in generate(Markov(), ABCDE, [Request(ids_of("a"), 5)], sampling):
        text += piece.text.decode()
        nats = piece.ending.nats if piece.ending else nats
    ids = ids_of(text)
    assert nats == pytest.approx(-np.log(TABLE[ids[:-1], ids[1:]]).sum())


@pytest.mark.parametrize("base", [limits._BASE, 0, 1, 2**63])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_what_follows_a_context_is_found_exactly_also_where_hashes_collide(monkeypatch, base, size):
    monkeypatch.setattr(limits, "_BASE", base)
    spans, generator = Spans(TEXT, size), np.random.default_rng(0)
    known = spans_of(TEXT, size)
    assert len(Spans(TEXT[: size - 1], size).followers) == 0
    for start in [*range(len(TEXT) - size), *[None] * 50]:
        context = (
            generator.integers(5, size=size + 3).tolist() if start is None else TEXT[start : start + size].tolist()
        )
        asked = Limits(None, spans, context)
        last = context[len(context) - size + 1 :]
        expected = {symbol for symbol in range(5) if (*last, symbol) in known}
        assert set(asked.forbidden().tolist()) == expected


def test_a_hash_goes_on_when_what_is_long_past_is_forgotten():
    spans, symbols = Spans(TEXT, 4), np.random.default_rng(1).integers(5, size=2000).tolist()
    asked = Limits(3, spans, symbols)
    assert asked._hash == Limits(None, spans, symbols[-3:])._hash
    assert len(asked._last) < 100


def test_a_text_too_long_to_be_searched_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "MOST", 10)
    with pytest.raises(SettingsError, match="too long for `novel`: 99 symbols"):
        Spans(TEXT, 3)
