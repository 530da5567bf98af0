"""The lectures' examples, in small: each is learnt beyond its floor, and beyond the commonest answer."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("digits", "captions", "questions", "speech", "video", "series")
NEEDED = {"digits": find_spec("sklearn"), "speech": which("espeak-ng")}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_an_example_of_the_lectures_is_learnt(tmp_path, part):
    if NEEDED.get(part, True) is None:
        pytest.skip("needs scikit-learn" if part == "digits" else "needs espeak-ng")
    line = [sys.executable, ROOT / "benchmarks" / "vectors.py", part, "--small", "--output", "out.json"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr.decode()
    (found,) = json.loads((tmp_path / "out.json").read_text())
    assert found["exact"] > found["floor"]
    assert found["exact"] > found["commonest"]
    if "bits_of_a_record" in found:
        assert found["bits_of_a_record"] > found["bits_that_nobody_can_do_without"] - 0.15  # of so few records
