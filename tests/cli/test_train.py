"""`charrnn train` as a whole command."""

import gzip
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from charrnn.runs.checkpoint import read_checkpoint

TINY = ["--hidden", "16", "--embedding", "4", "--batch-size", "2", "--seq-length", "8", "--precision", "float32"]


def newest(folder):
    return max(folder.glob("step-*.safetensors"))


def test_hello_is_learnt_by_heart(charrnn, tmp_path):
    """The lectures' example: h e l l -> e l l o."""
    (tmp_path / "hello.txt").write_bytes(b"hello")
    assert charrnn("train", "hello.txt", cwd=tmp_path).returncode == 0
    done = charrnn("sample", "--prompt", "h", "--temp", "0", "--length", "4", "--no-echo", cwd=tmp_path)
    assert done.stdout == b"ello"


def test_a_run_leaves_its_whole_folder(trained):
    run = trained / "checkpoints" / "verses"
    assert sorted(path.name for path in run.iterdir() if not path.name.startswith(".")) == [
        "best.safetensors",
        "config.yaml",
        "metrics.jsonl",
        "samples.txt",
        "step-00000056.safetensors",
        "step-00000060.safetensors",
    ]
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    evaluated = [event for event in events if event["event"] == "evaluated"]
    sampled = [event for event in events if event["event"] == "sampled"]
    assert [event["step"] for event in evaluated] == [event["step"] for event in sampled]
    assert evaluated[-1]["step"] == 60
    assert evaluated[-1]["nats_per_char"] < evaluated[0]["nats_per_char"]
    headings = [line for line in (run / "samples.txt").read_text().splitlines() if line.startswith("--- step ")]
    assert [int(line.split()[2]) for line in headings] == [event["step"] for event in sampled]


def test_plain_lines_off_a_terminal_and_nothing_on_stdout(charrnn, corpus):
    done = charrnn("train", corpus, *TINY, "--steps", "8", cwd=corpus.parent)
    assert done.stdout == b""
    assert b"step=" in done.stderr
    assert b"\r" not in done.stderr
    assert b"\x1b" not in done.stderr
    assert b"charrnn sample verses --temp 0.8" in done.stderr


def test_json_events_on_stdout(charrnn, corpus):
    done = charrnn("train", corpus, *TINY, "--steps", "8", "--json", cwd=corpus.parent)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "started"
    assert events[-1]["event"] == "finished"
    assert {"trained", "evaluated", "sampled", "saved"} < {event["event"] for event in events}


