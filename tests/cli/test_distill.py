"""`train --distill-from`: whole commands that learn from other models, stop, go on, and lose them."""

import shutil

import numpy as np
import pytest
import yaml

from charrnn.runs.checkpoint import read_checkpoint
from tests.conftest import TINY, VERSES

LINE = ["train", "verses.txt", *TINY, "--dropout", "0.2", "--learning-rate", "0.01", "--threads", "1", "-q"]
TAUGHT = [*LINE, "--distill-from", "one", "--distill-from", "two", "--steps", "24", "--name", "student"]


@pytest.fixture(scope="module")
def class_(charrnn, tmp_path_factory):
    """Two teachers; nobody may change them."""
    folder = tmp_path_factory.mktemp("class")
    (folder / "verses.txt").write_text(VERSES * 12)
    (folder / "other.txt").write_text("0123456789 abc\n" * 60)
    for name, seed in (("one", "1"), ("two", "2")):
        done = charrnn(*LINE, "--steps", "30", "--seed", seed, "--name", name, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def room(class_, tmp_path):
    shutil.copytree(class_, tmp_path / "room")
    return tmp_path / "room"


def whole(folder, name="student"):
    last = max((folder / "checkpoints" / name).glob("step-*"))
    checkpoint = read_checkpoint(last, training=True)
    return {**checkpoint.weights, **checkpoint.training}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_who_goes_on_needs_the_teachers_only_where_the_cache_is_gone(charrnn, room, tmp_path):
    cached = ["--cache", str(tmp_path / "cached")]
    assert charrnn(*TAUGHT, *cached, cwd=room).returncode == 0
    before = whole(room)
    (room / "checkpoints" / "one").rename(room / "checkpoints" / "moved")
    assert charrnn(*TAUGHT, *cached, "--resume", cwd=room).returncode == 0
    lost = charrnn(*TAUGHT, "--cache", str(tmp_path / "other"), "--resume", cwd=room)
    assert (lost.returncode, b"one" in lost.stderr) == (66, True)
    told = [word.replace("one", "moved") for word in TAUGHT]
    found = charrnn(*told, "--cache", str(tmp_path / "other"), "--resume", cwd=room)
    assert found.returncode == 0, found.stderr
    assert same(whole(room), before)
    changed = [word.replace("one", "two") for word in TAUGHT]
    refused = charrnn(*changed, "--cache", str(tmp_path / "third"), "--resume", cwd=room)
    assert (refused.returncode, b"has changed" in refused.stderr) == (65, True)


def test_who_is_taught_drops_less(charrnn, room):
    (room / "more.txt").write_text(VERSES * 24)  # too long to be memorised
    line = ["train", "more.txt", *TINY, "--epochs", "8", "--print-config"]
    alone, taught = (yaml.safe_load(charrnn(*line, *more, cwd=room).stdout) for more in ([], ["--distill-from", "one"]))
    assert taught["dropout"] < alone["dropout"]
    assert taught["distill_weight"] == 0.5
    assert len(taught["distill_from"]) == 1


def test_what_is_shared_names_its_teachers_without_saying_where_they_lie(charrnn, room, tmp_path):
    assert charrnn(*TAUGHT, "--cache", str(tmp_path / "cached"), cwd=room).returncode == 0
    best = room / "checkpoints" / "student" / "best.safetensors"
    assert b"room" not in best.read_bytes()
    assert read_checkpoint(best).config.distill_from == ["one", "two"]
    shown = charrnn("info", "student", cwd=room).stdout
    assert b"also from one, weight 0.5" in shown


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--distill-from", "nobody"], 66, b"no model is called nobody"),
        (["--distill-from", "verses.txt"], 65, b"verses.txt is a text; it is not a model"),
        (["--distill-from", "/dev/zero"], 65, b"not a regular file"),
        (["--distill-from", "foreign"], 2, b"its symbols are not those of the text"),
        (["--distill-from", "both"], 2, b"it reads both ways"),
        (["--distill-from", "one", "--distill-weight", "1"], 2, b"--distill-weight"),
    ],
)
def test_who_cannot_teach_is_refused_in_one_line(charrnn, room, more, code, says):
    foreign = ["train", "other.txt", *LINE[2:], "--steps", "2", "--name", "foreign"]
    assert charrnn(*foreign, cwd=room).returncode == 0
    assert charrnn(*LINE, "--steps", "2", "--name", "both", "--bidirectional", cwd=room).returncode == 0
    done = charrnn(*LINE, "--steps", "4", "--name", "student", *more, cwd=room)
    assert (done.returncode, says in done.stderr, done.stderr.count(b"\n")) == (code, True, 1), done.stderr
    assert not (room / "checkpoints" / "student").exists()
