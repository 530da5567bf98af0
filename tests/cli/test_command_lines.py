"""Any line, however wrong, ends in one of the documented ways: done, or one line that says what to do."""

import hashlib
import json
import random
import shutil
import struct
import subprocess
import sys

import pytest

CODES = {0, 2, 65, 66, 70, 73, 74, 75}
TINY = ["--hidden", "8", "--embedding", "4", "--batch-size", "2", "--seq-length", "8", "--steps", "1"]
ODD = [
    "", " ", "-", "--", "---", "-x", "--x=1", "é🙂", "日本", "\n", "a\nb", "\x1b[31mred", "\x1b]0;x\x07", "[red]",
    ":smile:", "%s%n", "a" * 300, "a" * 5000, "caf\udce9", "'", '"', "a b", "*", "?", "[", "[]", "**", "nan", "-1",
    "0x10", "1e999", "None", "$HOME", "`id`", "\u202eabc", "\x9b", "\u2028", "٣", "1_0", "+1", "=", "{}", "\\", "\t",
    "a" * 100_000,
]  # fmt: skip
MODELS = ["verses", "checkpoints/verses", "checkpoints/verses/best.safetensors", "model.safetensors"]
NO_MODELS = ["corrupt.safetensors", "cut.safetensors", "missing", "good.txt", "nothing", "", "/dev/null", "a" * 300]
TEXTS = ["good.txt", "good.txt", "good.txt", "small.txt", "several", "g*.txt"]
NO_TEXTS = ["empty.txt", "one.txt", "binary.bin", "latin.txt", "missing.txt", "nothing", "x*.txt", "-", "/dev/null", ""]
WHOLE = ["0", "-1", "1.5", "nan", "", "9" * 20, "9" * 5000, "2147483648", "many", " 1", "0b1"]
REAL = ["nan", "inf", "-inf", "-1", "1e400", "", "many", "0x1", "9" * 5000, "-0.0"]
TIMES = ["0", "0s", "-5s", "soon", "1e9d", "", "9" * 30, "9" * 5000, "1s1", "nan"]
ENCODINGS = [
    "utf-16",
    "hex",
    "rot13",
    "undefined",
    "idna",
    "punycode",
    "zlib",
    "",
    "nonsense",
    "utf-7",
    "unicode_escape",
]
DEVICES = ["cuda:99", "tpu", "", "meta", "xla", "mps", "cpu:9", "cuda:-1", "cuda:" + "9" * 30, "privateuseone"]