def test_quiet_says_nothing(charrnn, corpus):
    done = charrnn("train", corpus, *TINY, "--steps", "4", "-q", cwd=corpus.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_names_never_overwrite(charrnn, corpus):
    first = charrnn("train", corpus, *TINY, "--steps", "2", "-q", cwd=corpus.parent)
    second = charrnn("train", corpus, *TINY, "--steps", "3", "-q", cwd=corpus.parent)
    third = charrnn("train", corpus, *TINY, "--steps", "3", "--name", "verses", cwd=corpus.parent)
    assert (first.returncode, second.returncode, third.returncode) == (0, 0, 73)
    assert newest(corpus.parent / "checkpoints" / "verses").name == "step-00000002.safetensors"
    assert newest(corpus.parent / "checkpoints" / "verses-2").name == "step-00000003.safetensors"


def test_the_same_line_again_says_that_the_run_is_complete(charrnn, corpus):
    line = ["train", corpus, *TINY, "--steps", "4", "--name", "job", "--resume"]
    first, second = (charrnn(*line, cwd=corpus.parent) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert b"complete" in second.stderr


def test_a_recorded_configuration_runs_the_same_run_again(charrnn, corpus):
    flags = ["--steps", "6", "--dropout", "0.3", "--cell", "gru", "--seed", "5"]
    assert charrnn("train", corpus, *TINY, *flags, "--name", "a", cwd=corpus.parent).returncode == 0
    config = corpus.parent / "checkpoints" / "a" / "config.yaml"
    assert charrnn("train", "--config", config, "--name", "b", cwd=corpus.parent, fresh=True).returncode == 0
    a, b = (read_checkpoint(newest(corpus.parent / "checkpoints" / name)) for name in "ab")
    assert all(np.array_equal(a.weights[name], b.weights[name]) for name in a.weights)
    assert a.config == b.config


def test_precedence_is_flag_environment_file_default(charrnn, corpus):
    (corpus.parent / "c.yaml").write_text("hidden: 31\nlayers: 2\nlearning-rate: 1e-3\n")
    env = {"CHARRNN_HIDDEN": "32", "CHARRNN_LAYERS": "3"}
    done = charrnn(
        *("train", corpus, "--config", "c.yaml", "--hidden", "33", "--steps", "1", "--print-config"),
        cwd=corpus.parent,
        env=env,
    )
    lines = done.stdout.decode().splitlines()
    assert "hidden: 33  # flag" in lines
    assert "layers: 3  # environment" in lines
    assert "learning_rate: 0.001  # c.yaml" in lines
    assert 'cell: "lstm"  # default' in lines
    assert any(line.startswith("embedding: ") and "# chosen: " in line for line in lines)
    assert not (corpus.parent / "checkpoints").exists()


def test_dry_run_counts_and_trains_nothing(charrnn, corpus):
    done = charrnn("train", corpus, *TINY, "--time", "20s", "--dry-run", "--json", cwd=corpus.parent)
    found = json.loads(done.stdout)
    symbols = len(set(corpus.read_text()))
    assert found["parameters"] == symbols * 4 + 4 * 16 * (4 + 16 + 2) + 32 + symbols * 17
    assert 0 < found["expected_seconds"] < 20
    assert not (corpus.parent / "checkpoints").exists()


LAUNCHER = """import os, sys
_, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss, file=open("peak", "w"))"""


def peak_of(folder, *line):
    """The most bytes that a command had in memory, as its parent learns when it ends.

    A small parent: what it has itself when it starts a process counts for that process too.
    """
    command = [str(Path(sys.executable).with_name("charrnn")), *map(str, line)]
    with (folder / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", LAUNCHER, *command], cwd=folder, stdout=out, check=True)
    code, peak = map(int, (folder / "peak").read_text().split())
    assert code == 0
    return peak * (1 if sys.platform == "darwin" else 1024)


LARGE = ["--hidden", "512", "--embedding", "64", "--batch-size", "24", "--seq-length", "96", "--dropout", "0.3"]


@pytest.mark.parametrize("size", [TINY, [*LARGE, "--precision", "float32"]], ids=["small", "large"])
def test_dry_run_states_the_memory_that_the_run_takes(corpus, size):
    """To a fifth; a run is the larger the more there is to learn."""
    folder, line = corpus.parent, ["train", corpus, *size, "--threads", "1", "--steps", "4", "--eval-every", "4"]
    corpus.write_text(corpus.read_text() * 20)
    peak_of(folder, *line, "--dry-run", "--json")
    found = json.loads((folder / "out").read_text())
    assert found["expected_seconds"] > 0
    stated, real = found["memory_bytes"], peak_of(folder, *line)
    assert stated == pytest.approx(real, rel=0.2)
    assert stated > 28 * found["parameters"], "weights, their average, gradients, moments, and two copies for a save"


def test_a_small_corpus_shrinks_lanes_and_says_so(charrnn, tmp_path):
    (tmp_path / "small.txt").write_text("to be or not to be")
    done = charrnn(
        "train", "small.txt", "--batch-size", "64", "--seq-length", "50", "--steps", "2", *TINY[-2:], cwd=tmp_path
    )
    assert done.returncode == 0
    assert b"shrunk to 1 x 17" in done.stderr


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("extra", [["--embedding", "0"], ["--layers", "2", "--no-layer-norm", "--no-residual"]])
def test_every_network_trains_and_writes(charrnn, corpus, cell, extra):
    flags = ["--cell", cell, *TINY, "--steps", "3", *extra]
    assert charrnn("train", corpus, *flags, "--name", "n", cwd=corpus.parent).returncode == 0
    done = charrnn("sample", "n", "-n", "20", "--seed", "1", cwd=corpus.parent)
    assert done.returncode == 0
    assert len(done.stdout.decode()) == 20


def test_bytes_never_fail(charrnn, tmp_path):
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 8)
    assert charrnn("train", "noise.bin", "--unit", "byte", *TINY, "--steps", "3", cwd=tmp_path).returncode == 0
    done = charrnn("evaluate", "noise", "noise.bin", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["bytes"] == 2048


def test_standard_input_folders_and_several_files(charrnn, corpus):
    folder = corpus.parent / "many"
    folder.mkdir()
    for name in ("b.txt", "a.txt", "c.md"):
        (folder / name).write_text(name * 40)
    from_stdin = charrnn("train", "-", *TINY, "--steps", "2", cwd=corpus.parent, stdin=b"some text " * 50)
    assert from_stdin.returncode == 0
    assert (corpus.parent / "checkpoints" / "stdin").is_dir()
    several = ["train", folder, corpus, "--glob", "*.txt", *TINY, "--steps", "2", "--name", "several"]
    assert charrnn(*several, cwd=corpus.parent).returncode == 0
    info = json.loads(charrnn("info", "several", "--json", cwd=corpus.parent).stdout)
    expected = 2 * len("a.txt") * 40 + len(corpus.read_text())
    assert info["corpus"]["train_symbols"] + info["corpus"]["validation_symbols"] == expected


def test_fine_tuning_keeps_characters_and_adds_new_ones(charrnn, corpus):
    assert charrnn("train", corpus, *TINY, "--steps", "4", "--name", "old", cwd=corpus.parent).returncode == 0
    (corpus.parent / "new.txt").write_text(corpus.read_text()[:700] + "Ünïcødé")
    done = charrnn("train", "new.txt", "--init-from", "old", "--steps", "2", "--name", "new", cwd=corpus.parent)
    assert done.returncode == 0
    assert b"added 4 new ones" in done.stderr
    assert json.loads(charrnn("info", "new", "--json", cwd=corpus.parent).stdout)["config"]["hidden"] == 16


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGXCPU, 152)]
)
def test_a_signal_saves_and_what_is_said_continues(charrnn, start, corpus, number, code):
    line = ["train", str(corpus), *TINY, "--steps", "1200", "--eval-every", "600"]
    job, metrics = start(*line, cwd=corpus.parent), corpus.parent / "checkpoints" / "verses" / "metrics.jsonl"
    while not (metrics.exists() and '"trained"' in metrics.read_text()):
        assert job.poll() is None, job.finished().stderr
        time.sleep(0.02)
    asked = time.monotonic()
    job.send_signal(number)
    done = job.finished()
    assert done.returncode == code
    assert time.monotonic() - asked < 10
    assert f"stopped by {number.name}".encode() in done.stderr
    step = read_checkpoint(newest(metrics.parent)).progress.step
    assert 0 < step < 1200
    said = re.search(rf"saved at step {step}; the same command with (.*) continues the run", done.stderr.decode())
    again = charrnn(*line, *shlex.split(said[1]), cwd=corpus.parent)
    assert again.returncode == 0
    assert f"resuming at step {step:,}".encode() in again.stderr
    assert read_checkpoint(newest(metrics.parent)).progress.step == 1200


