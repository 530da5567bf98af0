"""The page's script, computed by node: its network, its reading and its choices against the package's own."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from charrnn.export.desk import desk
from charrnn.export.rounding import KINDS, rounded
from charrnn.generation.choose import distribution, draw
from charrnn.generation.healing import Healing
from charrnn.language_model import load

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")
EXPORT = Path(__file__).resolve().parents[2] / "charrnn" / "export"
PRELUDE = """
const fs = require("fs"), vm = require("vm");
const load = (name) => vm.runInThisContext(fs.readFileSync(`${process.argv[2]}/${name}`, "utf8"));
load("network.js"), load("reading.js");
const given = JSON.parse(fs.readFileSync(0, "utf8"));
const about = given.about;
const symbols = about && about.alphabet.symbols.length + (about.alphabet.folds ? 1 : 0);
const network = about && new Network(about.config, symbols, tensorsOf(bytesOf(given.weights), about.tensors));
const alphabet = about && new Alphabet(about.alphabet);
"""


def node(program, page=None, **given):
    """What `program` gives as `found`, with a page's model at hand."""
    if page is not None:
        given["about"] = json.loads(re.search(r'id="model">(.*?)</script>', page)[1])
        given["weights"] = re.search(r'id="weights">(.*?)</script>', page)[1]
    whole = f"{PRELUDE}\n{program}\nconsole.log(JSON.stringify(found));"
    line = [NODE, "--stack-size=4000", "-e", whole, "-", str(EXPORT)]
    done = subprocess.run(line, input=json.dumps(given), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def models(once, charrnn):
    """A model of every cell and unit, and of records with answers."""

    def make(folder):
        (folder / "text.txt").write_text(
            "the quick brown fox jumps over the lazy dog\nagain and again, they said\n" * 30
        )
        (folder / "asked.txt").write_text("".join(f"{a}+{b}\t{a + b}\n" for a in range(10) for b in range(10)))
        small = ["--hidden", "12", "--batch-size", "4", "--seq-length", "8", "--steps", "40", "--precision", "float32"]
        kinds = {
            "lstm": ["text.txt", "--embedding", "6", "--layers", "2"],
            "gru": ["text.txt", "--cell", "gru", "--embedding", "12", "--unit", "word"],
            "rnn": ["text.txt", "--cell", "rnn", "--embedding", "0", "--layers", "2", "--unit", "byte"],
            "records": ["text.txt", "--no-layer-norm", "--no-residual", "--records", "lines", "--min-count", "12"],
            "asked": ["asked.txt", "--records", "lines", "--target-after", "\t", "--embedding", "4"],
        }
        for name, flags in kinds.items():
            done = charrnn("train", *flags, "--name", name, *small, "-q", cwd=folder)
            assert done.returncode == 0, done.stderr.decode()

    return {path.name: path for path in (once("desks", make) / "checkpoints").iterdir()}


ALL = ["lstm", "gru", "rnn", "records", "asked"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_are_those_of_the_package(models, name, kind):
    """Of the network with the weights as they were rounded."""
    model = load(models[name])
    page, held = desk(model, kind)
    ids = np.random.default_rng(0).integers(len(model.vocabulary), size=40)
    found = node(
        "const state = network.start(); const found = given.ids.map((id) => [...network.step(id, state)]);",
        page.decode(),
        ids=ids.tolist(),
    )
    from charrnn.model.numpy_network import NumpyNetwork

    ours = NumpyNetwork(model.checkpoint.config, len(model.vocabulary), held.weights)
    state = ours.initial_state(1)
    for one, theirs in zip(ids, found, strict=True):
        expected, state = ours.step(np.array([one]), state)
        assert np.abs(np.array(theirs) - expected[0]).max() < 1e-4


@pytest.mark.parametrize("name", ALL)
def test_a_text_is_cut_into_the_ids_of_the_package(models, name):
    model = load(models[name])
    text = {"asked": "1+2\t3\n4+5\t9\n", "rnn": "the d\u00f6g \U0001f600", "gru": "the  quick, foxes\nagain an"}.get(
        name, "the lazy fox\nthey said"
    )
    page = desk(model)[0].decode()
    found = node(
        "const found = alphabet.encode(given.text).map(({ id, from, to }) => [id, from, to]);", page, text=text
    )
    known = [one for one, _, _ in found if one >= 0]
    assert known == model.ids(text)[: len(known)].tolist()
    raw = text.encode("utf-16-le")
    joined = {(start, end): raw[2 * start : 2 * end].decode("utf-16-le") for _, start, end in found}
    assert "".join(joined.values()) == text


@pytest.mark.parametrize("name", ["lstm", "rnn", "gru", "records"])
@pytest.mark.parametrize("prompt", ["", "the qu", "again and aga"])
def test_at_temperature_0_it_writes_what_the_package_writes(models, name, prompt):
    model = load(models[name])
    page = desk(model, "float32")[0].decode()
    count = 2000 if not prompt else 200
    program = """
        const choice = { temperature: 0, topK: 0, topP: 1 };
        const writing = new Writing(new Reading(network, alphabet), given.prompt, choice, 0);
        let found = "";
        for (let k = 0; k < given.count && !writing.ended; k++) found += writing.next();
    """
    found = node(program, page, prompt=prompt, count=count)
    expected = model.sample(prompt, length=count, temperature=0, seed=0).text
    if not prompt and name == "rnn":  # a text begins behind a newline, in both
        expected = model.sample("\n", length=count, temperature=0, seed=0).text
    assert expected.startswith(found[:count]) or found.startswith(expected)
    assert len(found) > count // 3


def test_an_answer_ends_with_its_record(models):
    model = load(models["asked"])
    page = desk(model, "float32")[0].decode()
    program = """
        const writing = new Writing(new Reading(network, alphabet), "1+2\\t", { temperature: 0, topK: 0, topP: 1 }, 0);
        let found = "";
        while (!writing.ended && found.length < 50) found += writing.next();
    """
    found = node(program, page)
    expected = model.sample("1+2", length=50, temperature=0, seed=0).text
    assert (found + "\n" * 9)[:9] == (expected + "\n" * 9)[:9]


@pytest.mark.parametrize("settings", [
    {}, {"temperature": 0}, {"temperature": 0.3}, {"top_k": 3}, {"top_k": 1}, {"top_p": 0.5}, {"top_p": 0.01},
    {"temperature": 1.7, "top_k": 5, "top_p": 0.8},
])  # fmt: skip
def test_a_choice_is_that_of_the_package(settings):
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(200, 9), scale=2).astype(np.float32)
    logits[::7] = np.round(logits[::7])  # with ties
    uniform = generator.random(200)
    choice = {
        "temperature": settings.get("temperature", 1),
        "topK": settings.get("top_k", 0),
        "topP": settings.get("top_p", 1),
    }
    program = (
        "const found = given.logits.map((row, k) => choose(Float32Array.from(row), given.choice, given.uniform[k]));"
    )
    found = node(program, logits=logits.tolist(), uniform=uniform.tolist(), choice=choice)
    assert found == draw(distribution(logits, **settings), uniform).tolist()


def test_what_is_never_written_is_never_chosen():
    program = """
        const choice = { temperature: 1, topK: 0, topP: 1 };
        const found = Array.from({ length: 50 }, (_, k) => choose(Float32Array.of(9, 1, 0), choice, k / 50, [0]));
    """
    found = node(program)
    assert set(found) == {1, 2}


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_each_symbol_costs_what_it_costs_in_a_score(models, name):
    model = load(models[name])
    page = desk(model, "float32")[0].decode()
    text = "the lazy dog jumps over\nagain, the quick"
    program = """
        const reading = new Reading(network, alphabet);
        reading.set(given.text.slice(0, 9)); reading.work(Infinity);
        reading.set(given.text + "x"); reading.work(Infinity);
        reading.set(given.text); reading.work(Infinity);
        const found = reading.bits;
    """
    found = node(program, page, text=text)
    (part,) = model.scored([text])
    assert found[0] is None
    assert found[1:] == pytest.approx((part.nats[1:] / np.log(2)).tolist(), abs=1e-3)


def test_the_ways_to_end_a_word_are_those_of_the_package(models):
    model = load(models["gru"])
    page = desk(model, "float32")[0].decode()
    program = """
        const reading = new Reading(network, alphabet);
        const rest = alphabet.unfinished("the q");
        const found = [rest, reading.ways(reading.behind("the"), rest)];
    """
    rest, ways = node(program, page)
    ids, expected_rest = model.prompted("the q")
    assert rest == expected_rest
    network, v = model.networks.numpy, model.vocabulary
    state = network.initial_state(1)
    for one in ids:
        logits, state = network.step(np.array([one]), state)
    logits[:, v.unwritten] = -np.inf
    expected = np.exp(Healing.of(v, rest).logits(network, v, logits, state)[0])
    assert sum(probability for _, probability in ways) == pytest.approx(1)
    for spelled, probability in ways:
        assert probability == pytest.approx(expected[spelled[0]], rel=1e-3)


def test_the_digest_is_sha256():
    for content in (b"", b"abc", bytes(range(256)) * 40):
        found = node("const found = sha256(bytesOf(given.content));", content=base64.b64encode(content).decode())
        assert found == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_rounded_weights_are_near_and_say_what_they_are_worth(kind):
    weights = {
        "m": np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32),
        "v": np.arange(3, dtype=np.float32),
    }
    weights["m"][2] = 0
    held = rounded(weights, kind)
    step = np.abs(weights["m"]).max(axis=1, keepdims=True) / 127 / 2
    assert (np.abs(held.weights["m"] - weights["m"]) <= (step + 1e-7 if kind == "int8" else 2e-3)).all()
    assert np.array_equal(held.weights["v"], weights["v"])
    size = {"int8": 5 * (4 + 7), "float16": 2 * 35, "float32": 4 * 35}[kind] + 12
    assert len(held.content) == size
