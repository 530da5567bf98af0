"""`charrnn plot` as a whole command: the record of runs, finished or not, as a drawing, a file or numbers."""

import json
import math
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

COMMAND = str(Path(sys.executable).with_name("charrnn"))
PROGRAM = """
import sys
from charrnn.cli.app import run
code = run(sys.argv[1:])
print(sorted({"torch", "numpy"} & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


def plotted(charrnn, folder, *arguments, **settings):
    """stdout and stderr of a plot that succeeds."""
    done = charrnn("plot", *arguments, cwd=folder, **settings)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


def refused(charrnn, folder, code, *arguments):
    """The one line that a plot ends with."""
    done = charrnn("plot", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (code, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("charrnn: error: ")
    return line


def recorded(folder, *events, name="run"):
    """A run's folder with nothing but a record."""
    run = folder / "checkpoints" / name
    run.mkdir(parents=True)
    (run / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return run


def trained_event(step, loss, **more):
    return {"event": "trained", "step": step, "loss": loss, "learning_rate": 0.01, "epoch": step / 10, **more}


def events_of(folder):
    return [json.loads(line) for line in (folder / "checkpoints/verses/metrics.jsonl").read_text().splitlines()]


def numbers(charrnn, folder, *arguments):
    return [json.loads(line) for line in plotted(charrnn, folder, *arguments, "--json")[0].splitlines()]


def test_the_newest_run_is_drawn_and_named(charrnn, trained):
    drawn, said = plotted(charrnn, trained)
    lines = drawn.splitlines()
    assert len(lines) == 23  # of a terminal's 24
    assert max(map(len, lines)) <= 80
    assert lines[0] == "Loss: bits per character"
    assert "training" in lines[1]
    assert "validation" in lines[1]
    assert "Learning rate" in lines
    assert [line.strip() for line in lines].count("step") == 2
    assert re.search("[\u2801-\u28ff]", drawn)
    assert said == "run checkpoints/verses\n"


@pytest.mark.parametrize("place", ["verses", "checkpoints/verses", "checkpoints/verses/best.safetensors", None])
def test_a_run_is_a_folder_a_name_or_a_file_in_it(charrnn, trained, place):
    drawn, _ = plotted(charrnn, trained, *([place] if place else []))
    assert drawn == plotted(charrnn, trained, trained / "checkpoints" / "verses" / "metrics.jsonl")[0]


def test_a_name_stands_for_a_run_also_beside_a_folder_of_that_name(charrnn, trained, tmp_path):
    shutil.copytree(trained / "checkpoints", tmp_path / "checkpoints")
    (tmp_path / "verses").mkdir()
    assert plotted(charrnn, tmp_path, "verses") == plotted(charrnn, trained, "verses")


def test_a_drawing_fills_its_terminal(charrnn, trained):
    drawn, _ = plotted(charrnn, trained, env={"COLUMNS": "130", "LINES": "50"})
    lines = drawn.splitlines()
    assert len(lines) == 49
    assert 120 < max(map(len, lines)) <= 130


@pytest.mark.parametrize(
    "env",
    [{"TERM": "dumb"}, {"TERM": "linux"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
    ids=str,
)
def test_where_there_is_no_braille_there_is_ascii(charrnn, trained, env):
    drawn, _ = plotted(charrnn, trained, env=env)
    assert drawn.isascii()
    assert "***" in drawn


def in_terminal(folder, env, *arguments):
    """What a terminal receives of a plot."""
    master, slave = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    line = [COMMAND, "plot", *arguments]
    with subprocess.Popen(line, cwd=folder, env=clean | env, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        received = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # its last process has left
                break
            if not piece:
                break
            received += piece
    os.close(master)
    assert process.returncode == 0, received
    return received.decode()


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=str,
)
def test_a_terminal_sees_colours_unless_it_must_not(trained, env, coloured):
    assert ("\x1b[38;5;" in in_terminal(trained, env, "verses")) == coloured


def test_a_pipe_gets_colours_only_if_forced(charrnn, trained):
    assert "\x1b" not in plotted(charrnn, trained)[0]
    assert "\x1b[38;5;" in plotted(charrnn, trained, env={"FORCE_COLOR": "1"})[0]


def test_numbers_are_those_of_the_record(charrnn, trained):
    (found,) = numbers(charrnn, trained, "verses")
    trainings = [event for event in events_of(trained) if event["event"] == "trained"]
    scores = [event for event in events_of(trained) if event["event"] == "evaluated"]
    assert (found["run"], found["against"]) == ("verses", "step")
    assert (found["training_per"], found["validation_per"]) == ("character", "character")
    assert found["training"] == [[event["step"], pytest.approx(event["loss"] / math.log(2))] for event in trainings]
    assert found["validation"] == [[event["step"], event["bits_per_char"]] for event in scores]
    assert found["learning_rate"] == [[event["step"], event["learning_rate"]] for event in trainings]
    assert scores


def test_curves_stand_against_time_and_symbols_too(charrnn, trained):
    symbols = json.loads(charrnn("info", "verses", "--json", cwd=trained).stdout)["corpus"]["train_symbols"]
    trainings = [event for event in events_of(trained) if event["event"] == "trained"]
    (found,) = numbers(charrnn, trained, "--against", "symbols")
    assert [x for x, _ in found["training"]] == pytest.approx([event["epoch"] * symbols for event in trainings])
    (found,) = numbers(charrnn, trained, "--against", "time")
    assert [x for x, _ in found["training"]] == [event["seconds"] for event in trainings]
    assert "symbols read" in plotted(charrnn, trained, "--against", "symbols")[0]
    assert "seconds of training" in plotted(charrnn, trained, "--against", "time")[0]


def test_an_svg_file_is_whole_and_the_same_on_stdout(charrnn, trained, tmp_path):
    (tmp_path / "curves.svg").write_text("older")
    drawn, said = plotted(charrnn, trained, "verses", "--svg", tmp_path / "curves.svg")
    assert (drawn, said) == ("", f"wrote {tmp_path / 'curves.svg'}\n")
    written = (tmp_path / "curves.svg").read_text()
    assert written == plotted(charrnn, trained, "verses", "--svg", "-")[0]
    assert [path.name for path in tmp_path.iterdir()] == ["curves.svg"]
    texts = [text.text for text in ElementTree.fromstring(written.encode()).iter() if text.tag.endswith("text")]  # noqa: S314
    assert {"Loss", "Learning rate", "step", "bits per character", "training", "validation"} <= set(texts)


def test_several_runs_stand_over_each_other(charrnn, trained, tmp_path):
    other = tmp_path / "checkpoints" / "verses"
    shutil.copytree(trained / "checkpoints" / "verses", other)
    shutil.copytree(other, tmp_path / "checkpoints" / "second")
    lines = plotted(charrnn, tmp_path, "verses", "second")[0].splitlines()
    assert all(name in lines[1] for name in ("verses training", "verses validation", "second training"))
    assert [found["run"] for found in numbers(charrnn, tmp_path, "verses", "second", "verses")] == ["verses", "second"]
    places = [str(trained / "checkpoints" / "verses"), "checkpoints/verses"]
    assert [found["run"] for found in numbers(charrnn, tmp_path, *places)] == places


def test_a_run_that_still_trains_is_drawn_and_left_alone(charrnn, tmp_path):
    """No checkpoint yet, no evaluation, and a last line that is being written."""
    run = recorded(tmp_path, trained_event(1, 3.0, seconds=1.0), trained_event(2, 2.5, seconds=2.0))
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"event": "trained", "step": 3, "lo')
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.iterdir()}
    drawn, said = plotted(charrnn, tmp_path, "run")
    assert "validation (nothing recorded)" in drawn
    assert said == "run: no evaluation is recorded yet\n"
    assert [len(found["training"]) for found in numbers(charrnn, tmp_path, "run")] == [2]
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.iterdir()} == before
    assert "it has saved no checkpoint yet" in refused(charrnn, tmp_path, 66, "run", "--against", "symbols")


def test_a_run_that_has_only_begun_says_so(charrnn, tmp_path):
    recorded(tmp_path)
    drawn, said = plotted(charrnn, tmp_path)
    assert drawn.count("nothing recorded") == 4  # twice in the loss' legend, once in each chart
    assert said.splitlines() == ["run checkpoints/run", "run: nothing is recorded yet"]


def test_a_damaged_or_foreign_record_is_drawn_as_far_as_it_goes(charrnn, tmp_path):
    odd = [
        {"step": 5},
        {"event": "trained", "step": 10**400, "loss": 2.0},
        {"event": "trained", "step": 5, "loss": "<b>"},
        {"event": "evaluated", "step": 5},
        [1],
        "x",
    ]
    run = recorded(tmp_path, *odd, trained_event(7, math.nan), trained_event(9, 2.0))
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b"\xff\x00{}\n" + b"[" * 100_000 + b"\n" + b'{"event": "trained", "step": 11, "loss": 1e999}\n')
    (found,) = numbers(charrnn, tmp_path, "run")
    assert [x for x, _ in found["training"]] == [9]
    assert found["validation"] == []
    assert found["training_per"] == "symbol"
    assert plotted(charrnn, tmp_path, "run", "--svg", "-")[0].startswith("<?xml")


