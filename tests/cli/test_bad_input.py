"""Every bad input gets one clear line and its exit code, and leaves nothing behind."""

import gzip
import os

import pytest


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
        ("train empty.txt", 65, "the corpus is empty"),
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
        ("train old.txt --errors strict", 65, "it looks like cp1252: pass --encoding cp1252, or --errors replace, or"),
        ("evaluate model.safetensors old.txt", 65, "it looks like cp1252: pass --encoding cp1252"),
        ("train missing.txt", 66, "missing.txt"),
        (f"train {'a' * 300}", 66, "file name too long"),
        ("train missing-*.txt", 66, "no file matches"),
        ("train nothing", 65, "no text in nothing"),
        ("train /dev/zero", 66, "neither a file nor a folder"),
        ("train", 2, "no CORPUS given"),
        ("train good.txt --encoding nonsense", 2, "nonsense"),
        ("train good.txt --no-such-flag", 2, "--no-such-flag"),
        ("train good.txt --config unknown.yaml", 2, "did you mean hidden?"),
        ("train good.txt --config nested.yaml", 2, "nested.yaml, line 2"),
        ("train good.txt --config broken.yaml", 2, "broken.yaml, line"),
        ("train good.txt --config value.yaml", 2, "hidden cannot be 'many'"),
        ("train good.txt --config two.yaml", 2, "exclude each other"),
        ("train good.txt --config missing.yaml", 66, "missing.yaml"),
        ("train good.txt --steps 3 --time 5s", 2, "exclude each other"),
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
        ("train good.txt --name ../up", 2, "cannot name a run"),
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
        ("sample model.safetensors --prompt a --prompt-file b", 2, "exclude each other"),
        ("sample model.safetensors --prompt-file missing.txt", 66, "missing.txt"),
        ("sample model.safetensors --prompt \u00e9", 65, "U+00E9 at 0"),
        ("evaluate model.safetensors missing.txt", 66, "missing.txt"),
        ("evaluate model.safetensors empty.txt", 65, "nothing to score"),
        ("evaluate model.safetensors --window 0", 2, "--window"),
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


def test_an_unreadable_corpus_is_named(charrnn, folder):
    path = folder / "good.txt"
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads everything")
    done = charrnn("train", path, cwd=folder)
    assert done.returncode == 66
    assert b"permission denied" in done.stderr


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
