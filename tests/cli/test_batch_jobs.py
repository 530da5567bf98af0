"""The recipes of docs/batch-jobs.md, run as they stand there, with a stand-in for the scheduler."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from charrnn.runs.checkpoint import read_checkpoint

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "batch-jobs.md").read_text()
TINY = "--hidden 12 --embedding 4 --batch-size 2 --seq-length 8 --precision float32 --eval-every 100000 --name"


def recipe(heading):
    """The code block below `heading`."""
    return PAGE.split(f"**{heading}")[1].split("```")[1].removeprefix("bash").strip() + "\n"


@pytest.fixture
def place(corpus):
    """A folder with `corpus.txt`, and an environment in which only `charrnn`, the shell and a scheduler exist."""
    corpus.rename(corpus.parent / "corpus.txt")
    commands = corpus.parent / "bin"
    commands.mkdir()
    (commands / "charrnn").symlink_to(Path(sys.executable).with_name("charrnn"))
    (commands / "scontrol").write_text('#!/bin/sh\necho "$@" >> requeued\n')
    (commands / "scontrol").chmod(0o755)
    return corpus.parent, {"PATH": f"{commands}:/usr/bin:/bin", "SLURM_JOB_ID": "17", "OMP_NUM_THREADS": "1"}


def trained(metrics, process):
    while not (metrics.exists() and '"trained"' in metrics.read_text()):
        assert process.poll() is None
        time.sleep(0.05)


def test_a_warned_job_saves_itself_and_is_queued_again(place):
    folder, env = place
    script = recipe("Slurm.").replace("--name", TINY)
    process = subprocess.Popen(["bash", "-c", script], cwd=folder, env=env, stderr=subprocess.DEVNULL)
    trained(folder / "checkpoints" / "big" / "metrics.jsonl", process)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)
    assert (folder / "requeued").read_text() == "requeue 17\n"
    newest = max((folder / "checkpoints" / "big").glob("step-*.safetensors"))
    assert read_checkpoint(newest, training=True).progress.step > 0


def test_a_job_whose_time_is_over_has_ended_before_and_is_queued_again(place):
    """What Python and torch take to start counts, too."""
    folder, env = place
    began = time.monotonic()
    script = recipe("Slurm.").replace("--name", TINY).replace("3h50m", "8s")
    subprocess.run(["bash", "-c", script], cwd=folder, env=env, stderr=subprocess.DEVNULL, timeout=60, check=False)
    assert time.monotonic() - began < 8
    assert (folder / "requeued").read_text() == "requeue 17\n"


def test_cron_needs_no_terminal_no_home_and_stays_silent(place):
    folder, env = place
    line = recipe("cron").split("* * * *")[1].replace("--name", TINY).replace("200000", "30")
    line = line.replace("/data/corpus.txt", str(folder / "corpus.txt")).replace("/data/runs", str(folder / "runs"))
    for _ in range(2):
        done = subprocess.run(["sh", "-c", line], cwd="/", env=env, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (folder / "runs" / "hourly" / "best.safetensors").exists()


def test_the_shell_loop_gets_there_whatever_kills_it(place):
    folder, env = place
    script = recipe("A plain shell loop").replace("--name", f"--save-every 20 {TINY}").replace("20000", "800")
    script = script.replace("sleep 10", "sleep 0.1")
    process = subprocess.Popen(["bash", "-c", script], cwd=folder, env=env, stderr=subprocess.DEVNULL)
    run = folder / "checkpoints" / "job"
    while not list(run.glob("step-*.safetensors")):
        assert process.poll() is None
        time.sleep(0.05)
    owner = int((run / ".lock").read_text().split('"pid": ')[1].split(",")[0])
    os.kill(owner, signal.SIGKILL)
    assert process.wait(timeout=60) == 0
    assert (run / "step-00000800.safetensors").exists()


@pytest.mark.slow
def test_members_and_their_student_are_made_in_the_time_given_wherever_it_is_interrupted(place):
    folder, env = place
    small = {"CHARRNN_HIDDEN": "12", "CHARRNN_EMBEDDING": "4", "CHARRNN_BATCH_SIZE": "2", "CHARRNN_SEQ_LENGTH": "8"}
    page = (Path(__file__).resolve().parents[2] / "docs" / "results.md").read_text()
    script = page.split("## Members and a student")[1].split("```bash\n")[1].split("```")[0]
    line = ["bash", "-c", script, "script", "corpus.txt", "60"]
    how = {"cwd": folder, "env": env | small | {"CHARRNN_PRECISION": "float32", "HOME": str(folder)}}
    process = subprocess.Popen(line, **how, stderr=subprocess.DEVNULL, start_new_session=True)
    while not (folder / "checkpoints" / "member-2" / "metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    began = time.monotonic()
    done = subprocess.run(line, **how, capture_output=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 90
    assert done.stdout.count(b"bits per character") == 2
    found = read_checkpoint(folder / "checkpoints" / "last" / "best.safetensors").config.distill_from
    assert found == ["member-1", "member-2", "member-3", "student"]