# Every flag with values that are good (and cheap) and values that are bad; None stands for no value.
TRAIN = {
    "--name": (["a", "b", "é🙂", "a b"], ["../up", ".x", "-x", "a/b", "/up", "", "nul\n", "a" * 300]),
    "--resume": ([None], []),
    "--init-from": (MODELS, NO_MODELS),
    "--config": (["good.yaml"], ["bad.yaml", "odd.yaml", "huge.yaml", "missing.yaml", "nothing", "binary.bin", ""]),
    "--glob": (["*.txt", "*"], ["[", "", "*.none"]),
    "--encoding": (["utf-8", "latin-1", "cp1252"], ENCODINGS),
    "--unit": (["char", "byte"], ["word", "", "CHAR"]),
    "--validation": (["good.txt", "small.txt"], ["one.txt", "missing", "nothing", "-", ""]),
    "--validation-fraction": (["0", "0.5", "0.99"], ["1", "0.9999999999", *REAL]),
    "--cell": (["lstm", "gru", "rnn"], ["tree", ""]),
    "--layers": (["1", "3"], ["1001", *WHOLE]),
    "--hidden": (["1", "9"], ["65537", *WHOLE]),
    "--embedding": (["0", "3"], ["65537", *WHOLE[1:]]),
    "--dropout": (["0", "0.5", "0.999999"], ["1", *REAL[:-1]]),
    "--layer-norm": ([None], []),
    "--no-residual": ([None], []),
    "--epochs": (["0.001", "1e-300"], ["1e300", "0", *REAL]),
    "--batch-size": (["1", "65536"], ["65537", *WHOLE]),
    "--seq-length": (["1", "65536"], ["65537", *WHOLE]),
    "--learning-rate": (["0.01", "1e-300", "1e30"], ["0", *REAL]),
    "--warmup": (["0", "5", "9" * 20], WHOLE[1:5]),
    "--weight-decay": (["0", "1e300"], REAL[:-1]),
    "--clip": (["1", "1e-300"], ["0", *REAL]),
    "--ema": (["0", "0.999999"], ["1", *REAL[:-1]]),
    "--eval-every": (["1", "7", "2147483647"], [*TIMES, "2147483648"]),
    "--save-every": (["1", "7", "5m", "1d", "9" * 20], ["0", "0s", "soon", "", "9" * 5000]),
    "--sample-every": (["1", "7"], [*TIMES, "2147483648"]),
    "--keep": (["1", "2147483647"], WHOLE),
    "--max-time": (["1h", "1s"], TIMES),
    "--exit-incomplete": (["0", "75"], ["256", *WHOLE[1:]]),
    "--device": (["cpu", "auto"], DEVICES),
    "--precision": (["auto", "float32", "bfloat16"], ["float16", ""]),
    "--threads": (["1", "2"], WHOLE),
    "--seed": (["0", "9223372036854775807"], ["9223372036854775808", *WHOLE[1:]]),
    "--dry-run": ([None], []),
    "--print-config": ([None], []),
    "--tensorboard": ([None], []),
    "--json": ([None], []),
    "-q": ([None], []),
    "-v": ([None], []),
}
SAMPLE = {
    "--temp": (["0", "0.8", "1e-30", "1e30"], REAL[:-1]),
    "-t": (["1"], REAL[:-1]),
    "--length": (["0", "5", "50"], ["-1", "9" * 20, "9" * 5000, "many", ""]),
    "--prompt": (["Shall", "", *ODD], []),
    "--prompt-file": (["small.txt", "-", "empty.txt"], ["missing", "nothing", "/dev/zero", "", "a" * 300]),
    "--count": (["1", "2"], ["0", "-1", ""]),
    "--top-k": (["1", "99999", "9" * 20, "9" * 400], ["0", "-1", ""]),
    "--top-p": (["0.5", "1", "1e-300"], ["0", "2", *REAL]),
    "--min-p": (["0.5", "1", "1e-300"], ["0", "2", *REAL]),
    "--stop": (["e", "ab", *ODD[2:]], [""]),
    "--seed": (["1", "9223372036854775807"], ["9223372036854775808", *WHOLE[1:]]),
    "--unknown": (["error", "skip", "replace"], ["", "drop"]),
    "--adapt-to": (["small.txt", "-", "empty.txt"], ["missing", "nothing", "/dev/zero", "", "a" * 300]),
    "--no-echo": ([None], []),
    "--json": ([None], []),
    "--device": (["cpu", "auto"], DEVICES),
}
EVALUATE = {
    "--split": (["train", "validation"], ["test", ""]),
    "--window": (["1", "7", "9" * 20], ["0", "-1", ""]),
    "--unknown": (["error", "skip", "replace"], ["", "drop"]),
    "--encoding": (["utf-8", "latin-1"], ENCODINGS),
    "--json": ([None], []),
    "--per-line": ([None], []),
    "--per-char": ([None], []),
    "--heatmap": ([None], []),
    "--baselines": ([None], []),
    "--adapt": ([None], []),
    "--device": (["cpu", "auto"], DEVICES),
}
PLOT = {
    "--against": (["step", "symbols", "time"], ["", "epoch"]),
    "--svg": (["curves.svg", "-", "a b"], ["", ".", "/", "nothing", "missing/curves.svg", "good.txt/below", "a" * 300]),
    "--json": ([None], []),
}
REPORT = {
    "--output": (["page.html", "-", "a b"], ["", ".", "..", "/", "nothing", "missing/page.html", "good.txt/below"])
}
COMMANDS = {
    "train": TRAIN, "sample": SAMPLE, "evaluate": EVALUATE, "info": {"--json": ([None], [])}, "plot": PLOT,
    "report": REPORT,
}  # fmt: skip
PLACES = ["checkpoints", "elsewhere", "a b", "good.txt", "good.txt/below", "", "a" * 300]
SWITCHES = {"--dry-run", "--print-config", "--json", "--config"}
FLAGS = [flag for flag in TRAIN if flag.startswith("--") and flag not in SWITCHES]
KEYS = ["checkpoints", "corpus", *(flag[2:].replace("-", "_") for flag in FLAGS)]
YAML = ["~", "[a, b]", "''", '"\\0"', '"\\ud800"', "1e999"]


def option(draw, flag, good, bad):
    """A flag with a value: mostly a good one."""
    kind = draw.random()
    if kind < 0.03 or good == [None]:
        return [flag] if kind > 0.01 else [flag + "=1"]
    value = draw.choice(good if kind < 0.75 or not bad else bad if kind < 0.93 else ODD)
    return [f"{flag}={value}"] if draw.random() < 0.1 else [flag, value]


