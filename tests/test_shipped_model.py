"""The model that comes with the repository: small, whole, and as good as the README says."""

import copy
import json
import re
from pathlib import Path

import numpy as np
import torch

from charrnn.model.network import CharRNN
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.runs.checkpoint import read_checkpoint

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "checkpoints" / "shakespeare" / "best.safetensors"
README = (ROOT / "README.md").read_text()


def test_it_is_small_and_holds_nothing_but_a_model():
    assert MODEL.stat().st_size <= 4_000_000
    checkpoint = read_checkpoint(MODEL)
    assert checkpoint.training is None
    assert checkpoint.config.corpus == ["sonnets.txt"]
    content = MODEL.read_bytes()
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    assert rb"\"/" not in header, "a path of the machine that it was made on"


def test_it_writes_right_after_cloning(charrnn):
    """Just as the README has it, in a folder that holds nothing but what was cloned."""
    line = ["sample", "--temp", "0.8", "-n", "400", "--seed", "1", "--checkpoints", MODEL.parent.parent]
    text = charrnn(*line, cwd="/", fresh=True).stdout.decode()
    assert len(text) >= 400
    known = set(re.findall(r"[a-z']+", (ROOT / "corpora" / "sonnets.txt").read_text().lower()))
    words = re.findall(r"[a-z']+", text.lower())
    assert sum(word in known for word in words) / len(words) > 0.6


def test_its_held_out_part_is_found_in_the_clone_and_scored_as_it_was(charrnn):
    found = json.loads(charrnn("evaluate", "shakespeare", "--json", cwd=ROOT).stdout)
    assert abs(found["nats_per_char"] - read_checkpoint(MODEL).progress.validation_nats) < 2e-4


def test_numpy_and_torch_read_it_alike():
    """Against float64, NumPy's largest error of a logit is at most twice torch's, plus 1e-6."""
    torch.set_num_threads(1)
    checkpoint = read_checkpoint(MODEL)
    symbols = len(checkpoint.vocabulary)
    text = (ROOT / "corpora" / "sonnets.txt").read_text()[:1500]
    ids = checkpoint.vocabulary.encode(text).astype(np.int64)
    network = CharRNN(checkpoint.config, symbols)
    network.load_weights(checkpoint.calibrated)
    exact = copy.deepcopy(network).double()
    light, state, ours = NumpyNetwork(checkpoint.config, symbols, checkpoint.calibrated), None, []
    state = light.initial_state(1)
    for symbol in ids:
        logits, state = light.step(np.array([symbol]), state)
        ours.append(logits)
    with torch.no_grad():
        plain, true = (
            reader(torch.from_numpy(ids)[:, None], reader.initial_state(1))[0].double().numpy()
            for reader in (network, exact)
        )
    assert np.abs(np.stack(ours) - true).max() <= 2 * np.abs(plain - true).max() + 1e-6


def test_it_scores_what_the_readme_says(charrnn):
    stated = float(re.search(r"`checkpoints/shakespeare`.*?(\d\.\d{3}) nats", README, re.DOTALL)[1])
    text = (ROOT / "corpora" / "sonnets.txt").read_text()
    held_out = text[len(text) - len(text) // 10 :]
    shown = charrnn("evaluate", MODEL, "-", "--json", cwd=ROOT, stdin=held_out.encode())
    assert abs(json.loads(shown.stdout)["nats_per_char"] - stated) < 0.005