# As long as a large text, or many teachers.
ENDLESS = """
import pathlib, time
from charrnn.training import session
def endless(*given):
    pathlib.Path("reading").touch()
    time.sleep(60)
session.same_text = endless
"""


def test_a_signal_does_not_wait_until_a_resumed_run_has_read_its_text(charrnn, start, corpus):
    line = ["train", str(corpus), *TINY, "--steps", "2", "--name", "job", "--resume"]
    assert charrnn(*line, cwd=corpus.parent).returncode == 0
    run = corpus.parent / "checkpoints" / "job"
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    job = start(*line, cwd=corpus.parent, first=ENDLESS)
    while not (corpus.parent / "reading").exists():
        assert job.poll() is None, job.finished().stderr
        time.sleep(0.02)
    asked = time.monotonic()
    job.send_signal(signal.SIGTERM)
    done = job.finished()
    assert time.monotonic() - asked < 10
    assert (done.returncode, done.stderr.count(b"\n")) == (143, 1), done.stderr
    assert b"stopped by SIGTERM" in done.stderr
    after = {path.name: path.read_bytes() for path in run.iterdir()}
    assert {name for name in before if before[name] != after[name]} <= {".lock"}


# Sends signals to the process between the moment when its work has failed and that when it says so.
WHILE_SAID = """
import os, signal
from charrnn.cli import app
say = app.say
def late(text):
    for number in {numbers}:
        os.kill(os.getpid(), number)
    say(text)
app.say = late
"""