def line(draw):
    """A command line and an environment."""
    command = draw.choice([*COMMANDS, "train", "sample"])
    flags, words = COMMANDS[command], []
    for flag in draw.choices(list(flags), k=draw.choice([0, 1, 1, 2, 2, 3, 5])):
        words.append(option(draw, flag, *flags[flag]))
    good, bad = (TEXTS, NO_TEXTS) if command == "train" else (MODELS, NO_MODELS)
    for _ in range(draw.choice([0, 1, 1, 1, 1, 2])):
        words.append([draw.choice(good if draw.random() < 0.8 else bad if draw.random() < 0.7 else ODD)])
        good, bad = TEXTS, NO_TEXTS
    if draw.random() < 0.1:
        words.append([draw.choice([*ODD, "--help", "--version", "--debug", "-qv", "-n5", "--hidd"])])
    draw.shuffle(words)
    if command == "train":  # what comes last counts: never more than a step
        words.append([*TINY, *(["--dry-run"] if draw.random() < 0.3 else [])])
        words.append(["good.txt"] if draw.random() < 0.5 else [])
        words.insert(0, ["--precision", "float32"])  # unless another comes later: nothing need be measured
    if draw.random() < 0.15:  # its value always follows, so that nothing else becomes the place to write to
        words.insert(0, ["--checkpoints", draw.choice(PLACES)])
    before = [draw.choice(["--debug", "--version", "--help", *ODD])] if draw.random() < 0.05 else []
    return [*before, command, *(word for group in words for word in group)], environment(draw)


def environment(draw):
    """Mostly nothing; sometimes settings, good and bad, and an odd terminal."""
    if draw.random() < 0.8:
        return {}
    found = {}
    for flag in draw.choices([flag for flag in TRAIN if flag.startswith("--")], k=2):
        good, bad = TRAIN[flag]
        value = draw.choice([*(good if good != [None] else ["1", "maybe"]), *bad])
        found["CHARRNN_" + flag[2:].upper().replace("-", "_")] = value
    found["COLUMNS"] = draw.choice(["0", "-1", "1", "many", "80", "9" * 30])
    found["CHARRNN_CHECKPOINTS"] = draw.choice(PLACES)
    return found


def odd_yaml(draw):
    """Settings with values that a flag could not even spell."""
    lines = [f"{draw.choice(KEYS)}: {draw.choice([*YAML, *WHOLE[:5], *REAL[:5]])}\n" for _ in range(draw.randint(1, 3))]
    return "".join(lines)


@pytest.fixture
def folder(tmp_path, trained):
    """A working folder with everything that a line may name, and beside it what no line may touch."""
    work = tmp_path / "work"
    shutil.copytree(trained, work)
    model = (work / "checkpoints" / "verses" / "best.safetensors").read_bytes()
    files = {
        "good.txt": b"Shall I compare thee to a summer's day?\n" * 40,
        "small.txt": b"Shall I ",
        "empty.txt": b"",
        "one.txt": b"aaaa",
        "binary.bin": bytes(range(256)) * 3,
        "latin.txt": "caf\xe9 ".encode("latin-1") * 30,
        "good.yaml": b"dropout: 0.1\ncell: gru\n",
        "bad.yaml": b"hiden: 3\n",
        "huge.yaml": b"eval_every: 99999999999\ncheckpoints: " + b"c" * 300,
        "model.safetensors": model,
        "corrupt.safetensors": model[:-9] + b"x" + model[-8:],
        "cut.safetensors": model[:1000],
        "several/a.txt": b"some words " * 40,
        "several/b.txt": b"other words " * 40,
    }
    for place in ("several", "nothing"):
        (work / place).mkdir()
    for name, content in files.items():
        (work / name).write_bytes(content)
    (tmp_path / "precious.txt").write_text("precious")
    return tmp_path


def outside(folder):
    """Every file outside of the working folder, with its content."""
    kept = {"work", "streams"}
    found = (path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] not in kept)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def complaint(done):
    """What is wrong with how a line ended, if anything."""
    errors = [text for text in done.stderr.split("\n") if text.startswith("charrnn: error:")]
    if done.code not in CODES:
        return f"exit code {done.code}"
    if "Traceback" in done.stderr:
        return "a traceback"
    if len(errors) != (done.code != 0):
        return f"{len(errors)} error lines with exit code {done.code}"
    if set(done.stderr) & {"\x1b", "\x9b", "\x07", "\u202e"}:
        return "control characters"
    return "slow" if done.seconds > 30 else None


def faults(door, folder, seed, number):
    """Run generated lines; returns what is wrong with which."""
    draw = random.Random(seed)  # noqa: S311 - which lines, not secrets
    (folder / "work" / "odd.yaml").write_text(odd_yaml(draw))
    before = outside(folder)
    done = door([line(draw) for _ in range(number)], folder)
    assert len({one.code for one in done} & CODES) > 4, "the generated lines are all alike"
    found = [(complaint(one), [word[:30] for word in one.arguments], one.env, one.stderr[-200:]) for one in done]
    new = {name: content[-900:] for name, content in outside(folder).items() if before.get(name) != content}
    return [fault for fault in found if fault[0]] + [("written outside", name, new[name]) for name in new]


