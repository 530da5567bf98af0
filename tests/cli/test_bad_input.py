"""Every bad input gets one clear line and its exit code, and leaves nothing behind."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from charrnn.runs.checkpoint import read_checkpoint

COMMAND = str(Path(sys.executable).with_name("charrnn"))


def corrupt(data):
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


FILES = {
    "empty.txt": b"",
    "one.txt": b"a",
    "same.txt": b"aaaaaaaaaa",
    "binary.txt": b"abc\x00def" * 20,
    "utf16.txt": "hello world".encode("utf-16"),
    "cut.txt.gz": gzip.compress(b"hello world")[:-9],
    "broken.txt": b"line one\nline two \xff\n",
    "old.txt": "L'été, les élèves reçoivent des fenêtres claires à l'âge du garçon.\n".encode("latin-1"),
    "unknown.yaml": b"hiden: 3\n",
    "nested.yaml": b"model:\n  hidden: 3\n",
    "broken.yaml": b"hidden: [1\n",
    "value.yaml": b"hidden: many\n",
    "two.yaml": b"steps: 3\nepochs: 4\n",
}


@pytest.fixture
def folder(tmp_path, trained):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "good.txt").write_text("some text " * 30)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "image.png").write_bytes(b"\x89PNG\x00\xff")
    model = (trained / "checkpoints" / "verses" / "best.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(model)
    (tmp_path / "corrupt.safetensors").write_bytes(corrupt(model))
    (tmp_path / "cut.safetensors").write_bytes(model[:1000])
    (tmp_path / "text.safetensors").write_bytes(b"this is no model")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "code", "part"),
    [
        ("train empty.txt", 65, "the text is empty"),
        ("train one.txt", 65, "repeats one symbol"),
        ("train same.txt", 65, "repeats one symbol"),
        ("train binary.txt", 65, "binary file"),
        ("train utf16.txt --unit byte --newlines lf", 2, "--newlines lf needs characters"),
        ("train cut.txt.gz", 65, "cannot decompress"),
        ("train broken.txt", 65, "broken.txt, line 2: byte 0xff at offset 18"),
        (
            "train old.txt",
            65,
            "old.txt, line 1: byte 0xe9 at offset 2 is not utf-8; invalid continuation byte; it looks",
        ),
        (
            "train old.txt --errors strict",
            65,
            "it looks like cp1252: give --encoding cp1252, or replace what cannot be decoded with --errors replace, or",
        ),
        ("evaluate model.safetensors old.txt", 65, "it looks like cp1252: give --encoding cp1252"),
        ("train missing.txt", 66, "missing.txt"),
        (f"train {'a' * 300}", 66, "file name too long"),
        ("train missing-*.txt", 66, "no file matches"),
        ("train nothing", 65, "no text in nothing"),
        ("train /dev/zero", 66, "neither a file nor a folder"),
        ("train", 2, "no text to train on"),
        ("train good.txt --encoding nonsense", 2, "nonsense"),
        ("train good.txt --no-such-flag", 2, "--no-such-flag"),
        ("train good.txt --config unknown.yaml", 2, "did you mean hidden?"),
        ("train good.txt --config nested.yaml", 2, "nested.yaml, line 2"),
        ("train good.txt --config broken.yaml", 2, "broken.yaml, line"),
        ("train good.txt --config value.yaml", 2, "hidden cannot be 'many'"),
        ("train good.txt --config two.yaml", 2, "cannot be used together"),
        ("train good.txt --config missing.yaml", 66, "missing.yaml"),
        ("train good.txt --steps 3 --time 5s", 2, "cannot be used together"),
        ("train good.txt --steps 0", 2, "--steps"),
        ("train good.txt --time soon", 2, "90s, 10m or 3h50m"),
        ("train good.txt --hidden -1", 2, "--hidden"),
        ("train good.txt --dropout 1", 2, "--dropout"),
        ("train good.txt --dropout nan", 2, "--dropout"),
        ("train good.txt --learning-rate inf", 2, "--learning-rate"),
        ("train good.txt --cell transformer", 2, "--cell"),
        ("train good.txt --unit phoneme", 2, "--unit"),
        ("train good.txt --device tpu", 2, "tpu"),
        ("train good.txt --validation-fraction 1.5", 2, "--validation-fraction"),
        ("train good.txt --name ../up", 2, "cannot be the name of a run"),
        ("train good.txt --init-from missing", 66, "missing"),
        ("sample missing", 66, "no model is called missing"),
        ("sample", 66, "no model in checkpoints"),
        ("sample corrupt.safetensors", 65, "corrupt.safetensors"),
        ("sample cut.safetensors", 65, "cut.safetensors"),
        ("sample text.safetensors", 65, "text.safetensors"),
        ("sample good.txt", 65, "good.txt"),
        ("sample model.safetensors --temp -1", 2, "--temp"),
        ("sample model.safetensors --temp nan", 2, "--temp"),
        ("sample model.safetensors --temp inf", 2, "--temp"),
        ("sample model.safetensors --top-p 1.5", 2, "--top-p"),
        ("sample model.safetensors --top-k 0", 2, "--top-k"),
        ("sample model.safetensors --length -1", 2, "--length"),
        ("sample model.safetensors --length 99999999999999999999", 2, "--length"),
        ("sample model.safetensors --seed -1", 2, "--seed"),
        ("sample model.safetensors --prompt a --prompt-file b", 2, "cannot be used together"),
        ("sample model.safetensors --prompt-file missing.txt", 66, "missing.txt"),
        ("sample model.safetensors --prompt \u00e9", 65, "U+00E9 at 0"),
        ("evaluate model.safetensors missing.txt", 66, "missing.txt"),
        ("evaluate model.safetensors empty.txt", 65, "nothing to score"),
        ("evaluate model.safetensors --window 0", 2, "--window"),
        ("train good.txt --distill-weight 0.3", 2, "--distill-weight has no effect here; give --distill-from, or"),
        ("train good.txt --shuffle-records", 2, "give --records, --record-separator, --target-after or --field"),
        ("train good.txt --exit-incomplete 9", 2, "--exit-incomplete has no effect here; give --max-time"),
        ("train good.txt --validation good.txt --validation-fraction 0.2", 2, "cannot be used together"),
        ("train good.txt -q -v", 2, "--quiet and --verbose cannot be used together"),
        ("train good.txt --unit byte --encoding cp1252", 2, "--encoding cp1252 needs characters"),
        ("train good.txt --unit byte --min-count 3", 2, "--min-count is for characters and words"),
        ("sample model.safetensors -p a --encoding cp1252", 2, "give --prompt-file, --prompts or --adapt-to, or"),
        ("evaluate model.safetensors good.txt --split train", 2, "--split and TEXT cannot be used together"),
        ("evaluate model.safetensors --field text", 2, "--field has no effect here; give TEXT, or leave it out"),
        ("evaluate model.safetensors model.safetensors --together --encoding cp1252", 2, "give TEXT, or leave it out"),
        ("evaluate model.safetensors --split none", 2, "'--split': 'none' is not one of 'train'"),
        ("fill model.safetensors a_ --most 3", 2, "--most has no effect here; give --gap-text, or leave it out"),
        ("info corrupt.safetensors", 65, "SHA-256"),
        ("nonsense", 2, "nonsense"),
    ],
)
def test_one_line_and_its_exit_code(charrnn, folder, line, code, part):
    before = sorted(folder.iterdir())
    done = charrnn(*line.split(), cwd=folder, stdin=b"")
    message = done.stderr.decode()
    assert done.returncode == code, message
    assert len(message.splitlines()) == 1, message
    assert message.startswith("charrnn: error: ")
    assert part in message
    assert done.stdout == b""
    assert sorted(folder.iterdir()) == before


def in_one_line(message, code, found):
    """Whether a command failed with this code and said one line."""
    assert found == code, message
    assert len(message.splitlines()) == 1, message
    assert message.startswith("charrnn: error: ")


@pytest.mark.parametrize("named", ["closed.txt", "closed", "closed/a.txt", "closed/*.txt"])
def test_a_text_that_may_not_be_read_is_a_missing_input(unreadable, named):
    done = unreadable[named]
    in_one_line(done.stderr, 66, done.code)
    assert "permission denied" in done.stderr or "no file matches" in done.stderr


@pytest.fixture(scope="session")
def unreadable(door):
    """What is named -> how training on it ended, for somebody who may not read it."""
    with tempfile.TemporaryDirectory() as place:
        folder, names = Path(place), ["closed.txt", "closed", "closed/a.txt", "closed/*.txt"]
        work = folder / "work"
        (work / "closed").mkdir(parents=True)
        for path in (work / "closed.txt", work / "closed" / "a.txt"):
            path.write_text("some text")
        folder.chmod(0o755), work.chmod(0o755)
        (work / "closed.txt").chmod(0), (work / "closed").chmod(0)
        found = door([(["train", name], {}) for name in names], folder, stranger=True)
        (work / "closed").chmod(0o755)
        return dict(zip(names, found, strict=True))


def test_a_checkpoints_folder_that_is_a_file_cannot_be_created(charrnn, folder):
    done = charrnn("train", "good.txt", "--steps", "1", "--checkpoints", "one.txt", cwd=folder)
    assert done.returncode == 73
    assert len(done.stderr.splitlines()) == 1


def test_a_bug_of_ours_is_one_line_and_a_traceback_in_a_file(charrnn, folder, tmp_path):
    """The program itself is broken here on purpose: a module that it imports raises."""
    import subprocess
    import sys
    from pathlib import Path

    script = (
        "import charrnn.cli.models, sys\n"
        "def broken(*a): raise RuntimeError('on purpose')\n"
        "charrnn.cli.models.open_model = broken\n"
        "from charrnn.cli.app import run\n"
        "sys.exit(run(['info', 'x']))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    log = Path(done.stderr.split("the traceback is in ")[1].split(";")[0])
    assert "on purpose" in log.read_text()
    log.unlink()


# Texts of every kind

TINY = ["--hidden", "2", "--embedding", "1", "--batch-size", "2", "--seq-length", "8", "--precision", "float32"]
LINES = b"plain text\n" * 9
WORDS = "caf\u00e9 cr\u00e8me\n" * 9
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd\ufe0f "
EVERY = "".join(map(chr, [*range(0x21, 0xD800), *range(0xE000, 0x20000)][:70_000]))  # more than 16 bits can number
NOISE = hashlib.shake_256(b"noise").digest(1 << 20)

# What a file holds, the flags, and the text that is learnt from it.
MARKS = "\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4\U000f0000a\ufdd4"  # that are none in a text without records
LEARNT = {
    "two characters": (b"ab", [], "ab"),
    "shorter than a window": (b"hello hi", ["--seq-length", "50"], "hello hi"),
    "shorter than all lanes": (LINES, ["--batch-size", "16"], LINES.decode()),
    "with a byte order mark": (b"\xef\xbb\xbf" + LINES, [], LINES.decode()),
    "returns and line feeds": (LINES.replace(b"\n", b"\r\n"), [], "plain text\r\n"),
    "lone returns": (LINES.replace(b"\n", b"\r"), [], "plain text\r"),
    "returns to line feeds": (LINES.replace(b"\n", b"\r\n") + b"\r", ["--newlines", "lf"], LINES.decode()),
    "utf-16 with its mark": (WORDS.encode("utf-16"), [], WORDS),
    "utf-16-be with its mark": (b"\xfe\xff" + WORDS.encode("utf-16-be"), [], WORDS),
    "utf-16-le by name": (WORDS.encode("utf-16-le"), ["--encoding", "utf-16-le"], WORDS),
    "latin-1 by name": (WORDS.encode("latin-1"), ["--encoding", "latin-1"], WORDS),
    "joined emoji": (FAMILY.encode() * 9, [], FAMILY),
    "combining marks": ("e\u0301\u0323o\u0308".encode() * 9, [], "e\u0301\u0323o\u0308"),
    "marks of records": (MARKS.encode() * 9, [], MARKS),
    "marks of labels, two ways": ("a\ufdd4b\ufdd4".encode() * 9, ["--bidirectional"], "ab\ufdd2\ufdd4"),
    "private and last": ("\ue000\ufffe\U0010ffff".encode() * 9, [], "\ue000\ufffe\U0010ffff"),
    "all different": (EVERY.encode(), ["--batch-size", "1", "--validation-fraction", "0.001"], EVERY),
    "noise as bytes": (NOISE, ["--unit", "byte"], bytes(range(256)).decode("latin-1")),
    "NUL as a byte": (b"ab\0" * 9, ["--unit", "byte"], bytes(range(256)).decode("latin-1")),
}

# What a file holds, the flags, and what is said against it.
REFUSED = {
    "only a byte order mark": (b"\xef\xbb\xbf", [], "the text is empty"),
    "one character": ("\u20ac".encode(), [], "repeats one symbol"),
    "one different character": ("\u20ac".encode() * 99, [], "repeats one symbol"),
    "NUL at the end": (LINES + b"\0", [], "NUL at character 99"),
    "utf-16-le unsaid": (LINES.decode().encode("utf-16-le"), [], "probably UTF-16 without"),
    "utf-16-be unsaid": (LINES.decode().encode("utf-16-be"), [], "probably UTF-16 without"),
    "utf-16 beyond ASCII unsaid": (WORDS.encode("utf-16-le"), [], "probably UTF-16 without"),
    "utf-16 cut": (WORDS.encode("utf-16")[:-1], [], "is not utf-16; truncated data"),
    "latin-1 unsaid": (WORDS.encode("latin-1"), [], "line 1: byte 0xe9 at offset 3"),
    "bad first byte": (b"\xff" + LINES, [], "line 1: byte 0xff at offset 0"),
    "bad byte between": (LINES + b"\xff" + LINES, [], "line 10: byte 0xff at offset 99"),
    "bad last byte": (LINES + b"\xff", [], "line 10: byte 0xff at offset 99"),
    "bad byte after a megabyte": (b"x\n" * 600_000 + b"\xff", [], "line 600001: byte 0xff at offset 1200000"),
    "cut in a character": (LINES + b"\xe2\x82", [], "line 10: byte 0xe2 at offset 99"),
    "longer than need be": (LINES + b"\xc0\xaf", [], "line 10: byte 0xc0 at offset 99"),
    "beyond the last character": (LINES + b"\xf4\x90\x80\x80", [], "line 10: byte 0xf4 at offset 99"),
    "a pair of surrogates": (LINES + b"\xed\xa0\xbd\xed\xb8\x80", [], "line 10: byte 0xed at offset 99"),
    "half a pair": (b"hello +2D0- hello", ["--encoding", "utf-7"], "half of a surrogate pair"),
    "noise as text": (NOISE, [], "line 1: byte 0xaa at offset 2"),
}

# What stands for a text and is none.
NO_TEXT = {
    "/dev/null": (66, "neither a file nor a folder"),
    "an empty folder": (65, "no text in an empty folder"),
    "a link to itself": (66, "too many levels of symbolic links"),
    "*.none": (66, "no file matches"),
    "-": (65, "the text is empty"),
}


@pytest.fixture(scope="session")
def ends(door, tmp_path_factory):
    """(the folder, what was learnt or refused -> how the command ended); standard input is empty."""
    folder = tmp_path_factory.mktemp("texts")
    work = folder / "work"
    (work / "an empty folder").mkdir(parents=True)
    (work / "a link to itself").symlink_to("a link to itself")
    lines = [(["train", name], {}) for name in NO_TEXT]
    for name, (content, flags, _) in (LEARNT | REFUSED).items():
        (work / name).write_bytes(content)
        lines.append((["train", name, *TINY, "--steps", "1", "-q", *flags, "--name", name], {}))
    return work, dict(zip([*NO_TEXT, *LEARNT, *REFUSED], door(lines, folder), strict=True))


@pytest.mark.parametrize("name", LEARNT)
def test_every_character_of_a_text_is_learnt(ends, name):
    work, found = ends
    assert (found[name].code, found[name].stdout, found[name].stderr) == (0, "", "")
    learnt = read_checkpoint(work / "checkpoints" / name / "step-00000001.safetensors")
    assert learnt.vocabulary.symbols == tuple(sorted(set(LEARNT[name][2])))


@pytest.mark.parametrize("name", [*REFUSED, *NO_TEXT])
def test_what_is_no_text_is_refused_in_one_line(ends, name):
    work, found = ends
    code, part = NO_TEXT.get(name) or (65, REFUSED[name][2])
    in_one_line(found[name].stderr, code, found[name].code)
    assert part in found[name].stderr
    assert found[name].stdout == ""
    assert sorted(path.name for path in (work / "checkpoints").iterdir()) == sorted(LEARNT)


# Texts that come, go and grow while they are read


LAUNCHER = """import os, sys
_, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss)"""


@pytest.mark.parametrize("flags", [[], ["--unit", "byte"]], ids=["characters", "bytes"])
def test_a_sparse_file_is_refused_in_little_memory(tmp_path, flags):
    """10 GB of nothing as characters; as bytes, of which NUL is one, all must be read: less of it."""
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(128 << 20 if flags else 10 << 30)
    line = [sys.executable, "-c", LAUNCHER, COMMAND, "train", "sparse", *flags]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True)
    code, peak = map(int, done.stdout.split())
    in_one_line(done.stderr, 65, code)
    assert ("repeats one symbol" if flags else "sparse is a binary file; NUL at character 0") in done.stderr
    assert peak * (1 if sys.platform == "darwin" else 1024) < 500e6


def test_zeros_without_end_on_standard_input_are_refused(tmp_path):
    with Path("/dev/zero").open("rb") as zeros:
        line = [COMMAND, "train", "-"]
        done = subprocess.run(line, cwd=tmp_path, stdin=zeros, capture_output=True, text=True, check=False, timeout=60)
    in_one_line(done.stderr, 65, done.returncode)
    assert "standard input is a binary file; NUL at character 0" in done.stderr


def written_to(fifo, content, before=lambda: None):
    """Write to a pipe with a name as soon as somebody reads it, after doing something."""
    os.mkfifo(fifo)

    def write():
        with fifo.open("wb") as pipe:
            before()
            pipe.write(content)

    threading.Thread(target=write, daemon=True).start()


def symbols_of(charrnn, run, folder):
    """How long the text was that a run learns."""
    found = json.loads(charrnn("info", run, "--json", cwd=folder).stdout)["corpus"]
    return found["train_symbols"] + found["validation_symbols"]


def test_a_pipe_with_a_name_is_learnt_to_its_end(charrnn, tmp_path):
    written_to(tmp_path / "fifo", LINES)
    done = charrnn("train", "fifo", *TINY, "--steps", "1", "-q", "--name", "piped", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert symbols_of(charrnn, "piped", tmp_path) == len(LINES)


def test_a_file_that_vanishes_before_its_turn_is_a_missing_input(charrnn, tmp_path):
    (tmp_path / "b.txt").write_bytes(LINES)
    written_to(tmp_path / "fifo", LINES, before=(tmp_path / "b.txt").unlink)
    done = charrnn("train", "fifo", "b.txt", cwd=tmp_path)
    in_one_line(done.stderr.decode(), 66, done.returncode)
    assert b"cannot read b.txt; no such file" in done.stderr


def test_a_file_that_grows_is_learnt_as_far_as_it_was_read(charrnn, tmp_path):
    path, done = tmp_path / "growing", threading.Event()
    path.write_bytes(LINES * 99)

    def grow():
        with path.open("ab", buffering=0) as file:
            while not done.wait(0.001):
                file.write(LINES)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        ended = charrnn("train", "growing", *TINY, "--steps", "1", "-q", "--name", "grown", cwd=tmp_path)
    finally:
        done.set()
        writer.join()
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert len(LINES) * 99 <= symbols_of(charrnn, "grown", tmp_path) <= path.stat().st_size
