"""Whether the settings that nobody asked for are good: against a small grid, on texts that they were not tuned on.

    python benchmarks/auto.py [--time 30s] [--seed 0]

The texts are made from what every machine has: documentation (prose) and modules (code) of Python's standard library,
20 MB of installed Python code, the sonnets (verse), and the first 20 kB of the prose. Each is trained by
`charrnn train TEXT --time T` alone and then with each setting of the grid at the same budget; printed are scores of
the held-out tenth and how far the chosen settings stay behind the best of all.
"""

import argparse
import json
import pydoc_data.topics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

GRID = (
    "--hidden 256 --dropout 0.3 --batch-size 16 --learning-rate 5e-3",
    "--hidden 384 --dropout 0.6 --batch-size 16 --learning-rate 5e-3",
    "--hidden 512 --dropout 0.2 --batch-size 32 --learning-rate 7e-3",
    "--hidden 512 --dropout 0.7 --batch-size 16 --learning-rate 4e-3",
    "--hidden 768 --dropout 0.5 --batch-size 32 --learning-rate 5e-3",
)
SONNETS = Path(__file__).parent.parent / "corpora" / "sonnets.txt"


def texts() -> dict[str, str]:
    """The five texts by name."""
    prose = "\n\n".join(text for _, text in sorted(pydoc_data.topics.topics.items()))
    library = Path(sysconfig.get_path("stdlib"))
    return {
        "prose": prose,
        "code": joined(sorted(library.glob("*.py")), 2_000_000),
        "verse": SONNETS.read_text(),
        "20 kB of prose": prose[:20_000],
        "20 MB of code": joined(sorted(Path(sysconfig.get_path("purelib")).rglob("*.py")), 20_000_000),
    }


def joined(files: Iterable[Path], size: int) -> str:
    """The files one after the other, up to `size` characters."""
    parts: list[str] = []
    for file in files:
        try:
            parts.append(file.read_text())
        except UnicodeDecodeError:
            continue
        if sum(map(len, parts)) > size:
            break
    return "".join(parts)[:size]


def score(text: str, flags: list[str], folder: str) -> float:
    """Nats per character of the held-out part after training with `flags`."""
    command = [sys.executable, "-m", "charrnn"]
    train = [*command, "train", text, "--name", "run", "-q", *flags]
    subprocess.run(train, cwd=folder, check=True)
    shown = subprocess.run(
        [*command, "evaluate", "run", "--json"], cwd=folder, check=True, capture_output=True, text=True
    )
    return float(json.loads(shown.stdout)["nats_per_char"])


def main() -> None:
    """Train everything, print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", default="30s")
    parser.add_argument("--seed", default="0")
    known = parser.parse_args()
    budget = ["--time", known.time, "--seed", known.seed]
    for name, text in texts().items():
        found = {}
        for flags in ("", *GRID):
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "text.txt").write_text(text)
                found[flags] = score("text.txt", [*budget, *flags.split()], folder)
            print(f"{name:16} {found[flags]:.4f}  {flags or 'chosen'}", flush=True)
        print(f"{name:16} {found[''] / min(found.values()) - 1:+.2%} above the best", flush=True)


if __name__ == "__main__":
    main()