@pytest.mark.parametrize(("numbers", "code", "said"), [([15], 66, True), ([1, 15], 66, True), ([2, 2], 130, False)])
def test_a_signal_takes_nothing_from_what_is_said_of_a_failure(start, tmp_path, numbers, code, said):
    """As when the launcher of several processes ends those that are left while they say why; Ctrl-C twice is heard."""
    done = start("train", "gone.txt", cwd=tmp_path, first=WHILE_SAID.format(numbers=numbers)).finished()
    assert (done.returncode, done.stderr.startswith(b"charrnn: error: ")) == (code, said), done.stderr
    assert done.stderr.count(b"\n") == said


def test_a_second_trainer_on_the_same_run_is_told_who_has_it(charrnn, start, corpus):
    line = ["train", str(corpus), *TINY, "--steps", "100000", "--name", "job", "--resume"]
    job, metrics = start(*line, cwd=corpus.parent), corpus.parent / "checkpoints" / "job" / "metrics.jsonl"
    try:
        while not metrics.exists():
            assert job.poll() is None
            time.sleep(0.02)
        second = charrnn(*line, cwd=corpus.parent)
        assert second.returncode == 75
        assert f"process {job.pid} on ".encode() in second.stderr
    finally:
        job.send_signal(signal.SIGKILL)
        job.finished()


def test_training_survives_a_closed_stderr(corpus):
    script = '"$0" "$@" 2>&-'
    line = ["train", str(corpus), *TINY, "--steps", "4"]
    done = subprocess.run(["/bin/sh", "-c", script, charrnn_command(), *line], cwd=corpus.parent, check=False)
    assert done.returncode == 0
    assert newest(corpus.parent / "checkpoints" / "verses").name == "step-00000004.safetensors"


def test_divergence_stops_with_its_own_code_and_a_whole_checkpoint(charrnn, corpus):
    flags = ["--cell", "rnn", "--no-layer-norm", "--learning-rate", "1e30", "--steps", "200", "--eval-every", "1"]
    done = charrnn("train", corpus, *TINY, *flags, cwd=corpus.parent)
    assert done.returncode == 70
    assert b"lower --learning-rate" in done.stderr


def charrnn_command():
    import sys
    from pathlib import Path

    return os.fspath(Path(sys.executable).with_name("charrnn"))


def test_a_configuration_file_can_hold_every_flag(charrnn, corpus):
    lines = ["name: from-file", "resume: true", "checkpoints: elsewhere", "max_time: 1h", "exit_incomplete: 99"]
    (corpus.parent / "c.yaml").write_text(
        "\n".join([*lines, f"corpus: [{corpus}]", "steps: 2", "hidden: 8", "precision: float32"])
    )
    done = charrnn("train", "--config", "c.yaml", "--name", "flag-wins", cwd=corpus.parent)
    assert done.returncode == 0, done.stderr
    assert (corpus.parent / "elsewhere" / "flag-wins" / "best.safetensors").exists()


def test_what_the_environment_says_may_be_for_other_lines(charrnn, corpus):
    said = {"CHARRNN_EXIT_INCOMPLETE": "99", "CHARRNN_DISTILL_WEIGHT": "0.3", "CHARRNN_SHUFFLE_RECORDS": "1"}
    done = charrnn("train", corpus, *TINY, "--steps", "1", "-q", cwd=corpus.parent, env=said)
    assert done.returncode == 0, done.stderr