def test_names_are_shown_and_obeyed_by_nobody(charrnn, tmp_path):
    name = "\x1b]0;owned\x07<b>\u202e\x9b"
    recorded(tmp_path, trained_event(1, 3.0), trained_event(2, 2.0), name=name)
    recorded(tmp_path, trained_event(1, 3.0), trained_event(2, 2.0), name="plain")
    drawn = in_terminal(tmp_path, {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "150"}, name, "plain")
    assert not set(drawn) & set("\x1b\x07\x9b\u202e")
    assert "\\x1b]0;owned\\x07<b>\\u202e\\x9b training" in drawn
    written, _ = plotted(charrnn, tmp_path, name, "plain", "--svg", "-")
    assert not set(written) & set("\x1b\x07\x9b\u202e")
    assert "&lt;b&gt;" in written
    assert "<b>" not in written


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nobody", "no run is called nobody"),
        ("empty", "empty has no record"),
        ("verses.txt", "verses.txt has no record"),
        (None, "no run in checkpoints has recorded anything"),
    ],
)
def test_without_a_record_there_is_nothing_to_draw(charrnn, corpus, place, message):
    (corpus.parent / "empty").mkdir()
    assert message in refused(charrnn, corpus.parent, 66, *([place] if place else []))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--svg", "missing/curves.svg"], 73),
        (["--svg", "checkpoints"], 73),
        (["--svg", ""], 2),
        (["--svg", "curves.svg", "--json"], 2),
        (["--against", "nothing"], 2),
    ],
    ids=str,
)
def test_what_cannot_be_written_or_meant_is_refused(charrnn, trained, arguments, code):
    refused(charrnn, trained, code, "verses", *arguments)


@pytest.mark.parametrize("arguments", [[], ["--svg", "-"], ["--json"]], ids=["drawn", "svg", "json"])
def test_a_reader_that_leaves_ends_it_silently(trained, arguments):
    script = '"$0" plot verses "$@" | head -c 1; echo " ${PIPESTATUS[0]}"'
    done = subprocess.run(
        ["bash", "-c", script, COMMAND, *arguments], cwd=trained, capture_output=True, check=False, timeout=60
    )
    assert done.stdout.endswith(b" 0\n")
    assert done.stderr == b""


@pytest.mark.parametrize("against", ["step", "time"])
def test_it_starts_without_torch_and_without_numpy(trained, against):
    line = [sys.executable, "-c", PROGRAM, "plot", "verses", "--against", against]
    done = subprocess.run(line, cwd=trained, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "[]"
    assert done.returncode == 0
