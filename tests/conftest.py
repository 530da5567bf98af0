"""What several tests need: the command line, a small text, and a model trained once."""

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.warm import Warm

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # a machine that does something else besides is no failure
os.environ["OMP_NUM_THREADS"] = "1"  # two test processes with two threads each would only wait for each other
COMMAND = str(Path(sys.executable).with_name("charrnn"))
VERSES = (
    "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n"
    "Rough winds do shake the darling buds of May,\nAnd summer's lease hath all too short a date.\n\n"
)
TINY = ["--hidden", "24", "--embedding", "8", "--batch-size", "4", "--seq-length", "16", "--precision", "float32"]


START = ("PYTHON", "LANG", "LC_")  # what Python reads when it starts


@pytest.fixture(scope="session")
def warm():
    """Commands without their start-up."""
    with Warm() as process:
        yield process


@pytest.fixture(scope="session")
def charrnn(warm):
    """The command line, as a function of arguments: the finished process with bytes on its streams.

    It is forked from one that has loaded everything, but for what is `fresh` or a matter of the start.
    """

    def run(*arguments, cwd, stdin=b"", env=None, fresh=False):
        words, env = [*map(str, arguments)], env or {}
        if not fresh and not any(key.startswith(START) for key in env):
            return warm.run(words, cwd, told(env), stdin=stdin)
        line, more = [COMMAND, *words], {"capture_output": True, "timeout": 120, "check": False}
        return subprocess.run(line, cwd=cwd, input=stdin, env=told(env), **more)

    return run


@pytest.fixture(scope="session")
def start(warm):
    """The same, started only: a process that can be asked, signalled and waited for; `how` as of `Warm.begin`."""
    return lambda *arguments, cwd, env=None, **how: warm.start([*map(str, arguments)], cwd, told(env or {}), **how)


def told(env):
    """The environment of a command: `env`, and this one without anybody's settings."""
    return {key: value for key, value in os.environ.items() if not key.startswith("CHARRNN_")} | env


@pytest.fixture
def corpus(tmp_path):
    """A small text file."""
    path = tmp_path / "verses.txt"
    path.write_text(VERSES * 12)
    return path


@pytest.fixture(scope="session")
def trained(charrnn, tmp_path_factory):
    """A folder with `verses.txt` and a finished run `verses` below `checkpoints/`; nobody may change it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "verses.txt").write_text(VERSES * 12)
    done = charrnn("train", "verses.txt", *TINY, "--steps", "60", "--learning-rate", "0.01", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    return folder


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Make a folder once for all processes of the test runner: the first to ask makes it, the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name, make):
        path, whole = shared / name, shared / f"{name}.whole"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                assert not path.exists(), f"{name} failed in another process"
                path.mkdir()
                make(path)
                whole.touch()
        return path

    return folder


@pytest.fixture(scope="session")
def free_port():
    """A port of this machine that nobody listens to."""

    def port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return port
