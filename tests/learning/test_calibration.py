"""One temperature for a network's logits: the one at which the validation part costs least."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from charrnn.language_model import LanguageModel
from charrnn.learning import calibration
from charrnn.learning.calibration import INVERSE_TEMPERATURES, CalibrationReader
from charrnn.learning.watch import SAMPLE, SAMPLE_SEED, live_sample, validate
from charrnn.model.network import CharRNN
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import CorpusFacts, Progress
from charrnn.text.corpus import Corpus, build_corpus
from charrnn.text.marks import ANSWER, END
from charrnn.text.vocabulary import Vocabulary
from tests.learning.test_learner import config

TEXT = "the quick brown fox jumps over the lazy dog; a dog is no fox, and the day is long\n" * 20
CORPUS = build_corpus(TEXT, fraction=0.25)
V = len(CORPUS.vocabulary)
STEP = 0.03  # between two of INVERSE_TEMPERATURES


def records():
    """A validation part of which the answers alone count."""
    text = "".join(f"{'ab' * (n % 5)}{ANSWER}{'ba' * (n % 7)}{END}" for n in range(40))
    vocabulary = Vocabulary("char", (END, "a", "b", ANSWER), end="\n", answer="=")
    ids = vocabulary.encode(END + text)
    return Corpus(vocabulary, ids, ids, ids, "")


def network_of(symbols, *, sharper=1.0, seed=0):
    torch.manual_seed(seed)
    network = CharRNN(config("lstm", dropout=0.0), symbols)
    with torch.no_grad():
        network.head.weight.mul_(sharper)
        network.head.bias.mul_(sharper)
    return network


def model_of(network, corpus, temperature=1.0):
    """The model that a run would share."""
    progress, facts = (
        Progress(temperature=temperature),
        CorpusFacts(fingerprint="", train_symbols=1, validation_symbols=1),
    )
    checkpoint = Checkpoint(network.config, corpus.vocabulary, facts, progress, network.weights())
    return LanguageModel(checkpoint, None)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0, 1000.0])
@pytest.mark.parametrize("symbols", [2, 65, 3000])
def test_the_nats_at_every_temperature_are_those_of_logits_divided_by_it(monkeypatch, scale, symbols):
    monkeypatch.setattr(calibration, "_BLOCK", 5 * symbols)  # 21 rows in blocks of 5
    network = network_of(symbols, sharper=scale)
    generator = np.random.default_rng(1)
    inputs, targets = generator.integers(symbols, size=(2, 7, 3))
    reader = CalibrationReader(network)
    nats, hits, state = reader.surprisal(inputs, targets, reader.initial_state(3))
    with torch.no_grad():
        logits, end = network(torch.from_numpy(inputs), network.initial_state(3))
    for place, inverse in enumerate(INVERSE_TEMPERATURES):
        costs = F.cross_entropy(
            (logits.double() * inverse).transpose(1, 2), torch.from_numpy(targets), reduction="none"
        )
        np.testing.assert_allclose(nats[..., place], costs, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(hits, logits.argmax(-1).numpy() == targets)
    for mine, theirs in zip(state[0], end[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_temperatures_lie_evenly_around_one():
    assert 1.0 in INVERSE_TEMPERATURES
    np.testing.assert_allclose(np.diff(INVERSE_TEMPERATURES), STEP, rtol=0, atol=1e-12)
    assert 1 / INVERSE_TEMPERATURES[0] > 1.7
    assert 1 / INVERSE_TEMPERATURES[-1] < 0.95


@pytest.mark.parametrize("corpus", [CORPUS, records()], ids=["text", "records"])
@pytest.mark.parametrize("seed", range(3))
def test_no_other_temperature_scores_better_and_the_model_scores_the_same(corpus, seed):
    network = network_of(len(corpus.vocabulary), sharper=2.0, seed=seed)
    found = validate(network, corpus)

    def nats(temperature):
        return model_of(network, corpus, temperature).score([corpus.validation]).nats_per_char

    assert nats(found.temperature) == pytest.approx(found.nats_per_char, abs=1e-6)
    costs = [nats(1 / inverse) for inverse in INVERSE_TEMPERATURES]
    assert found.nats_per_char == pytest.approx(min(costs), abs=1e-6)
    assert len(set(costs)) == len(costs)


@pytest.mark.parametrize("sharper", [1.1, 1.3, 1.6])
def test_a_network_that_is_surer_than_a_calibrated_one_gets_the_temperature_that_undoes_it(sharper):
    network = network_of(V)
    with torch.no_grad():  # one that knows how frequent letters are, and nothing else
        network.head.weight.zero_()
        network.head.bias.copy_(torch.from_numpy(np.log(np.bincount(CORPUS.validation[1:], minlength=V) + 1e-3)))
    assert validate(network, CORPUS).temperature == 1.0
    surer = copy.deepcopy(network)
    with torch.no_grad():
        surer.head.bias.mul_(sharper)
    assert abs(1 / validate(surer, CORPUS).temperature - 1 / sharper) <= STEP / 2 + 1e-6
    assert validate(surer, CORPUS).nats_per_char == pytest.approx(validate(network, CORPUS).nats_per_char, abs=2e-3)


def test_what_is_most_likely_stays_so_and_all_else_is_closer_to_it():
    network = network_of(V, sharper=3.0)
    sure, unsure = (model_of(network, CORPUS, temperature).predict("the ", top=V) for temperature in (1.0, 1.5))
    assert [each.text for each in sure] == [each.text for each in unsure]
    for (one, other), (first, second) in zip(
        zip(sure, unsure, strict=True), zip(sure[1:], unsure[1:], strict=True), strict=False
    ):
        ratio = math.log(one.probability / first.probability)
        assert math.log(other.probability / second.probability) == pytest.approx(ratio / 1.5, abs=1e-4)


def test_what_was_adapted_is_not_calibrated_twice():
    model = model_of(network_of(V, sharper=3.0), CORPUS, 1.5)
    adapted = model.adapted([TEXT[:2]])  # a step so short that it is lost in what is printed
    assert adapted.checkpoint.progress.temperature == 1.0
    again = dataclasses.replace(adapted.checkpoint, weights=model.checkpoint.calibrated)
    for name, array in adapted.checkpoint.calibrated.items():
        np.testing.assert_allclose(array, again.weights[name], rtol=0, atol=0.01)


def test_a_live_sample_is_what_the_shared_model_writes():
    network = network_of(V, sharper=3.0)
    shared = copy.deepcopy(network)
    with torch.no_grad():
        shared.head.weight.div_(1.5)
        shared.head.bias.div_(1.5)
    text = live_sample(network.config, network, CORPUS, 1.5)
    assert text == live_sample(network.config, shared, CORPUS, 1.0)
    assert text != live_sample(network.config, network, CORPUS, 1.0)
    model = model_of(network, CORPUS, 1.5)
    assert text == model.sample(length=SAMPLE.length, temperature=SAMPLE.temperature, seed=SAMPLE_SEED).text
