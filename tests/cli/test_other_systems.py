"""What other systems and file systems lack: a process here that has to do without it trains, resumes and writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY, VERSES

STEPS = [*TINY, "--learning-rate", "0.01"]
# Runs command lines, one a line, in a process that a prologue has taken something from; says each exit code.
RUNS = """
import json, sys
from charrnn.cli.app import run
for line in json.loads(sys.argv[1]):
    print("\\ncode", run(line), flush=True)
"""
WINDOWS = """
import os, pathlib, signal, sys
for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGXCPU", "SIGPWR", "SIGALRM", "SIGKILL"):
    delattr(signal, name)
for name in ("O_NOFOLLOW", "pread", "pwrite", "sched_getaffinity", "mkfifo", "getuid", "geteuid", "fork"):
    delattr(os, name)
opened = os.open
def no_folders(path, *more, **others):
    if os.path.isdir(path):
        raise PermissionError(13, "permission denied", path)
    return opened(path, *more, **others)
os.open = no_folders
"""
NO_LOCKS = """
import fcntl, errno
def none(*arguments):
    raise OSError({number}, "not supported")
fcntl.flock = none
"""
NO_FLUSHING = """
import os
def none(*arguments):
    raise OSError({number}, "not supported")
os.fsync = none
"""


@pytest.fixture
def without(tmp_path, start):
    """Run command lines in processes without something: (exit codes, stderr)."""
    (tmp_path / "verses.txt").write_text(VERSES * 12)

    def run(prologue, lines, stdin=""):
        done = [start(*line, cwd=tmp_path, first=prologue, stdin=stdin.encode()).finished() for line in lines]
        return [each.returncode for each in done], b"".join(each.stderr for each in done).decode()

    return run


def test_nothing_that_only_unix_has_is_needed(tmp_path):
    """Trained, resumed, watched, sampled, scored, shown: as on Windows, as far as it can be hidden here."""
    (tmp_path / "verses.txt").write_text(VERSES * 12)
    train = ["train", "verses.txt", "--name", "job", *STEPS]
    lines = [
        [*train, "--steps", "6", "--cache", "cached"],
        [*train, "--steps", "6", "--cache", "cached", "--resume"],
        [*train[:-2], "--dry-run"],
        ["sample", "job", "-n", "20", "--seed", "1"],
        ["evaluate", "job"],
        ["predict", "job", "-p", "Shall"],
        ["info", "job"],
        ["plot", "job"],
        ["report", "job"],
    ]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CHARRNN_")}
    how = {"cwd": tmp_path, "env": clean | {"PYTHONPATH": str(Path(__file__).parents[2])}, "text": True}
    program = [sys.executable, "-c", WINDOWS + RUNS, json.dumps(lines)]
    done = subprocess.run(program, **how, capture_output=True, timeout=120, check=False)
    codes = [int(said.split()[1]) for said in done.stdout.splitlines() if said.startswith("code ")]
    assert codes == [0] * len(lines), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("no locks") == 2  # one each session: nothing here can lock without fcntl
    assert (tmp_path / "checkpoints" / "job" / "report.html").is_file()


@pytest.mark.parametrize("number", ["ENOSYS", "EOPNOTSUPP", "ENOLCK"])
def test_a_file_system_without_locks_is_warned_of_once_and_trained_on(without, number):
    line = ["train", "verses.txt", "--name", "job", *STEPS, "--steps", "6", "--save-every", "2"]
    codes, err = without(NO_LOCKS.replace("{number}", f"errno.{number}"), [line, [*line, "--resume"]])
    assert codes == [0, 0], err
    assert err.count("has no locks") == 2


def test_a_file_system_that_cannot_flush_is_warned_of_once_and_trained_on(without):
    line = ["train", "verses.txt", "--name", "job", *STEPS, "--steps", "6", "--save-every", "2"]
    for number in ("38", "95", "22"):  # ENOSYS, EOPNOTSUPP, EINVAL
        codes, err = without(NO_FLUSHING.replace("{number}", number), [[*line, "--name", f"job{number}"]])
        assert codes == [0], err
        assert err.count("no fsync") == 1


def test_a_disk_that_fails_is_no_file_system_without(without):
    line = ["train", "verses.txt", "--name", "job", *STEPS, "--steps", "6"]
    codes, err = without(NO_FLUSHING.replace("{number}", "5"), [line])  # EIO
    assert codes == [74], err


NO_TEMPORARY_FILES = """
import tempfile
def none(*arguments):
    raise FileNotFoundError(2, "no usable temporary directory found")
tempfile._get_default_tempdir, tempfile.tempdir = none, None
"""


def test_nothing_needs_a_folder_for_temporary_files(without, tmp_path):
    lines = [
        ["train", "verses.txt", "--name", "job", *STEPS, "--steps", "6"],
        ["train", "verses.txt", "--name", "job", *STEPS, "--steps", "6", "--resume"],
        ["train", "verses.txt", *STEPS, "--dry-run"],
        ["sample", "job", "-n", "20", "--seed", "1", "--prompt-file", "verses.txt"],
        ["sample", "job", "-n", "20", "--seed", "1", "--adapt-to", "verses.txt"],
        ["evaluate", "job", "--baselines"],
        ["evaluate", "job", "--adapt", "--", "verses.txt"],
        ["evaluate", "job", "job", "--cache", "cached", "--", "-"],
        ["predict", "job"],
        ["plot", "job", "--svg", "curves.svg"],
        ["report", "job"],
    ]
    codes, err = without(NO_TEMPORARY_FILES, lines, stdin=VERSES)
    assert codes == [0] * len(lines), err
    assert [path.name for path in (tmp_path / "cached").iterdir()] == []


def test_what_cannot_be_read_twice_is_kept_in_the_cache_or_refused_by_its_name(charrnn, trained, tmp_path):
    """Whatever is in the way of it: no home, or a place that cannot be written."""
    line = ["evaluate", "verses", "verses", "--", "-"]
    homeless = {"XDG_CACHE_HOME": "~nobody-of-this-name/cache"}
    for more, env in (([], homeless), (["--cache", "verses.txt/below"], {})):
        done = charrnn(*line[:3], *more, *line[3:], cwd=trained, stdin=VERSES.encode(), env=env)
        assert (done.returncode, b"--cache" in done.stderr, done.stdout) == (73, True, b""), done.stderr
    done = charrnn(*line[:3], "--cache", str(tmp_path), "--json", *line[3:], cwd=trained, stdin=VERSES.encode())
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
