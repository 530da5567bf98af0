"""The door for notebooks: the functions that the command line calls, with the model that comes along."""

import inspect
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import charrnn
from charrnn.errors import DataError, MissingInputError, SettingsError
from charrnn.generation.sample import Sampling

ROOT = Path(__file__).resolve().parent.parent
TEXT = "Shall I compare thee to a summer's day?\nThou art more lovely"


@pytest.fixture(scope="module")
def model():
    return charrnn.load("shakespeare", checkpoints=ROOT / "checkpoints")


@pytest.mark.parametrize("place", ["shakespeare", "shakespeare/best.safetensors"])
def test_a_model_is_found_by_name_folder_and_file(place):
    folder = ROOT / "checkpoints"
    assert charrnn.load(place, checkpoints=folder).path == folder / "shakespeare" / "best.safetensors"
    assert charrnn.load(folder / place).path == folder / "shakespeare" / "best.safetensors"


def test_a_model_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(MissingInputError, match="no model is called"):
        charrnn.load("nothing", checkpoints=tmp_path)


def test_a_sample_continues_its_prompt_and_repeats_with_its_seed(model):
    sample = model.sample("Shall I", length=60, temperature=0.8, seed=3)
    assert sample == model.sample(b"Shall I", length=60, temperature=0.8, seed=3)
    assert (sample.prompt, sample.seed, sample.characters, len(sample.text)) == ("Shall I", 3, 60, 60)
    assert (sample.stop_reason, sample.stop) == ("length", None)
    assert model.sample("Shall I", length=60).text != model.sample("Shall I", length=60).text


def test_the_log_probability_of_a_sample_is_the_one_that_scoring_finds(model):
    sample = model.sample("Shall I", length=200, temperature=0.7, top_k=9, seed=1)
    whole, prompt = model.score("Shall I" + sample.text), model.score("Shall I")
    assert whole.nats - prompt.nats == pytest.approx(-sample.log_probability, abs=1e-3)


def test_samples_are_those_of_their_seeds_alone(model):
    prompts = ["Shall I", "", "O", "When forty winters"]
    sampling = Sampling(length=40, stops=(b"\n",))
    many = list(model.samples(prompts, sampling, seed=11))
    assert many == [
        model.sample(prompt, length=40, stops=["\n"], seed=11 + number) for number, prompt in enumerate(prompts)
    ]
    assert {sample.stop for sample in many} <= {None, "\n"}


def test_a_score_is_that_of_its_pieces_and_of_its_bytes(model):
    score = model.score(TEXT)
    assert score == model.score(TEXT.encode()) == model.score([TEXT[:7], TEXT[7:], ""])
    assert score.characters == len(TEXT)
    assert 1 < score.bits_per_char < 4
    assert model.score(TEXT, window=5).nats > score.nats
    assert sum(part.nats.sum() for part in model.scored([TEXT])) == pytest.approx(score.nats)


def test_unknown_characters_are_refused_left_out_or_replaced(model):
    assert model.score("caf\u00e9 \u20ac").unknown == 2
    assert model.score("caf\u00e9", unknown="replace").nats == model.score("cafe").nats
    assert model.score("caf\u00e9").nats == model.score("caf").nats
    with pytest.raises(DataError, match="U\\+00E9 at 3"):
        model.score(["ca", "f\u00e9"], unknown="error")
    with pytest.raises(DataError, match="nothing to score"):
        model.score("\u20ac")


def test_a_prediction_of_one_symbol_is_the_distribution_that_scoring_uses(model):
    found = model.predict("Shall I compare the", top=1000)
    assert sum(probability for _, probability in found) == pytest.approx(1)
    assert len(found) == len(model.vocabulary)
    assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)
    for text, probability in found[:5]:
        added = model.score("Shall I compare the" + text).nats - model.score("Shall I compare the").nats
        assert probability == pytest.approx(math.exp(-added), rel=1e-4)