@pytest.mark.timeout(600)
def test_every_line_ends_in_a_documented_way_and_writes_nothing_outside(door, folder):
    found = faults(door, folder, 11, 80)
    assert not found, "\n".join(map(str, found))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 11))
def test_every_one_of_many_more_lines_ends_in_a_documented_way(door, folder, seed):
    found = faults(door, folder, seed, 200)
    assert not found, "\n".join(map(str, found))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_every_odd_value_of_a_setting_in_a_file_is_taken_or_refused_in_one_line(door, folder, share):
    """Of every key, one in `share` values."""
    lines = []
    for place, key in enumerate(KEYS):
        length = [] if key in ("checkpoints", "name") else ["--print-config"]
        for number, value in list(enumerate(YAML))[place % share :: share]:
            name = f"{key}-{number}.yaml"
            (folder / "work" / name).write_text(f"{key}: {value}\n")
            known = [] if key == "precision" else ["--precision", "float32"]  # nothing need be measured
            text = [] if key == "corpus" else ["good.txt"]
            lines.append((["train", *text, "--config", name, *TINY, *known, *length], {}))
    found = [(complaint(done), done.arguments, done.stderr[-300:]) for done in door(lines, folder)]
    found = [fault for fault in found if fault[0]]
    assert not found, "\n".join(map(str, found))


def filled(name, value):
    """All numbers of one tensor are `value`."""

    def change(record, header, data):
        start, end = header[name]["data_offsets"]
        data[start:end] = struct.pack("<f", value) * ((end - start) // 4)

    return change


def progress(**changes):
    """Numbers that no run can have reached."""
    return lambda record, header, data: record["progress"].update(changes)


FORGED = {
    "a hidden state that is no number": filled("training/state.0.h", float("nan")),
    "a hidden state beyond all": filled("training/state.0.h", 3e38),
    "squares below nothing": filled("training/moment2.head.weight", -1.0),
    "a negative step": progress(step=-1),
    "a step beyond all": progress(step=10**30),
    "a loss that is no number": progress(loss_sum=float("nan"), loss_count=1),
    "losses counted below nothing": progress(loss_count=-60),
    "a best score at no step": progress(best_nats=-1.0, best_step=None),
    "no score at the best step": progress(best_nats=1.0, validation_nats=None),
    "a temperature of nothing": progress(temperature=0.0),
    "endless seconds": progress(seconds=float("inf")),
}


def forged(content, change):
    """A resumable checkpoint after a change, with the digest that belongs to it."""
    end, none = 8 + int.from_bytes(content[:8], "little"), "0" * 64
    header, data = json.loads(content[8:end]), bytearray(content[end:])
    record = json.loads(header["__metadata__"]["charrnn"]) | {"sha256": none}
    record["config"]["steps"] += 2
    change(record, header, data)
    header["__metadata__"] = {"charrnn": json.dumps(record, separators=(",", ":"))}
    head = json.dumps(header, separators=(",", ":")).encode()
    made = len(head).to_bytes(8, "little") + head + data
    return made.replace(none.encode(), hashlib.sha256(made).hexdigest().encode(), 1)


def test_resuming_a_forged_run_ends_in_a_documented_way(door, folder):
    """Its digest is right, and yet no trainer wrote it."""
    place, lines = folder / "work" / "checkpoints", []
    content = max((place / "verses").glob("step-*.safetensors")).read_bytes()
    for number, change in enumerate(FORGED.values()):
        (place / f"forged{number}").mkdir()
        (place / f"forged{number}" / "step-00000060.safetensors").write_bytes(forged(content, change))
        lines.append((["info", f"forged{number}"], {}))
        lines.append((["train", "verses.txt", "--name", f"forged{number}", "--resume"], {}))
    found = [(complaint(done), done.arguments, done.stderr[-300:]) for done in door(lines, folder)]
    found = [fault for fault in found if fault[0]]
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("flag", ["--threads", "--hidden"])
def test_what_no_machine_can_hold_is_refused_in_one_line(folder, flag):
    """Not left to a library that ends the process in its own words."""
    most = {"--threads": "2147483647", "--hidden": "65536"}[flag]
    line = ["train", "good.txt", *TINY, "--layers", "9", flag, most]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *line], cwd=folder / "work", capture_output=True, text=True, check=False
    )
    assert done.returncode in CODES - {0}, done.stderr
    assert [text[:15] for text in done.stderr.splitlines() if "error" in text] == ["charrnn: error:"], done.stderr


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
from charrnn.cli.app import run
sys.exit(run(sys.argv[1:]))
"""
