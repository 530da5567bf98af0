"""Many command lines in one folder, for somebody who is a stranger there if need be."""

import os
import time
from dataclasses import dataclass

import pytest

from tests.browser import started


@dataclass
class Done:
    """One line that was run."""

    arguments: list[str]
    env: dict[str, str]
    code: int
    stdout: str
    stderr: str
    seconds: float


def surroundings(folder):
    """An environment without anybody's settings, with its home and its temporary files below `folder`."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CHARRNN_")}
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    return clean | {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}


@pytest.fixture(scope="session")
def door(warm):
    """Run lines of (arguments, environment) in `folder / "work"`, one after the other.

    To a `stranger` is denied what a mode denies, also where the tests are a superuser's.
    """

    def run(lines, folder, *, stranger=False):
        home, found = surroundings(folder), []
        for arguments, env in lines:
            began = time.monotonic()
            done = warm.run(arguments, folder / "work", home | env, stranger=stranger, seconds=60)
            out, err = (stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr))
            found.append(Done(arguments, env, done.returncode, out, err, time.monotonic() - began))
        return found

    return run


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A browser for all pages of this process; skipped where there is none."""
    driver = started(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()
