"""Whole commands on several processes, as torchrun starts them: one run, one voice, and nothing lost when one is lost.

What is always run goes through torchrun a few times; every other way to end a process is among the slow tests.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from charrnn.cli.several import place as place_of_process
from charrnn.errors import SettingsError
from charrnn.runs.checkpoint import read_checkpoint

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found through /proc")

VERSES = (
    "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n"
    "Rough winds do shake the darling buds of May,\nAnd summer's lease hath all too short a date.\n\n"
)
STEPS, EVERY = 240, 60
TINY = ["--hidden", "16", "--embedding", "8", "--batch-size", "4", "--seq-length", "12"]
TINY += ["--dropout", "0.3", "--weight-drop", "0.2"]
TINY += ["--precision", "float32", "--threads", "1", "--learning-rate", "0.01"]
LINE = ["train", "verses.txt", *TINY, "--steps", STEPS, "--eval-every", STEPS, "--save-every", EVERY, "--keep", "9"]
LINE += ["--name", "run", "--resume"]
TWO = ["--standalone", "--nproc-per-node", "2"]
LOST = "charrnn: error: a process other than rank {} has ended; the run cannot go on without it; "
LOST += "the same command with --resume continues the run"


class Job:
    """A command on several processes; whatever is left of it ends with the block."""

    def __init__(self, command, folder):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("CHARRNN_")}
        self.folder, self.mark = folder, f"{folder} {time.monotonic_ns()}"
        self.stderr = (folder / f"stderr-{time.monotonic_ns()}").open("w+")
        self.launcher = subprocess.Popen(
            [sys.executable, "-m", *map(str, command)],
            cwd=folder,
            env=clean | {"PROCESSES_TEST": self.mark, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.stderr,
        )

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.launcher.kill()
        self.launcher.wait()
        for pid in self.ranks().values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.stderr.close()

    def ranks(self):
        """The process of every rank that is alive."""
        found = {}
        for place in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                env = dict(entry.partition("=")[::2] for entry in place.read_text(errors="replace").split("\0"))
                if env.get("PROCESSES_TEST") == self.mark and "RANK" in env:
                    found[int(env["RANK"])] = int(place.parent.name)
        return found

    def reach(self, step, seconds=90):
        """Wait until the run has made so many steps; returns the ranks' processes."""
        end, ranks = time.monotonic() + seconds, {}
        while not any(made >= step for made in recorded(self.folder)):
            assert self.launcher.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            ranks = ranks if len(ranks) == 2 else self.ranks()
            time.sleep(0.01)
        return ranks

    def wait(self, seconds=90):
        """The exit code of the launcher, after which no rank is left."""
        code = self.launcher.wait(timeout=seconds)
        assert not self.ranks()
        return code

    def said(self):
        self.stderr.flush()
        return Path(self.stderr.name).read_text()

    def voice(self):
        """What charrnn itself said: the lines that neither torch nor its launcher wrote."""
        return [line for line in self.said().splitlines() if line.startswith("charrnn: ")]


def recorded(folder):
    """The steps on record."""
    metrics = folder / "checkpoints" / "run" / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True) if metrics.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return [event["step"] for event in events if event["event"] == "trained"]


def torchrun(folder, *line, launch=TWO):
    return Job(["torch.distributed.run", *launch, "-m", "charrnn", *line], folder)


@pytest.fixture
def alone(charrnn):
    """Run a line in one process."""
    return lambda folder, *line: [charrnn(*line, cwd=folder)]


