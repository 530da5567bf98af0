"""Whether the settings that nobody asked for are good: against a small grid, on texts that they were not tuned on.

    python benchmarks/auto.py [TEXT ...] [--time 30s] [--seed 0] [any flag of charrnn train]

Texts are files, or names of those that are made from what every machine has, by default all of them: documentation
(prose) and modules (code) of Python's standard library, 20 MB of installed Python code, the first 20 kB of the prose,
the log of a server that never was, and what lies in `corpora`: verse, Chinese verse, tunes, and names. Each is trained
by `charrnn train TEXT --time T` alone and then with each setting of the grid at the same budget; printed are scores of
the held-out tenth and how far the chosen settings stay behind the best of all.
"""

import argparse
import json
import pydoc_data.topics
import random
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

GRID = (
    "--hidden 128 --dropout 0.1 --batch-size 16 --learning-rate 1e-2",
    "--hidden 256 --dropout 0.3 --batch-size 16 --learning-rate 5e-3",
    "--hidden 384 --dropout 0.6 --batch-size 16 --learning-rate 5e-3",
    "--hidden 512 --dropout 0.2 --batch-size 32 --learning-rate 7e-3",
    "--hidden 512 --dropout 0.7 --batch-size 16 --learning-rate 4e-3",
    "--hidden 768 --dropout 0.5 --batch-size 32 --learning-rate 5e-3",
    "--hidden 256 --dropout 0.5 --weight-drop 0.3 --dropout-start 1 --batch-size 16 --learning-rate 7e-3",
    "--hidden 512 --dropout 0.6 --weight-drop 0.4 --dropout-start 1 --batch-size 16 --learning-rate 5e-3",
)
CORPORA = Path(__file__).parent.parent / "corpora"


def texts() -> dict[str, str]:
    """The texts by name."""
    prose = "\n\n".join(text for _, text in sorted(pydoc_data.topics.topics.items()))
    library = Path(sysconfig.get_path("stdlib"))
    return {
        "prose": prose,
        "code": joined(sorted(library.glob("*.py")), 2_000_000),
        "verse": (CORPORA / "sonnets.txt").read_text(),
        "short": prose[:20_000],
        "large": joined(sorted(Path(sysconfig.get_path("purelib")).rglob("*.py")), 20_000_000),
        "log": log(10_000),
        "chinese": (CORPORA / "verse-zh.txt").read_text(),
        "tunes": (CORPORA / "tunes.abc").read_text(),
        "names": (CORPORA / "names.txt").read_text(),
    }


def log(lines: int) -> str:
    """What a server might have written, always the same: times that grow, addresses, paths, sizes and states."""
    draw, now, written = random.Random(1), 1_700_000_000.0, []  # noqa: S311 - the same everywhere
    hosts = [".".join(str(draw.randrange(256)) for _ in range(4)) for _ in range(200)]
    paths = [f"/{draw.choice(('api', 'static', 'users', 'items'))}/{draw.randrange(2_000)}" for _ in range(500)]
    for _ in range(lines):
        now += draw.expovariate(2)
        state = draw.choices((200, 304, 404, 500), (80, 10, 8, 2))[0]
        host, path = hosts[int(draw.paretovariate(1)) % 200], paths[int(draw.paretovariate(0.7)) % 500]
        written.append(f"{now:.3f} {host} GET {path} {state} {int(draw.lognormvariate(7, 2))}\n")
    return "".join(written)


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
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    parser.add_argument("--time", default="30s")
    parser.add_argument("--seed", default="0")
    known, more = parser.parse_known_args()
    budget = ["--time", known.time, "--seed", known.seed, *more]
    made = texts()
    for name in known.texts or made:
        text, found = made[name] if name in made else Path(name).read_text(), {}
        for flags in ("", *GRID):
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "text.txt").write_text(text)
                found[flags] = score("text.txt", [*budget, *flags.split()], folder)
            print(f"{name:10} {found[flags]:.4f}  {flags or 'chosen'}", flush=True)
        print(f"{name:10} {found[''] / min(found.values()) - 1:+.2%} above the best", flush=True)


if __name__ == "__main__":
    main()
