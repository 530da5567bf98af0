"""docs/format.md is enough: a reader written from that page alone finds the numbers that the package finds."""

import hashlib
import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from charrnn.language_model import load


def read(path):
    """RECORD and the tensors of a checkpoint."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    record = json.loads(header.pop("__metadata__")["charrnn"])
    digest = record["sha256"].encode()
    assert hashlib.sha256(content.replace(digest, b"0" * 64)).hexdigest().encode() == digest
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32"
        begin, end = entry["data_offsets"]
        numbers = np.frombuffer(content[8 + length + begin : 8 + length + end], "<f4")
        tensors[name] = numbers.reshape(entry["shape"]).astype(np.float64)
    return record, tensors


def sigma(x):
    return 1 / (1 + np.exp(-x))


def cell(kind, a, b, h, c):
    """One step of a recurrence."""
    if kind == "rnn":
        return np.tanh(a + b), c
    a, b = a.reshape(-1, len(h)), b.reshape(-1, len(h))
    if kind == "lstm":
        i, f, g, o = sigma(a[0] + b[0]), sigma(a[1] + b[1]), np.tanh(a[2] + b[2]), sigma(a[3] + b[3])
        c = f * c + i * g
        return o * np.tanh(c), c
    r, z = sigma(a[0] + b[0]), sigma(a[1] + b[1])
    return z * h + (1 - z) * np.tanh(a[2] + r * b[2]), c


def logits(record, tensors, ids):
    """The logits after each of `ids`, from a zero state."""
    for y in outputs(record, tensors, ids, "layers"):
        yield (tensors["head.weight"] @ y + tensors["head.bias"]) / record["progress"]["temperature"]


def logits_given_both_sides(record, tensors, ids):
    """The logits of each of `ids` but the first."""
    before = list(outputs(record, tensors, ids, "layers"))
    behind = [np.zeros_like(before[0]), *outputs(record, tensors, ids[::-1], "backward_layers")][::-1]
    for t in range(1, len(ids)):
        h = np.concatenate((before[t - 1], behind[t + 1]))
        m = np.tanh(tensors["joint.weight"] @ h + tensors["joint.bias"])
        y = tensors["head.weight"] @ np.concatenate((h, m)) + tensors["head.bias"]
        yield y / record["progress"]["temperature"]


def outputs(record, tensors, ids, layers):
    """What the last of these layers gives after each of `ids`, from a zero state."""
    config = record["config"]
    state = [(np.zeros(config["hidden"]), np.zeros(config["hidden"])) for _ in range(config["layers"])]
    for one in ids:
        x = tensors["embedding.weight"][one] if config["embedding"] else np.eye(len(tensors["head.bias"]))[one]
        for layer, (h, c) in enumerate(state):
            w = {
                name: tensors[f"{layers}.{layer}.cell.{name}_l0"]
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
            a, b = w["weight_ih"] @ x + w["bias_ih"], w["weight_hh"] @ h + w["bias_hh"]
            h, c = state[layer] = cell(config["cell"], a, b, h, c)
            y = h
            if config["layer_norm"]:
                y = (y - y.mean()) / np.sqrt(((y - y.mean()) ** 2).mean() + 0.00001)
                y = y * tensors[f"{layers}.{layer}.norm.weight"] + tensors[f"{layers}.{layer}.norm.bias"]
            if config["residual"] and (layer > 0 or config["embedding"] == config["hidden"]):
                y = y + x
            x = y
        yield x


@pytest.fixture(scope="session")
def models(door, tmp_path_factory):
    """A model of every cell, deep and shallow, of characters, bytes, words and records."""
    folder = tmp_path_factory.mktemp("format")
    (folder / "work").mkdir()
    (folder / "work" / "text.txt").write_text("the quick brown fox jumps over the lazy dog\nagain and again\n" * 9)
    small = ["--hidden", "6", "--batch-size", "2", "--seq-length", "8", "--steps", "3", "--precision", "float32", "-q"]
    kinds = {
        "lstm": ["--cell", "lstm", "--embedding", "4", "--layers", "2"],
        "gru": ["--cell", "gru", "--embedding", "6", "--unit", "word"],
        "rnn": ["--cell", "rnn", "--embedding", "0", "--layers", "2", "--unit", "byte"],
        "both": ["--cell", "gru", "--embedding", "6", "--layers", "2", "--bidirectional"],
        "records": ["--embedding", "4", "--no-layer-norm", "--no-residual", "--records", "lines", "--min-count", "12"],
    }
    lines = [(["train", "text.txt", "--name", name, *small, *flags], {}) for name, flags in kinds.items()]
    assert [done.stderr for done in door(lines, folder) if done.code] == []
    return folder / "work" / "checkpoints"


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "records"])
def test_a_reader_written_from_the_page_finds_the_logits_of_the_package(models, name):
    path = models / name / "best.safetensors"
    record, tensors = read(path)
    ours = load(path)
    v, state = record["vocabulary"], ours.networks.numpy.initial_state(1)
    assert len(v["symbols"]) + v["folds"] == len(ours.vocabulary)
    assert "".join(v["symbols"]) == "".join(ours.vocabulary.symbols)
    ids = np.random.default_rng(0).integers(len(ours.vocabulary), size=30)
    for one, found in zip(ids, logits(record, tensors, ids), strict=True):
        expected, state = ours.networks.numpy.step(np.array([one]), state)
        assert np.abs(found - expected[0]).max() < 1e-4


def test_it_finds_those_of_a_network_that_reads_both_ways(models):
    path = models / "both" / "best.safetensors"
    record, tensors = read(path)
    ours = load(path)
    ids = np.random.default_rng(0).integers(len(ours.vocabulary), size=30)
    (part,) = ours.scored([ids.astype(np.uint8)])
    for one, nats, found in zip(ids[1:], part.nats[1:], logits_given_both_sides(record, tensors, ids), strict=True):
        assert np.log(np.exp(found).sum()) - found[one] == pytest.approx(nats, abs=1e-4)


READER = Path(__file__).resolve().parents[1] / "export" / "reader.js"


def in_javascript(*arguments):
    """What the reader in another language prints; None where it refuses."""
    node = shutil.which("node") or pytest.skip("needs node")
    done = subprocess.run([node, READER, *map(str, arguments)], capture_output=True, timeout=60, check=False)
    return done.stdout.decode() if done.returncode == 0 else None


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "records"])
def test_so_does_one_in_another_language(models, name):
    path = models / name / "best.safetensors"
    ours = load(path)
    ids, state = np.random.default_rng(0).integers(len(ours.vocabulary), size=30), ours.networks.numpy.initial_state(1)
    for one, found in zip(ids, json.loads(in_javascript(path, "logits", *ids)), strict=True):
        expected, state = ours.networks.numpy.step(np.array([one]), state)
        assert np.abs(np.array(found) - expected[0]).max() < 1e-4


def test_it_writes_what_the_package_writes(models, tmp_path):
    path = models / "lstm" / "best.safetensors"
    assert in_javascript(path, "write", "the q", 60) == load(path).sample("the q", length=60, temperature=0).text
    (tmp_path / "damaged").write_bytes(path.read_bytes()[:-1] + b"!")
    assert in_javascript(tmp_path / "damaged", "write", "the q", 60) is None


def test_it_is_short():
    assert len(READER.read_text().splitlines()) < 100


def test_a_damaged_byte_is_found_by_the_digest(models, tmp_path):
    content = bytearray((models / "lstm" / "best.safetensors").read_bytes())
    content[-5] ^= 1
    (tmp_path / "damaged.safetensors").write_bytes(content)
    with pytest.raises(AssertionError):
        read(tmp_path / "damaged.safetensors")
