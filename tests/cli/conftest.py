"""The command line many times in one process: what a thousand lines need that have no time for a thousand start-ups."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

# Runs every line of a JSON list on stdin as `charrnn` would, with streams of its own, and writes what came out.
DOOR = """
import json, os, signal, sys, time
from pathlib import Path
import charrnn.cli.train
from charrnn.cli.app import run

folder, streams = Path(sys.argv[1]), Path(sys.argv[2])
results, home = os.fdopen(os.dup(1), "w"), dict(os.environ)
for number, line in enumerate(json.load(sys.stdin)):
    os.environ.clear()
    os.environ.update(home | line["env"])
    os.chdir(folder)
    for descriptor, name in enumerate(("/dev/null", streams / "out", streams / "err")):
        opened = os.open(name, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    if line["stranger"] and os.geteuid() == 0:
        os.chmod(streams / "out", 0o666), os.chmod(streams / "err", 0o666)
        os.setgroups([]), os.setgid(65534), os.setuid(65534)
    signal.alarm(60)
    charrnn.cli.train.STARTED = began = time.monotonic()
    try:
        code = run(line["arguments"])
    except BaseException as error:
        code = repr(error)
    signal.alarm(0)
    sys.stdout.flush(), sys.stderr.flush()
    found = [(streams / name).read_bytes().decode("utf-8", "surrogateescape") for name in ("out", "err")]
    print(json.dumps([code, *found, time.monotonic() - began]), file=results, flush=True)
"""


@dataclass
class Done:
    """One line that was run."""

    arguments: list[str]
    env: dict[str, str]
    code: object
    stdout: str
    stderr: str
    seconds: float


def surroundings(folder):
    """An environment without anybody's settings, with its home and its temporary files below `folder`."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CHARRNN_")}
    for name in ("home", "tmp", "streams"):
        (folder / name).mkdir(exist_ok=True)
    return clean | {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}


@pytest.fixture(scope="session")
def door():
    """Run lines of (arguments, environment) in `folder / "work"`, one after the other in one process.

    From line number `stranger` on, a superuser becomes somebody who is denied what a mode denies. What the lines before
    have loaded needs not be read again, so that this works wherever Python is installed.
    """

    def run(lines, folder, *, stranger=None):
        last = len(lines) if stranger is None else stranger
        asked = [
            {"arguments": arguments, "env": env, "stranger": number >= last}
            for number, (arguments, env) in enumerate(lines)
        ]
        done = subprocess.run(
            [sys.executable, "-c", DOOR, folder / "work", folder / "streams"],
            input=json.dumps(asked).encode(),
            env=surroundings(folder),
            capture_output=True,
            check=False,
        )
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(found) == len(lines), f"{lines[len(found)]} ended the process ({done.returncode}): {done.stderr!r}"
        return [Done(*line, *answer) for line, answer in zip(lines, found, strict=True)]

    return run
