"""What the benchmark of both directions measures, in small: its n-gram is one, and its numbers are shares."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
PROBABLE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from both_ways import NGram
import numpy as np
ids = np.frombuffer(b"abracadabra" * 9, dtype=np.uint8).astype(np.int64) - 97
grams = NGram(ids, 20, 3)
print(json.dumps([grams.probabilities(context).tolist() for context in ((), (0,), (1, 17), (9, 9))]))
"""


def test_the_probabilities_of_its_grams_add_up_to_one():
    done = subprocess.run([sys.executable, "-c", PROBABLE, ROOT / "benchmarks"], capture_output=True, check=True)
    found = np.array(json.loads(done.stdout))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found[2].argmax() == 0  # "br" goes on with "a"
    assert (found > 0).all()


@pytest.mark.slow
def test_it_measures_how_much_is_restored(tmp_path):
    line = [sys.executable, ROOT / "benchmarks" / "both_ways.py", "changed", "fill", "--folder", tmp_path]
    done = subprocess.run([*line, "--train", "--hidden 64 --steps 60 --threads 1"], capture_output=True, check=True)
    changed, fill = map(json.loads, done.stdout.splitlines())
    assert changed["changed"]["both sides"][0] > 0.1
    rows = fill["fill"]
    least = rows.pop("likeliest character")[0][0]
    assert all(least < characters[0] < 1 for characters, _ in rows.values())
