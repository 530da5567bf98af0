"""What a time budget teaches: trains with several seeds, then scores the held-out part with `charrnn evaluate`.

    python benchmarks/quality.py tinyshakespeare.txt --time 95s --seeds 3 [any flag of charrnn train]
    python benchmarks/quality.py tinyshakespeare.txt --seeds 3 --steps 6400 --hidden 768 ...

Prints one line per seed (nats per character, wall-clock seconds of the whole training command) and the mean with its
spread. With `--tune` the last tenth of the text is cut off first, so that settings are never chosen on it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def charrnn(*arguments: str, folder: str) -> str:
    """Run the command line in `folder`; returns its stdout."""
    command = [sys.executable, "-m", "charrnn", *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--time", help="95s, unless --steps or --epochs are given")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tune", action="store_true", help="cut the last tenth off first")
    known, flags = parser.parse_known_args()
    fixed = any(flag.split("=")[0] in ("--steps", "--epochs") for flag in flags)
    length = ["--time", known.time or "95s"] if known.time or not fixed else []
    scores = []
    with tempfile.TemporaryDirectory() as folder:
        text = known.corpus.read_bytes()
        (Path(folder) / "corpus.txt").write_bytes(text[: int(len(text) * 0.9)] if known.tune else text)
        for seed in range(known.seeds):
            name, began = f"seed-{seed}", time.monotonic()
            own = ["--seed", str(seed), "--name", name]
            charrnn("train", "corpus.txt", *length, *own, "-q", *flags, folder=folder)
            seconds = time.monotonic() - began
            found = json.loads(charrnn("evaluate", name, "--json", folder=folder))
            scores.append(found["nats_per_char"])
            print(f"seed {seed}: {scores[-1]:.4f} nats per character, {seconds:.1f} s", flush=True)
    spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
    print(f"mean {statistics.fmean(scores):.4f}, standard deviation {spread:.4f}, {' '.join([*length, *flags])}")


if __name__ == "__main__":
    main()
