"""How fast a text is encoded, and how much memory training on it takes, side by side with copying the file.

    python benchmarks/encoding.py [--megabytes 10 100 1000] [--folder PLACE]

Texts are made from this machine's standard library (ASCII), and from Unicode's letters with their names (mixed). Each
is surveyed and encoded into a fresh cache; then `charrnn train` makes 20 steps on it. Memory is the largest resident
set of that process. The folder needs three times the largest text.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import unicodedata
from pathlib import Path

from charrnn.text.corpus import read_corpus, source_of


def samples() -> dict[str, bytes]:
    """A few megabytes of each kind of text."""
    code = b"".join(path.read_bytes() for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")))
    letters = [chr(point) for point in range(0x250, 0x3000) if unicodedata.category(chr(point)).startswith("L")]
    mixed = "".join(f"{letter * 30} {unicodedata.name(letter).lower()}\n" for letter in letters)
    return {"ascii": code.decode("ascii", "ignore").encode(), "mixed": mixed.encode()}


def make(path: Path, sample: bytes, size: int) -> None:
    """Write `size` bytes, to the nearest sample."""
    with path.open("wb") as file:
        for _ in range(max(1, size // len(sample))):
            file.write(sample)


def peak(command: list[str], folder: Path) -> float:
    """The largest resident set of a command, in MiB."""
    process = subprocess.Popen(command, cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--folder", type=Path)
    known = parser.parse_args()
    for kind, sample in samples().items():
        for megabytes in known.megabytes:
            with tempfile.TemporaryDirectory(dir=known.folder) as name:
                folder = Path(name)
                make(folder / "text.txt", sample, megabytes * 1_000_000)
                size = (folder / "text.txt").stat().st_size
                began = time.monotonic()
                shutil.copyfile(folder / "text.txt", folder / "copy.txt")
                copied, began = time.monotonic() - began, time.monotonic()
                read_corpus(source_of({"corpus": [str(folder / "text.txt")]}), cache=folder / "cache")
                encoded = time.monotonic() - began
                train = [
                    sys.executable,
                    "-m",
                    "charrnn",
                    "train",
                    "text.txt",
                    "--steps",
                    "20",
                    "--cache",
                    "cache",
                    "-q",
                ]
                memory = peak([*train, "--validation-fraction", "0.001"], folder)
                speeds = f"copied {size / copied / 1e6:6,.0f} MB/s, encoded {size / encoded / 1e6:5,.0f} MB/s"
                print(f"{kind:6} {size / 1e6:7,.0f} MB  {speeds}, training {memory:,.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