@pytest.fixture
def together(charrnn, free_port):
    """Run a line in two processes without a launcher of torch's, as a batch system starts them."""

    def run(folder, *line):
        place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        envs = [place | {"RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
        with ThreadPoolExecutor() as threads:
            return [*threads.map(lambda env: charrnn(*line, cwd=folder, env=env, fresh=True), envs)]

    return run


def finish(ended):
    """What was said by processes that ran to the end."""
    said = "".join(done.stderr.decode() for done in ended)
    assert {done.returncode for done in ended} == {0}, said
    return said


def steps(folder):
    return sorted(int(path.stem[5:]) for path in (folder / "checkpoints" / "run").glob("step-*.safetensors"))


def read(folder, step=STEPS):
    return read_checkpoint(folder / "checkpoints" / "run" / f"step-{step:08}.safetensors", training=True)


def score(folder):
    """The validation score at the end, which must be the one of the model that is shared."""
    found = read(folder).progress
    assert found.step == found.evaluated_step == STEPS
    shared = read_checkpoint(folder / "checkpoints" / "run" / "best.safetensors").progress
    assert shared.best_nats == found.best_nats == found.validation_nats
    return found.validation_nats


def tensors(folder):
    found = read(folder)
    best = read_checkpoint(folder / "checkpoints" / "run" / "best.safetensors").weights
    parts = {"average": found.weights, "training": found.training, "best": best}
    return {f"{part} {name}": array.tobytes() for part, arrays in parts.items() for name, array in arrays.items()}


def differing(one, other):
    one, other = tensors(one), tensors(other)
    assert one.keys() == other.keys()
    return [name for name in one if one[name] != other[name]]


def wound_back(source, folder, step):
    """A copy of a run as it was when a checkpoint was the newest one."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    for later in steps(folder):
        if later > step:
            (folder / "checkpoints" / "run" / f"step-{later:08}.safetensors").unlink()
    (folder / "checkpoints" / "run" / "best.safetensors").unlink()
    assert steps(folder)[-1] == step


@pytest.fixture(scope="session")
def runs(once, charrnn):
    """Folders in which one process (`one`) and two (`two`) have trained the same run to its end, and what was said."""

    def make(folder):
        for name in ("one", "two"):
            (folder / name).mkdir()
            (folder / name / "verses.txt").write_text(VERSES * 12)
        (folder / "one.said").write_text(finish([charrnn(*LINE, cwd=folder / "one")]))
        with torchrun(folder / "two", *LINE) as job:
            assert job.wait() == 0, job.said()
            (folder / "two.said").write_text(job.said())

    return once("processes", make)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "verses.txt").write_text(VERSES * 12)
    return tmp_path


@pytest.mark.cuda
@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="no GPU")
def test_processes_that_share_a_gpu_train_the_run_of_one(place, charrnn):
    line = ["train", "verses.txt", *TINY, "--dropout", "0", "--weight-drop", "0", "--steps", "40", "--device", "cuda"]
    assert charrnn(*line, "--name", "one", cwd=place).returncode == 0
    with torchrun(place, *line, "--name", "two") as job:
        assert job.wait() == 0, job.said()
    one, two = (json.loads(charrnn("evaluate", name, "--json", cwd=place).stdout) for name in ("one", "two"))
    assert two["nats_per_char"] == pytest.approx(one["nats_per_char"], abs=5e-3)


# Which process this is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({}, (0, 1, 0)),
        ({"WORLD_SIZE": "1", "RANK": "0"}, (0, 1, 0)),
        ({"RANK": "3"}, (0, 1, 0)),
        ({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, (5, 8, 1)),
        ({"RANK": "5", "WORLD_SIZE": "8"}, (5, 8, 5)),
        ({"RANK": "", "WORLD_SIZE": "8"}, "set RANK"),
        ({"WORLD_SIZE": "8", "LOCAL_RANK": "1"}, "set RANK"),
        ({"RANK": "1", "WORLD_SIZE": "8", "MASTER_ADDR": ""}, "set MASTER_ADDR"),
        ({"RANK": "1", "WORLD_SIZE": "8", "MASTER_ADDR": "", "MASTER_PORT": ""}, "set MASTER_ADDR and MASTER_PORT"),
        ({"RANK": "-1", "WORLD_SIZE": "8"}, "RANK cannot be '-1'"),
        ({"RANK": "1", "WORLD_SIZE": "two"}, "WORLD_SIZE cannot be 'two'"),
        ({"RANK": "8", "WORLD_SIZE": "8"}, "RANK cannot be 8"),
        ({"RANK": "1", "WORLD_SIZE": "8", "MASTER_PORT": "66000"}, "MASTER_PORT cannot be 66000"),
    ],
)
def test_a_process_is_what_its_launcher_tells_it_or_alone_or_refused(monkeypatch, told, found):
    there = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", *there):
        monkeypatch.delenv(name, raising=False)
    for name, value in (there | told).items():
        monkeypatch.setenv(name, value)
    if isinstance(found, str):
        with pytest.raises(SettingsError, match=found):
            place_of_process()
    else:
        assert place_of_process() == found


@pytest.mark.parametrize(("rank", "number"), [(0, signal.SIGTERM), (1, signal.SIGINT)])
def test_who_waits_for_others_says_so_and_leaves_on_a_signal(tmp_path, free_port, rank, number):
    (tmp_path / "verses.txt").write_text(VERSES * 4)
    place = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    line = [sys.executable, "-m", "charrnn", *map(str, LINE)]
    process = subprocess.Popen(line, cwd=tmp_path, env=os.environ | place, stderr=subprocess.PIPE, text=True)
    try:
        said = process.stderr.readline()
        process.send_signal(number)
        sent, rest = time.monotonic(), process.communicate(timeout=30)[1]
        assert time.monotonic() - sent < 10
    finally:
        process.kill()
    missing = "1 of 2 processes, rank 1" if rank == 0 else f"the process of rank 0 at 127.0.0.1:{place['MASTER_PORT']}"
    assert said.startswith(f"waiting for {missing}")
    assert (process.returncode, "Traceback" in rest) == (128 + number, False)


def test_whoever_comes_late_is_waited_for(tmp_path, free_port):
    (tmp_path / "verses.txt").write_text(VERSES * 4)
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    line = [sys.executable, "-m", "charrnn", *map(str, LINE)]
    line[line.index(str(STEPS))] = "4"
    processes = []
    try:
        for rank in "10":
            how = {"env": os.environ | place | {"RANK": rank}, "stderr": subprocess.PIPE}
            processes.append(subprocess.Popen(line, cwd=tmp_path, **how))
            if rank == "1":
                assert b"waiting for the process of rank 0" in processes[0].stderr.readline()
        said = [process.communicate(timeout=60)[1] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], said
    finally:
        for process in processes:
            process.kill()


# Two processes are one run -------------------------------------------------------------------------------------------


def test_two_processes_reach_the_score_of_one(runs):
    assert score(runs / "two") == pytest.approx(score(runs / "one"), abs=1e-5)
    first = read(runs / "two", EVERY).progress.last_loss
    assert first == pytest.approx(read(runs / "one", EVERY).progress.last_loss, abs=1e-4)
    assert score(runs / "two") < first - 0.1, "it must have learnt something"


def test_two_processes_speak_with_one_voice_into_one_folder(runs):
    """Line for line what one process says, but for what a clock and last digits put into it."""

    def lines(name):
        said = (runs / f"{name}.said").read_text().splitlines()
        return Counter(re.sub(r"[\d.]+", "#", line) for line in said if not line.startswith("step=1"))

    assert lines("two") == lines("one")
    assert lines("two")["run: complete"] == 1
    assert [path.name for path in (runs / "two" / "checkpoints").iterdir()] == ["run"]
    names = [{path.name for path in (runs / name / "checkpoints" / "run").iterdir()} for name in ("one", "two")]
    assert names[0] == names[1]


@pytest.mark.parametrize(("before", "after"), [("two", "alone"), ("one", "together")], ids=["2 to 1", "1 to 2"])
def test_a_run_goes_on_with_another_number_of_processes(runs, tmp_path, before, after, request):
    wound_back(runs / before, tmp_path, 2 * EVERY)
    said = finish(request.getfixturevalue(after)(tmp_path, *LINE))
    assert f"run: resuming at step {2 * EVERY}" in said
    assert said.count("resumed with a different processes: results may differ in their last bits") == 1
    for name in ("one", "two"):
        assert score(tmp_path) == pytest.approx(score(runs / name), abs=1e-4)


# Stopped and killed --------------------------------------------------------------------------------------------------


def stopped(place, stop, reached=EVERY // 2):
    """A run on two processes that `stop(job, ranks)` asks to stop is saved where it stopped."""
    with torchrun(place, *LINE) as job:
        stop(job, job.reach(reached))
        assert job.wait(30) != 0
        said = job.said()
    (last,) = steps(place)[-1:]
    assert reached <= last < STEPS, "the run was over before it could be stopped"
    assert said.count(f"saved at step {last}; the same command with --name run --resume continues the run") == 1
    assert said.count("charrnn: stopped by SIGTERM") == 1
    assert read(place, last).progress.step == last
    assert recorded(place) == list(range(1, last + 1))


def killed(place, rank):
    """Without one of its two processes a run ends at once, says so once, and has lost no more than since its save."""
    with torchrun(place, *LINE) as job:
        ranks = job.reach(EVERY + EVERY // 2)
        os.kill(ranks[rank], signal.SIGKILL)
        assert job.wait(30) != 0
        assert job.voice() == [LOST.format(1 - rank)], job.said()
    assert steps(place)
    assert steps(place)[-1] >= EVERY
    for step in steps(place):
        assert read(place, step).progress.step == step


@pytest.fixture
def ends_the_same(place, runs, together):
    """The run goes on where it was left, and ends as if nothing had happened."""

    def check():
        last = steps(place)[-1]
        said = finish(together(place, *LINE))
        assert f"run: resuming at step {last}" in said
        assert "resumed with a different" not in said
        assert differing(place, runs / "two") == []

    return check


def test_a_run_that_loses_a_process_and_is_stopped_by_a_signal_to_another_ends_the_same(place, ends_the_same):
    killed(place, 1)
    stopped(place, lambda job, ranks: os.kill(ranks[1], signal.SIGTERM), reached=2 * EVERY + EVERY // 2)
    ends_the_same()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_whichever_process_is_killed_the_job_ends_and_resuming_changes_nothing(place, ends_the_same, rank):
    killed(place, rank)
    ends_the_same()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_either_process_stops_both_at_the_same_step(place, ends_the_same, rank):
    stopped(place, lambda job, ranks: os.kill(ranks[rank], signal.SIGTERM))
    ends_the_same()


@pytest.mark.slow
def test_a_signal_to_the_launcher_stops_both(place, ends_the_same):
    stopped(place, lambda job, ranks: job.launcher.send_signal(signal.SIGTERM))
    ends_the_same()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_launcher_that_may_restart_completes_the_job_by_itself(place, runs, rank):
    with torchrun(place, *LINE, launch=[*TWO, "--max-restarts", "1"]) as job:
        os.kill(job.reach(EVERY + EVERY // 2)[rank], signal.SIGKILL)
        assert job.wait() == 0, job.said()
        assert re.search(rf"run: resuming at step ({'|'.join(map(str, range(EVERY, STEPS + 1)))}),", job.said())
    assert differing(place, runs / "two") == []


# Refused -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        pytest.param(
            ["verses.txt", "--batch-size", "5"],
            2,
            "--batch-size 5 cannot be divided evenly among 2 processes; use a multiple of 2",
            marks=pytest.mark.slow,
            id="lanes",
        ),
        pytest.param(
            ["-"], 2, "several processes cannot share standard input; write the text to a file first", id="stdin"
        ),
        pytest.param(["gone.txt"], 66, "gone.txt", marks=pytest.mark.slow, id="missing"),
    ],
)
def test_what_several_processes_cannot_do_is_refused_by_all_in_one_line(place, together, line, code, words):
    first, second = together(place, "train", *TINY, "--steps", "5", *line)
    assert (first.returncode, second.returncode) == (code, code)
    (said,) = first.stderr.decode().splitlines()
    assert second.stderr == b""
    assert said.startswith("charrnn: error: ")
    assert words in said
    assert not (place / "checkpoints").exists()


# More than one machine -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_launchers_make_the_run_that_one_process_makes(place, runs, free_port):
    """Two machines with a shared file system, as far as one host can play them."""
    port = free_port()
    nodes = [
        ["--nnodes", 2, "--node-rank", node, "--master-addr", "127.0.0.1", "--master-port", port, "--nproc-per-node", 1]
        for node in (0, 1)
    ]
    with torchrun(place, *LINE, launch=nodes[0]) as first, torchrun(place, *LINE, launch=nodes[1]) as second:
        assert [job.launcher.wait(timeout=120) for job in (first, second)] == [0, 0], first.said() + second.said()
        assert "run: complete" in first.said()
        assert "run: " not in second.said()
    assert score(place) == pytest.approx(score(runs / "one"), abs=1e-5)
    assert differing(place, runs / "two") == []
