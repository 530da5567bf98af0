"""Whole commands where nothing is as it should be: no home, no streams, no permission, odd names, other processes."""

import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from charrnn.runs.checkpoint import read_checkpoint

COMMAND = str(Path(sys.executable).with_name("charrnn"))
TINY = ["--hidden", "8", "--embedding", "4", "--batch-size", "2", "--seq-length", "8", "--precision", "float32"]
VERSE = "Shall I compare thee to a summer's day?\n" * 40
ODD_NAME, ODD_PLACE = "a 'b' \"c\" [red] :x:", "k $d \N{GRINNING FACE}"
EVIL_NAME = "\x1b]0;owned\x07\x1b[31m\x9b\u202e[red]f :smile:\nh.txt"
CONTROLS = {"\x1b", "\x07", "\x9b", "\u202e", "\x08", "\x00", "\x0c"}


def newest(run):
    return max(run.glob("step-*.safetensors"))


def shell(script, *arguments, cwd, **settings):
    """A shell script in which "$0" is the command and "$@" its arguments."""
    line = ["bash", "-c", script, COMMAND, *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, capture_output=True, timeout=60, check=False, **settings)


@pytest.fixture
def screen(warm):
    """Run a command whose streams are all one terminal: (its exit code, what the terminal receives)."""

    def run(*arguments, cwd):
        master, slave = pty.openpty()
        with ThreadPoolExecutor() as threads:
            ended, received = threads.submit(warm.end, arguments, cwd, dict(os.environ), [slave] * 3), b""
            while select.select([master], [], [], 0.01)[0] or not ended.done():
                received += os.read(master, 65536) if select.select([master], [], [], 0)[0] else b""
        os.close(master), os.close(slave)
        return ended.result(), received.decode()

    return run


def in_one_line(done, code):
    """Whether a command failed with this code and one line."""
    message = done.stderr.decode()
    assert done.returncode == code, message
    assert message.startswith("charrnn: error: ")
    assert len(message.splitlines()) == 1, message
    return message


# Nothing but the command