def test_the_time_of_a_job_ends_it_in_time_and_the_same_line_continues(charrnn, corpus):
    line = ["train", corpus, *TINY, "--steps", "4000000", "--name", "job", "--resume", "--exit-incomplete", "99"]
    began = time.monotonic()
    first = charrnn(*line, "--max-time", "4s", cwd=corpus.parent)
    assert time.monotonic() - began < 4
    assert first.returncode == 99
    step = read_checkpoint(newest(corpus.parent / "checkpoints" / "job")).progress.step
    second = charrnn(*line, "--max-time", "3s", cwd=corpus.parent)
    assert f"resuming at step {step:,}".encode() in second.stderr
    assert read_checkpoint(newest(corpus.parent / "checkpoints" / "job")).progress.step > step


def test_a_compressed_folder_in_another_encoding_is_learnt_and_found_again(charrnn, corpus):
    """What was left out, decoded and translated for training is so again for scoring and resuming."""
    folder = corpus.parent / "texts"
    folder.mkdir()
    (folder / "a.txt.gz").write_bytes(gzip.compress(corpus.read_bytes().replace(b"\n", b"\r\n")))
    (folder / "b.txt").write_bytes("caf\u00e9\r\n".encode("latin-1") * 20)
    (folder / "notes.md").write_text("\u20ac" * 99)
    flags = ["--exclude", "*.md", "--encoding", "latin-1", "--newlines", "lf", "--steps", "4"]
    line = ["train", folder, *TINY, *flags, "--name", "packed", "--resume"]
    assert charrnn(*line, cwd=corpus.parent).returncode == 0
    assert charrnn(*line, cwd=corpus.parent).returncode == 0
    symbols = json.loads(charrnn("info", "packed", "--json", cwd=corpus.parent).stdout)["vocabulary"]["symbols"]
    assert set(symbols) == set(corpus.read_text()) | {"c", "a", "f", "\u00e9"}
    assert charrnn("evaluate", "packed", cwd=corpus.parent).returncode == 0


def test_undecodable_bytes_are_learnt_as_asked(charrnn, corpus):
    corpus.write_bytes(corpus.read_bytes() + b"\xff")
    line = ["train", corpus, *TINY, "--steps", "2"]
    assert charrnn(*line, cwd=corpus.parent).returncode == 65
    for errors in ("replace", "ignore"):
        assert charrnn(*line, "--errors", errors, "--name", errors, cwd=corpus.parent).returncode == 0
    assert charrnn(*line, "--errors", "guess", cwd=corpus.parent).returncode == 2


def test_a_dry_run_says_what_the_text_is_made_of(charrnn, corpus):
    corpus.write_text(corpus.read_text() + "\u20ac")
    found = json.loads(charrnn("train", corpus, *TINY, "--dry-run", "--json", cwd=corpus.parent).stdout)["text"]
    text = corpus.read_text()
    assert (found["characters"], found["lines"]) == (len(text), text.count("\n") + 1)
    assert found["alphabet"][0] == {"symbol": "\u20ac", "count": 1, "line": text.count("\n") + 1}
    shown = charrnn("train", corpus, *TINY, "--dry-run", cwd=corpus.parent).stdout.decode()
    assert f"'\u20ac' 1 (line {text.count(chr(10)) + 1})" in shown
    piped = charrnn("train", "-", *TINY, "--dry-run", "--json", cwd=corpus.parent, stdin=text.encode())
    assert "text" not in json.loads(piped.stdout)


@pytest.mark.cuda
@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="no GPU")
def test_a_model_from_a_gpu_opens_on_a_cpu(charrnn, corpus):
    flags = ["--steps", "6", "--device", "cuda", "--name", "gpu"]
    assert charrnn("train", corpus, *TINY, *flags, cwd=corpus.parent).returncode == 0
    on_gpu = json.loads(charrnn("evaluate", "gpu", "--json", "--device", "cuda", cwd=corpus.parent).stdout)
    on_cpu = json.loads(charrnn("evaluate", "gpu", "--json", cwd=corpus.parent).stdout)
    assert on_cpu["nats_per_char"] == pytest.approx(on_gpu["nats_per_char"], abs=1e-4)


