"""How long commands take before they do anything: whole processes, median of several, side by side in one run.

    python benchmarks/startup.py [--runs 9]

`sample` runs on a random 2 x 512 LSTM over 100 symbols; the last row is what importing torch alone would cost.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(command: list[str], folder: str, runs: int) -> float:
    """Median wall-clock seconds of a command."""
    times = []
    for _ in range(runs + 1):
        began = time.monotonic()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        times.append(time.monotonic() - began)
    return statistics.median(times[1:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    charrnn = [sys.executable, "-m", "charrnn"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "corpus.txt").write_text("".join(map(chr, range(33, 133))) * 20)
        shape = ["--layers", "2", "--hidden", "512", "--steps", "1", "-q"]
        subprocess.run([*charrnn, "train", "corpus.txt", *shape], cwd=folder, check=True)
        rows = {
            "charrnn --version": [*charrnn, "--version"],
            "charrnn --help": [*charrnn, "--help"],
            "charrnn info": [*charrnn, "info"],
            "charrnn sample -n 200": [*charrnn, "sample", "-n", "200", "--seed", "1"],
            "python -c 'import torch'": [sys.executable, "-c", "import torch"],
        }
        for name, command in rows.items():
            print(f"{name:28}{seconds(command, folder, runs):.3f} s", flush=True)


if __name__ == "__main__":
    main()
