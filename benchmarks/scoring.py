"""How fast and in how much memory a long text is scored, next to how fast the same network learns, in one run.

    python benchmarks/scoring.py [--megabytes 40]

The text is Python code from this machine's standard library, repeated. A network of the default size is trained on it
for a few steps; then a tenth of the text and all of it are scored by `charrnn evaluate`.
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path


def timed(command: list[str], folder: str) -> tuple[float, float, bytes]:
    """Wall-clock seconds of a command, its largest resident memory in MiB, and its stdout."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
    assert process.stdout is not None
    shown = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.monotonic() - began, usage.ru_maxrss / 1024, shown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=40)
    size = parser.parse_args().megabytes * 1_000_000
    code = b"".join(path.read_bytes() for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")))
    code = code.decode("ascii", "ignore").encode()
    charrnn = [sys.executable, "-m", "charrnn"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "learn.txt").write_bytes(code[:2_000_000])
        (place / "all.txt").write_bytes((code * (size // len(code) + 1))[:size])
        (place / "tenth.txt").write_bytes((place / "all.txt").read_bytes()[: size // 10])
        events = timed([*charrnn, "train", "learn.txt", "--name", "m", "--steps", "200", "--json", "-q"], folder)[2]
        trained = [json.loads(line) for line in events.splitlines()]
        speeds = [event["symbols_per_second"] for event in trained if "symbols_per_second" in event]
        print(f"learning          {sorted(speeds)[len(speeds) // 2]:,.0f} characters/s")
        seconds = {}
        for name in ("tenth", "all"):
            seconds[name], memory, _ = timed([*charrnn, "evaluate", "m", f"{name}.txt", "--json"], folder)
            print(f"{name:17} {seconds[name]:.1f} s, at most {memory:,.0f} MiB")
        print(f"scoring           {size * 0.9 / (seconds['all'] - seconds['tenth']):,.0f} characters/s")


if __name__ == "__main__":
    main()