def test_predictions_of_several_symbols_are_texts_with_their_probability(model):
    found = model.predict("Shall I compare th", steps=3, top=5)
    assert len(found) == 5
    assert {len(text) for text, _ in found} == {3}
    for text, probability in found:
        added = model.score("Shall I compare th" + text).nats - model.score("Shall I compare th").nats
        assert probability == pytest.approx(math.exp(-added), rel=1e-3)


def test_without_a_text_a_line_begins(model):
    assert model.predict(top=3) == model.predict("\n", top=3)


def test_a_model_without_newlines_needs_something_to_continue(tmp_path, charrnn, monkeypatch):
    import charrnn as package

    (tmp_path / "ab.txt").write_text("ab" * 300)
    flags = ["--hidden", "4", "--embedding", "2", "--batch-size", "2", "--seq-length", "8", "--steps", "2"]
    flags += ["--precision", "float32"]
    assert charrnn("train", "ab.txt", *flags, cwd=tmp_path).returncode == 0
    model = package.load("ab", checkpoints=tmp_path / "checkpoints")
    with pytest.raises(SettingsError, match="nothing to continue"):
        model.predict()
    assert len(model.predict("a")) == 2


def test_a_long_text_scores_as_a_short_one_does(model):
    """From NumPy and one carried state to torch, lanes and blocks: within 1e-6 nats a character."""
    text = ((ROOT / "corpora" / "sonnets.txt").read_text())[:12_000]
    state, nats = None, []
    network, ids = model.networks.numpy, model.encode(text).astype(np.int64)
    state = network.initial_state(1)
    found, _, _ = network.surprisal(ids[:-1, None], ids[1:, None], state)
    nats = math.log(len(model.vocabulary)) + found.sum()
    assert model.score(text).nats_per_char == pytest.approx(nats / len(text), abs=1e-6)


def test_adapting_stands_beside_the_model_and_leaves_it_as_it_is(model):
    text = "The rain it raineth every day. " * 40
    before, sample = model.score(text), model.sample("The", length=40, seed=1)
    adapting = model.score(text, adapting=True)
    assert adapting.nats < before.nats / 2
    assert (adapting.symbols, adapting.characters, adapting.bytes) == (before.symbols, len(text), len(text))
    assert adapting == model.score(text, adapting=True)
    other = model.adapted([text[:50], text[50:]])
    assert other.score("The rain it raineth").nats < model.score("The rain it raineth").nats
    assert model.score(text) == before
    assert model.sample("The", length=40, seed=1) == sample
    with pytest.raises(SettingsError, match="`window`"):
        model.score(text, adapting=True, window=8)
    with pytest.raises(DataError, match="U\\+20AC at 0"):
        model.adapted(["\u20ac"])


BAD = {
    "length": [-1, 1.5, "9", None, math.nan, 2**63],
    "temperature": [-0.1, math.nan, math.inf, "hot", None],
    "top_k": [0, -3, 2.5, "5"],
    "top_p": [0, -1, 1.01, math.nan, "p"],
    "min_p": [0, -1, 1.01, math.nan, "p"],
    "stops": ["", ["a", ""], 7, [7], ["a", None]],
    "no_repeat": [0, -1, 2.5, "3", True],
    "novel": [0, -1, 2.5, "3", True],
    "seed": [-1, 1.5, "one", 2**63],
    "unknown": ["ignore", "", None, 3, "SKIP"],
    "window": [-1, 0, 1.5, "8", True],
    "steps": [0, -1, 1.5, "2", None],
    "top": [0, -1, 1.5, "2", None],
    "prompt": [None, 7, ["a"], "\ud800"],
    "prompts": [None, 7],
    "text": [None, 7, "\ud800"],
    "pieces": [None, 7, [7], [None], [np.array([999])], [np.array([0.5])], [np.array([-1])], "\ud800"],
    "sampling": [None, 0.8, {"temperature": 1}],
    "choices": ["", [], None, [7]],
    "vectors": ["text", [["a"]], [[float("nan")]]],
    "record": [-1, 1.5, "one", None],
}
METHODS = {
    "sample": {},
    "samples": {"prompts": ["a"], "sampling": Sampling(length=1), "seed": 1},
    "predict": {},
    "score": {"text": "Shall"},
    "scored": {"pieces": ["Shall"]},
    "adapted": {"pieces": ["Shall"]},
    "encode": {"text": "Shall"},
    "prompted": {"text": "Shall"},
    "request": {"prompt": "Shall", "seed": 1},
    "ids": {"text": "Shall"},
}