BARE = {"PATH": "/nowhere", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_a_bare_environment_and_umask_077_are_enough(tmp_path):
    """As cron and a batch system start it: no HOME, no PATH, no locale, and files that nobody else may read."""
    (tmp_path / "fete.txt").write_text("l'été à la fête \N{GRINNING FACE}\n" * 60)

    def bare(*arguments):
        line = [COMMAND, *arguments]
        return subprocess.run(line, cwd=tmp_path, env=BARE, umask=0o077, capture_output=True, check=False, timeout=60)

    trained = bare("train", "fete.txt", *TINY, "--steps", "3")
    assert trained.returncode == 0, trained.stderr
    run = tmp_path / "checkpoints" / "fete"
    assert {path.stat().st_mode & 0o077 for path in [run, *run.iterdir()]} == {0}
    for line in (["sample", "--seed", "1", "-n", "20", "-p", "é"], ["evaluate", "--json"], ["info"]):
        done = bare(*line)
        assert done.returncode == 0, done.stderr
        done.stdout.decode("utf-8")


def test_only_the_monotonic_clock_matters(tmp_path):
    """The wall clock jumps by years at every look: no duration, order or length depends on it."""
    (tmp_path / "verse.txt").write_text(VERSE)
    script = (
        "import itertools, sys, time\n"
        "jumps = itertools.cycle([0.0, 4e9, -1e9, 1e3, 2e9])\n"
        "time.time = lambda: next(jumps)\n"
        "time.time_ns = lambda: int(next(jumps) * 1e9)\n"
        "from charrnn.cli.app import run\n"
        "sys.exit(run(sys.argv[1:]))"
    )
    line = ["train", "verse.txt", *TINY, "--steps", "9", "--max-time", "1h", "--save-every", "1m", "--eval-every", "3"]
    done = subprocess.run([sys.executable, "-c", script, *line], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "checkpoints/verse/metrics.jsonl").read_text().splitlines()
    trained = [event for event in map(json.loads, lines) if event["event"] == "trained"]
    seconds = [event["seconds"] for event in trained]
    assert seconds == sorted(seconds)
    assert 0 < seconds[-1] < 60
    assert all(event["symbols_per_second"] > 0 for event in trained)


# Streams that are closed


@pytest.mark.parametrize(
    "closed",
    ["2>&-", "<&- >&- 2>&-", *(pytest.param(less, marks=pytest.mark.slow) for less in ("<&-", ">&-", ">&- 2>&-"))],
)
def test_a_closed_stream_is_nobodys_problem(trained, closed):
    """Where nothing has to be read or written, nothing is missing."""
    for line in (
        ["sample", "verses", "-n", "9", "--seed", "1"],
        ["evaluate", "verses"],
        ["info", "verses"],
        ["plot", "verses"],
        ["report", "verses", "-o", "-"],
        ["--help"],
    ):
        done = shell(f'"$0" "$@" {closed}', *line, cwd=trained)
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
        assert bool(done.stdout) == (">&-" not in closed.replace("2>&-", ""))


@pytest.mark.parametrize(
    "line",
    [["train", "-"], ["evaluate", "verses", "-"], ["sample", "verses", "--prompt-file", "-"]],
    ids=lambda line: line[0],
)
def test_a_closed_stdin_that_is_to_be_read_is_a_missing_input(trained, line):
    in_one_line(shell('"$0" "$@" <&-', *line, cwd=trained), 66)


def test_training_needs_no_stream_at_all(tmp_path):
    (tmp_path / "verse.txt").write_text(VERSE)
    line = ["train", "verse.txt", *TINY, "--steps", "3"]
    done = shell('"$0" "$@" <&- >&- 2>&-', *line, cwd=tmp_path)
    assert done.returncode == 0
    assert read_checkpoint(newest(tmp_path / "checkpoints/verse"), training=True).progress.step == 3


@pytest.mark.parametrize(("reader", "why"), [("| head -1", "went away"), ("> /dev/full", "no space left")])
def test_a_stream_of_events_that_fails_does_not_end_what_learns(tmp_path, reader, why):
    (tmp_path / "verse.txt").write_text(VERSE)
    line = ["train", "verse.txt", *TINY, "--steps", "300", "--eval-every", "20", "--name", "job", "--json"]
    done = shell(f'"$0" "$@" {reader}; echo "${{PIPESTATUS[0]}}"', *line, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == b"0"
    said = done.stderr.decode().splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("warning: ")
    assert why in said[0]
    assert "training goes on" in said[0]
    events = (tmp_path / "checkpoints" / "job" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(events[-1])["event"] == "finished"


def test_a_reader_of_scores_that_leaves_after_the_first_is_met_with_silence(trained):
    line = ["evaluate", "verses", "--split", "train", "--per-char", "--json"]
    done = shell('"$0" "$@" | head -1; echo "${PIPESTATUS[0]}"', *line, cwd=trained)
    assert json.loads(done.stdout.splitlines()[0])["position"] == 0
    assert (done.stdout.splitlines()[1:], done.stderr) == ([b"0"], b"")


# Folders without permission


# What has which mode, and what is tried there: names of folders below `work`, each with a copy of a finished run.
MODES = {
    "read-only": ("", 0o555), "read-only-run": ("verses", 0o555), "closed": ("", 0), "closed-run": ("verses", 0),
    "closed-file": ("verses/best.safetensors", 0),
}  # fmt: skip
SEALED = ("closed", "closed-run")  # folders that not even their owner may enter
READ = {
    "the newest": ["info"],
    "a name": ["info", "verses"],
    "a record": ["plot", "verses", "--against", "symbols"],
    "sampling": ["sample", "verses", "-n", "3", "--seed", "1"],
    "scoring": ["evaluate", "verses", "verses.txt"],
}
NEW = ["train", "verses.txt", *TINY, "--steps", "1", "-q"]
WRITE = {
    "an unnamed run": NEW,
    "a new run": [*NEW, "--name", "new"],
    "an old run": ["train", "verses.txt", "--name", "verses", "--resume"],
}


@pytest.fixture(scope="session")
def denied(trained, door):
    """What is tried -> how it ended, for somebody who is denied what modes deny; and whether anything was changed."""
    folder = Path(tempfile.mkdtemp())
    work, asked = folder / "work", READ | WRITE
    for name in MODES:
        shutil.copytree(trained / "checkpoints", work / name)
    shutil.copy(trained / "verses.txt", work)
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = {path: path.read_bytes() for path in paths if path.is_file()}
    for name, (place, mode) in MODES.items():
        (work / name / place).chmod(mode)
    lines = {(name, what): ([*line, "--checkpoints", name], {}) for name in MODES for what, line in asked.items()}
    ends = dict(zip(lines, door(lines.values(), folder, stranger=True), strict=True))
    for name, (place, _) in MODES.items():
        (work / name / place).chmod(0o755)
    # Of a superuser's folders a stranger may change nothing; his own he may, but for what has no permission itself.
    sealed = [work] if os.geteuid() == 0 else [work / name / MODES[name][0] for name in SEALED]
    after = {path: path.read_bytes() for place in sealed for path in place.rglob("*") if path.is_file()}
    expected = {path: content for path, content in before.items() if any(path.is_relative_to(p) for p in sealed)}
    shutil.rmtree(folder)
    return ends, after == expected


def refused(done, code):
    """Whether a command failed with this code and one line."""
    assert done.code == code, done.stderr
    assert done.stderr.startswith("charrnn: error: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_nothing_is_changed_where_nothing_may_be_written(denied):
    assert denied[1]


@pytest.mark.parametrize("what", WRITE)
@pytest.mark.parametrize("place", ["read-only", "closed"])
def test_no_run_begins_where_nothing_may_be_written(denied, place, what):
    if (place, what) != ("read-only", "an old run"):  # that one's own folder is still writable: see the next test
        refused(denied[0][place, what], 73)


@pytest.mark.parametrize("place", ["read-only-run", "closed-run"])
def test_a_run_in_a_folder_without_permission_is_not_continued(denied, place):
    refused(denied[0][place, "an old run"], 73)


@pytest.mark.parametrize("what", READ)
@pytest.mark.parametrize("place", ["read-only", "read-only-run"])
def test_what_may_only_be_read_is_read(denied, place, what):
    assert denied[0][place, what].code == 0, denied[0][place, what]


@pytest.mark.parametrize("what", READ)
@pytest.mark.parametrize("place", ["closed", "closed-run", "closed-file"])
def test_what_may_not_be_read_is_a_missing_input(denied, place, what):
    refused(denied[0][place, what], 66)


# Names


@pytest.fixture(scope="session")
def odd(charrnn, tmp_path_factory):
    """(a folder with a newline in its name, the output of the training there); texts and run have odd names too."""
    folder = tmp_path_factory.mktemp("odd") / f"{ODD_NAME} {ODD_PLACE}\n2"
    folder.mkdir()
    (folder / EVIL_NAME).write_text("[red]x[/red] :smile: \x1b]0;own\x07\x9b\u202e [/] \x1b[2J\n" * 40)
    line = ["train", EVIL_NAME, *TINY, "--steps", "3", "--name", ODD_NAME, "--checkpoints", ODD_PLACE]
    done = charrnn(*line, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_commands_that_are_printed_at_the_end_can_be_typed(odd):
    folder, done = odd
    table = done.stderr.decode()
    for command, more in (("sample", ["-n", "5"]), ("evaluate", [])):
        line = shlex.split(re.search(rf"charrnn {command} .*", table)[0])
        again = shell('"$0" "$@"', *line[1:], *more, cwd=folder)
        assert again.returncode == 0, (line, again.stderr)


def test_odd_names_are_names_like_any_other(odd, charrnn):
    folder, _ = odd
    run = folder / ODD_PLACE / ODD_NAME
    assert read_checkpoint(newest(run)).config.corpus == [str(folder / EVIL_NAME)]
    place = ["--checkpoints", ODD_PLACE]
    for model in ([ODD_NAME], [str(run)], [str(run / "best.safetensors")]):
        found = json.loads(charrnn("info", *model, *place, "--json", cwd=folder).stdout)
        assert found["config"]["corpus"][0] in (EVIL_NAME, str(folder / EVIL_NAME))
    scored = json.loads(charrnn("evaluate", ODD_NAME, EVIL_NAME, *place, "--json", cwd=folder).stdout)
    assert scored["text"] == EVIL_NAME
    again = charrnn("train", "--config", run / "config.yaml", *place, "--name", "again", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert read_checkpoint(newest(folder / ODD_PLACE / "again")).config == read_checkpoint(newest(run)).config


def commands(folder):
    """Lines that name odd things, with their exit codes."""
    place = ["--checkpoints", ODD_PLACE]
    model = f"{ODD_PLACE}/{ODD_NAME}/best.safetensors"
    return [
        (["info", ODD_NAME, *place], 0),
        (["info", *place], 0),
        (["evaluate", model], 0),
        (["evaluate", model, EVIL_NAME], 0),
        (["evaluate", model, EVIL_NAME, "--json"], 0),
        (["evaluate", model, EVIL_NAME, "--per-line"], 0),
        (["plot", ODD_NAME, *place, "--svg", "-"], 0),
        (["report", ODD_NAME, *place, "-o", "-"], 0),
        (["info", EVIL_NAME], 65),
        (["info", "\x1b]0;x\x07"], 66),
        (["train", EVIL_NAME, "--cell", "\x1b[31m\x9b"], 2),
        (["train", EVIL_NAME, "--\x1b[31m\x9b"], 2),
        (["\x1b]0;x\x07\x9b"], 2),
        (["sample", model, "--seed", "\x9b\x07"], 2),
        (["train", EVIL_NAME, "--name", "\x1b]0;x\x07"], 2),
        (["train", EVIL_NAME, "--print-config", "--steps", "1"], 0),
        (["sample", model, "-n", "300", "--seed", "3", "--json"], 0),
        (["sample", model, "-n", "300", "--seed", "3"], 0),
    ]


def test_nothing_from_a_name_or_a_text_steers_a_terminal(odd, screen):
    folder, done = odd
    assert not set(done.stderr.decode()) & CONTROLS
    for line, code in commands(folder):
        found, shown = screen(*line, cwd=folder)
        assert found == code, shown
        assert not set(shown) & CONTROLS, (line, shown)


def test_markup_in_names_and_texts_is_shown_as_it_is(odd, charrnn, screen):
    folder, _ = odd
    place = ["--checkpoints", ODD_PLACE]
    for line in (["info", ODD_NAME, *place], ["evaluate", ODD_NAME, *place]):
        piped = charrnn(*line, cwd=folder).stdout.decode()
        _, shown = screen(*line, cwd=folder)
        for output in (piped, shown):
            together = re.sub(r"\s+", "", output)
            assert "[red]f:smile:" in together
            assert "\\x1b]0;owned\\x07" in together
    assert "[/]" in (folder / EVIL_NAME).read_text()
    piped = charrnn("sample", ODD_NAME, *place, "-n", "400", "--seed", "3", cwd=folder).stdout.decode()
    _, shown = screen("sample", ODD_NAME, *place, "-n", "400", "--seed", "3", cwd=folder)
    assert set(piped) & CONTROLS
    assert "\\x1b" in shown or "\\x07" in shown or "\\x9b" in shown


# Links inside a run that point outside


LINKS = ["metrics.jsonl", "samples.txt", "best.safetensors", "config.yaml", ".lock", "step-00000002.safetensors"]


def test_a_link_in_a_run_never_leads_a_writer_outside(door, tmp_path):
    """Whoever could place a link in a run's folder must not be able to have somebody else's files written."""
    work, outside, lines = tmp_path / "work", {}, []
    work.mkdir()
    (work / "verse.txt").write_text(VERSE)
    for number, name in enumerate(LINKS):
        for target, before in ((tmp_path / f"precious-{name}", b"precious"), (tmp_path / f"absent-{name}", None)):
            run = work / "checkpoints" / f"{target.name[:3]}{number}"
            run.mkdir(parents=True)
            (run / name).symlink_to(target)
            if before is not None:
                target.write_bytes(before)
            outside[target] = before
            lines.append((["train", "verse.txt", *TINY, "--steps", "2", "--name", run.name, "--resume", "-q"], {}))
    done = door(lines, tmp_path)
    changed = [
        path.name for path, before in outside.items() if (path.read_bytes() if path.exists() else None) != before
    ]
    assert changed == []
    assert all(one.code in (0, 65, 73, 74) for one in done), [(one.code, one.stderr) for one in done]


# Other processes


READERS = """
import contextlib, io, json, sys, time
from pathlib import Path
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.cli.info import facts
from charrnn.cli.models import open_model

folder, number, errors, reads, steps = Path(sys.argv[1]), int(sys.argv[2]), [], 0, set()
began, places = time.monotonic(), [None, "job", "checkpoints/job", "checkpoints/job/best.safetensors"]
while reads < number and time.monotonic() - began < 200:
    reads += 1
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            model = open_model(places[reads % 4], folder)
        steps.add(model.checkpoint.progress.step)
        if reads % 3 == 0:
            json.dumps(facts(model.checkpoint, model.path))
        elif reads % 3 == 1:
            model.score("Shall I")
        else:
            model.sample("Shall I", length=2, seed=reads)
    except Exception as error:
        errors.append(repr(error))
print(json.dumps([reads, len(steps), errors[:5], len(errors)]))
"""


def read_beside_a_trainer(folder, number):
    """(reads, different steps seen, some errors, how many) of a reader beside a trainer that saves every step."""
    (folder / "verse.txt").write_text(VERSE)
    every = ["--eval-every", "1", "--save-every", "1", "--sample-every", "1000000"]
    line = ["train", "verse.txt", *TINY, *every, "--steps", "1000000", "--name", "job", "-q"]
    with subprocess.Popen([COMMAND, *line], cwd=folder) as trainer:
        try:
            wait_for(folder / "checkpoints" / "job" / "best.safetensors", trainer)
            script = [sys.executable, "-c", READERS, "checkpoints", str(number)]
            done = subprocess.run(script, cwd=folder, capture_output=True, check=True, text=True)
            assert trainer.poll() is None
        finally:
            trainer.kill()
    return json.loads(done.stdout)


def wait_for(path, process):
    """Wait until `process` has made `path`."""
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.02)


@pytest.mark.parametrize("number", [1000, pytest.param(5000, marks=pytest.mark.slow)])
def test_readers_beside_a_trainer_never_see_half_a_model(tmp_path, number):
    reads, steps, errors, failed = read_beside_a_trainer(tmp_path, number)
    assert (errors, failed) == ([], 0)
    assert reads == number
    assert steps > 20, "the trainer did not save while it was read"


# Forks trainers that are ready to go and lets them go at once; notes the first to leave, then stops the other, once its
# record is begun: before that a signal leaves nothing behind.
RACE = """
import json, os, signal, sys, time
import charrnn.training.session, torch
torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # loads what is loaded late
from charrnn.cli.app import run
found = []
for number in range(int(sys.argv[1])):
    ready, go = os.pipe()
    children = {}
    for child in range(2):
        pid = os.fork()
        if pid == 0:
            os.close(go)
            os.read(ready, 1)
            errors = os.open(f"error-{number}-{child}", os.O_WRONLY | os.O_CREAT)
            os.dup2(errors, 2)
            code = run([word.replace("NUMBER", str(number)) for word in sys.argv[2:]])
            sys.stderr.flush()
            os._exit(code)
        children[pid] = child
    os.close(ready)
    os.close(go)
    signal.alarm(60)
    first, status = os.wait()
    second = (set(children) - {first}).pop()
    while not os.path.exists(f"checkpoints/job{number}/metrics.jsonl"):
        time.sleep(0.01)
    os.kill(second, signal.SIGTERM)
    _, other = os.waitpid(second, 0)
    message = open(f"error-{number}-{children[first]}").read()
    found.append([os.waitstatus_to_exitcode(status), os.waitstatus_to_exitcode(other), message])
print(json.dumps(found))
"""


def race(folder, rounds, *extra):
    """[(exit code of the first to leave, of the other after SIGTERM, what the first said)] of two trainers at once."""
    (folder / "verse.txt").write_text(VERSE)
    line = ["train", "verse.txt", *TINY, "--steps", "1000000", "--eval-every", "1000", "--name", "jobNUMBER", *extra]
    script = [sys.executable, "-c", RACE, str(rounds), *line]
    done = subprocess.run(script, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("rounds", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_of_two_trainers_started_at_once_one_trains_and_the_other_is_told_that_it_is_busy(tmp_path, rounds):
    found = race(tmp_path, rounds, "--resume")
    assert [ends for ends in found if ends[:2] != [75, 128 + signal.SIGTERM]] == []
    for number in range(rounds):
        lines = (tmp_path / "checkpoints" / f"job{number}" / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["event"] for line in lines].count("started") == 1


def test_of_two_new_runs_of_one_name_one_trains_and_the_other_is_refused(tmp_path):
    found = race(tmp_path, 2)
    assert [ends for ends in found if ends[0] not in (73, 75) or ends[1] != 128 + signal.SIGTERM] == []


# What a person or a system does around a command ---------------------------------------------------------------------


def test_a_working_folder_that_was_deleted_is_said_in_one_line(trained, tmp_path):
    """Whatever is asked for; libraries would end there in words of their own."""
    place = trained / "checkpoints" / "verses"
    for line in (["sample", place, "-n", "3"], ["train", trained / "verses.txt"], ["evaluate", place], ["--version"]):
        (tmp_path / "gone").mkdir()
        done = shell('rmdir "$PWD" && exec "$0" "$@"', *line, cwd=tmp_path / "gone")
        in_one_line(done, 66)
        assert b"working folder; it has been deleted" in done.stderr


def test_variables_of_libraries_that_cannot_be_used_are_said(charrnn, trained):
    for line in (["train", "verses.txt", *TINY, "--steps", "1"], ["evaluate", "verses"]):
        done = charrnn(*line, cwd=trained, env={"TQDM_MININTERVAL": "abc"}, fresh=True)
        in_one_line(done, 2)
        assert b"TQDM_" in done.stderr
    done = charrnn("train", "verses.txt", *TINY, "--steps", "1", cwd=trained, env={"TORCH_LOGS": "zzz"}, fresh=True)
    in_one_line(done, 2)
    assert b"a library cannot be loaded; Invalid log settings: zzz" in done.stderr


@pytest.mark.parametrize("limit", ["300000", "500000", "700000"])
def test_an_address_space_that_is_too_small_is_no_bug(trained, limit):
    """Kilobytes; some machines need less than others, and where it is enough it works."""
    line = ["train", "verses.txt", *TINY, "--steps", "1", "--name", f"small-{limit}", "--dry-run"]
    done = shell(f'ulimit -v {limit}; exec "$0" "$@"', *line, cwd=trained)
    assert done.returncode in (0, 1, 2), done.stderr
    assert b"bug" not in done.stderr
    if done.returncode == 2:  # what is asked for last may be a thread
        assert re.search(rb"out of memory|no more threads|limit on memory", done.stderr), done.stderr


def test_where_no_more_threads_may_be_started_one_is_enough(trained):
    """As under ulimit -u, which a superuser cannot feel."""
    refused = 'def start(self):\n    raise RuntimeError("can\'t start new thread")\n'
    code = f"import sys, threading\n{refused}threading.Thread.start = start\nfrom charrnn.cli.app import run\n"
    code += "code = run(sys.argv[1:])\nimport os\nassert os.environ['OPENBLAS_NUM_THREADS'] == '1'\nsys.exit(code)"
    line = [sys.executable, "-c", code, "sample", "verses", "-n", "3", "--seed", "1"]
    done = subprocess.run(line, cwd=trained, capture_output=True, timeout=60, check=False)
    assert (done.returncode, len(done.stdout)) == (0, 3)
    assert done.stderr.startswith(b"no more threads may be started here")


def test_a_person_is_told_that_standard_input_is_waited_for(trained):
    master, slave = pty.openpty()
    command = [COMMAND, "evaluate", "verses", "-"]
    with subprocess.Popen(command, cwd=trained, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr.readline() == b"waiting for standard input: Ctrl-D ends it\n"
        os.write(master, b"Shall I\n\x04")
        out, _ = process.communicate(timeout=60)
    os.close(master), os.close(slave)
    assert b"counted" in out
    quiet = subprocess.run(command, cwd=trained, input=b"Shall I\n", capture_output=True, timeout=60, check=True)
    assert quiet.stderr == b""