def test_what_stands_in_both_parts_is_counted_and_said(charrnn, tmp_path):
    (tmp_path / "text.txt").write_text("".join(chr(97 + n * n % 26) for n in range(900)) + "A" * 64 + "B" * 64)
    done = charrnn("train", "text.txt", *TINY, "--steps", "1", "--validation-fraction", "0.5", cwd=tmp_path)
    line = next(line for line in done.stderr.decode().splitlines() if "passages of" in line)
    assert re.match(r"\d+ of 8 passages of 64 symbols in the validation set also occur in the training set", line)
    (tmp_path / "names.txt").write_text("Ada\nBob\nEve\nAda\n" * 40)
    done = charrnn("train", "names.txt", *TINY, "--steps", "1", "--records", "lines", cwd=tmp_path)
    assert b"16 of 16 records in the validation set also occur in the training set" in done.stderr


@pytest.mark.parametrize("how", ["flag", "environment", "file"])
def test_curves_for_tensorboard_are_written_where_they_are_asked_for(charrnn, corpus, how):
    pytest.importorskip("tensorboard")
    (corpus.parent / "c.yaml").write_text("tensorboard: true\n")
    flags = {"flag": ["--tensorboard"], "environment": [], "file": ["--config", "c.yaml"]}[how]
    env = {"CHARRNN_TENSORBOARD": "1"} if how == "environment" else {}
    line = ["train", corpus, *TINY, "--steps", "4", "-q"]
    assert charrnn(*line, "--name", "drawn", *flags, cwd=corpus.parent, env=env).returncode == 0
    assert charrnn(*line, "--name", "plain", cwd=corpus.parent).returncode == 0
    drawn, plain = (corpus.parent / "checkpoints" / name for name in ("drawn", "plain"))
    assert [path.name for path in (drawn / "tensorboard").iterdir()] == ["events.out.tfevents.0000000000"]
    assert not (plain / "tensorboard").exists()
    assert (drawn / "config.yaml").read_text() == (plain / "config.yaml").read_text(), "no setting of a run"


def test_without_tensorboard_its_flag_is_refused_before_anything_is_trained(charrnn, corpus):
    (corpus.parent / "tensorboard").mkdir()
    (corpus.parent / "tensorboard" / "__init__.py").write_text("raise ImportError('No module named tensorboard')")
    env = {"PYTHONPATH": str(corpus.parent)}
    done = charrnn("train", corpus, *TINY, "--steps", "4", "--tensorboard", cwd=corpus.parent, env=env)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert b"pip install 'charrnn[tensorboard]'" in done.stderr
    assert not (corpus.parent / "checkpoints").exists()
    assert charrnn("train", corpus, *TINY, "--steps", "4", cwd=corpus.parent, env=env).returncode == 0


TRACKER = """
import json
def log_metrics(metrics, step):
    print(json.dumps([step, metrics]))
"""


def test_the_adapter_in_the_guide_hands_every_number_on(charrnn, corpus):
    guide = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
    adapter = re.search(r"<!-- adapter -->\n```python\n(.*?)```", guide, re.DOTALL)[1]
    assert len(list(filter(None, adapter.splitlines()))) == 3
    (corpus.parent / "adapter.py").write_text(adapter)
    (corpus.parent / "mlflow.py").write_text(TRACKER)
    done = charrnn("train", corpus, *TINY, "--steps", "8", "--json", cwd=corpus.parent)
    command = [sys.executable, "adapter.py"]
    logged = subprocess.run(command, cwd=corpus.parent, input=done.stdout, capture_output=True, check=True).stdout
    events = [json.loads(line) for line in done.stdout.splitlines()]
    expected = [[event["step"], {k: v for k, v in event.items() if type(v) is float}] for event in events]
    assert [json.loads(line) for line in logged.splitlines()] == expected
    assert {"loss", "learning_rate", "nats_per_char"} <= {key for _, metrics in expected for key in metrics}
    record = (corpus.parent / "checkpoints" / "verses" / "metrics.jsonl").read_bytes()
    later = subprocess.run(command, cwd=corpus.parent, input=record, capture_output=True, check=True).stdout
    assert later == logged