@pytest.mark.parametrize("method", METHODS)
def test_every_argument_of_every_method_is_refused_by_its_name_where_it_cannot_be_used(model, method):
    call, fine = getattr(model, method), METHODS[method]
    read = list if method == "scored" else id  # its pieces are read as they come
    checked = [name for name in inspect.signature(call).parameters if name in BAD]
    left = set(inspect.signature(call).parameters) - {"name", "adapting", "live", *checked}
    assert left == set()
    for name in checked:
        for value in BAD[name]:
            if method == "score" and name == "text" and isinstance(value, str):
                continue  # scored without what the model does not know
            with pytest.raises((SettingsError, DataError)) as caught:
                read(call(**(fine | {name: value})))
            shown = str(caught.value)
            expected = {"prompt": "`text`"}.get(name, f"`{name}`")
            assert expected in shown or "a text to stop at" in shown or isinstance(caught.value, DataError), shown
            assert "\n" not in shown


def test_what_is_asked_of_load_is_refused_by_its_name():
    for name, value in (("model", 7), ("checkpoints", None), ("device", 1)):
        with pytest.raises(SettingsError, match=f"`{name}` cannot be"):
            charrnn.load(**{name: value})


def test_one_text_where_several_can_stand_is_one_and_not_its_letters(model):
    assert model.sample("Shall", length=80, stops="the", seed=4) == model.sample(
        "Shall", length=80, stops=["the"], seed=4
    )
    assert model.sample("Shall", length=80, stops=b"the", seed=4).stop in ("the", None)
    assert Sampling(stops="the end").stops == (b"the end",)
    (only,) = model.samples("Shall I", Sampling(length=3), seed=1)
    assert only == model.sample("Shall I", length=3, seed=1)
    assert sum(part.nats.sum() for part in model.scored(TEXT)) == pytest.approx(model.score(TEXT).nats)
    assert model.adapted(TEXT * 3).score(TEXT) == model.adapted([TEXT * 3]).score(TEXT)


def test_numpy_may_be_told_to_raise(model):
    calm = model.sample("Shall I", length=50, temperature=0.05, top_p=0.9, seed=1), model.score(TEXT), model.predict()
    with np.errstate(all="raise"):
        fresh = charrnn.load("shakespeare", checkpoints=ROOT / "checkpoints")
        for temperature in (1e-300, 1e-3, 1, 100):
            fresh.sample("Shall I", length=50, temperature=temperature, min_p=0.01, seed=1)
        assert fresh.sample("Shall I", length=50, temperature=0.05, top_p=0.9, seed=1) == calm[0]
        assert (fresh.score(TEXT), fresh.predict()) == calm[1:]
        fresh.predict("Sha", steps=3)
        fresh.score(TEXT * 200)
        fresh.score(TEXT, window=4)
        fresh.adapted([TEXT]).sample("S", length=5)
        assert np.geterr()["under"] == "raise"


def test_a_model_says_what_it_is(model):
    shown = repr(model)
    assert shown.startswith("<Model ")
    assert "best.safetensors" in shown
    assert f"{model.checkpoint.parameters:,} parameters" in shown
    assert {"load", "LanguageModel", "__version__"} <= set(dir(charrnn))


def test_importing_the_package_loads_nothing_heavy():
    program = "import sys, charrnn; print(sorted({'torch', 'numpy', 'pydantic', 'typer'} & set(sys.modules)))"
    program += "; charrnn.load; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nFalse\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = charrnn.nothing
