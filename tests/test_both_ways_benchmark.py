"""What the benchmark of both directions measures, in small: its n-gram is one, and its numbers are shares."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "both_ways.py"


def test_the_probabilities_of_its_grams_add_up_to_one():
    spec = importlib.util.spec_from_file_location("both_ways", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    ids = np.frombuffer(b"abracadabra" * 9, dtype=np.uint8).astype(np.int64) - 97
    grams = script.NGram(ids, 20, 3)
    found = np.array([grams.probabilities(context) for context in ((), (0,), (1, 17), (9, 9))])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found[2].argmax() == 0  # "br" goes on with "a"
    assert (found > 0).all()


@pytest.mark.slow
def test_it_measures_how_much_is_restored(tmp_path):
    line = [sys.executable, SCRIPT, "changed", "fill", "--folder", tmp_path]
    done = subprocess.run([*line, "--train", "--hidden 64 --steps 60 --threads 1"], capture_output=True, check=True)
    changed, fill = map(json.loads, done.stdout.splitlines())
    assert changed["changed"]["both sides"][0] > 0.1
    rows = fill["fill"]
    least = rows.pop("likeliest character")[0][0]
    assert all(least < characters[0] < 1 for characters, _ in rows.values())
