"""The script that a GPU's few minutes are spent on proves itself anywhere, in small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_every_part_of_it_runs_on_a_cpu(tmp_path):
    (tmp_path / "text.txt").write_text((ROOT / "corpora" / "sonnets.txt").read_text()[:20_000])
    line = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "text.txt", "--small", "--device", "cpu"]
    done = subprocess.run([*line, "--output", "out.json"], cwd=tmp_path, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads((tmp_path / "out.json").read_text())
    assert set(found) >= {"recurrences", "peaks", "steps", "runs"}
    for part in ("recurrences", "peaks", "steps", "runs"):
        assert found[part], part
        assert not any("failed" in row for row in found[part]), found[part]
