"""What a time budget teaches: trains with several seeds, then scores the held-out part with `charrnn evaluate`.

    python benchmarks/quality.py tinyshakespeare.txt --time 95s --seeds 3 [any flag of charrnn train]
    python benchmarks/quality.py tinyshakespeare.txt --seeds 3 --steps 6400 --hidden 768 ...

Prints one line per seed (nats per character, the same with nothing fitted to what is scored as in `calibration.py`,
how far the last look stands above the best, the network and its steps, wall-clock seconds of the whole training
command) and the mean with its spread. With `--adapt` the score of the network that goes on learning, and its seconds,
too. With `--tune` the last tenth of the text is cut off first, so that settings are never chosen on it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from calibration import with_nothing_fitted

from charrnn.config_file import CONFIG, read_config_file


def charrnn(*arguments: str, folder: str) -> str:
    """Run the command line in `folder`; returns its stdout."""
    command = [sys.executable, "-m", "charrnn", *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def above(run: Path) -> float:
    """How far the score of a run's last look stands above that of its best."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    looks = [line["nats_per_char"] for line in lines if line["event"] == "evaluated"]
    return float(looks[-1] - min(looks))


def size(run: Path) -> str:
    """The network of a run, and how long it learnt."""
    c = read_config_file(run / CONFIG)
    return f"{c['layers']} x {c['hidden']} units, {c['steps']} steps of {c['batch_size']} x {c['seq_length']}"


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--time", help="95s, unless --steps or --epochs are given")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--adapt", action="store_true", help="score each adapting, too")
    parser.add_argument("--tune", action="store_true", help="cut the last tenth off first")
    known, flags = parser.parse_known_args()
    fixed = any(flag.split("=")[0] in ("--steps", "--epochs") for flag in flags)
    length = ["--time", known.time or "95s"] if known.time or not fixed else []
    scores: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        text = known.corpus.read_bytes()
        (Path(folder) / "corpus.txt").write_bytes(text[: int(len(text) * 0.9)] if known.tune else text)
        for seed in range(known.seeds):
            name, began = f"seed-{seed}", time.monotonic()
            own = ["--seed", str(seed), "--name", name, "--keep", "100"]
            charrnn("train", "corpus.txt", *length, *own, "-q", *flags, folder=folder)
            seconds = time.monotonic() - began
            score = json.loads(charrnn("evaluate", name, "--json", folder=folder))["nats_per_char"]
            run = Path(folder) / "checkpoints" / name
            scores.append([score, with_nothing_fitted(run)])
            told = f"seed {seed}: {score:.4f} nats per character, with nothing fitted {scores[-1][1]:.4f}"
            told += f", the last look {above(run):.4f} above the best, {size(run)}, {seconds:.1f} s"
            print(told, flush=True)
            if known.adapt:
                began = time.monotonic()
                scores[-1].append(
                    json.loads(charrnn("evaluate", name, "--adapt", "--json", folder=folder))["adapted_nats_per_char"]
                )
                print(f"seed {seed}: {scores[-1][2]:.4f} adapting, {time.monotonic() - began:.1f} s", flush=True)
    means = ", ".join(f"{statistics.fmean(column):.4f}" for column in zip(*scores, strict=True))
    spreads = ", ".join(f"{statistics.stdev(column):.4f}" for column in zip(*scores, strict=True) if len(column) > 1)
    print(f"means {means}, standard deviations {spreads or 'unknown'}, {' '.join([*length, *flags])}")


if __name__ == "__main__":
    main()
