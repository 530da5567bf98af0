"""~ at the beginning of a place is a home, wherever the place stands; without one nothing is made that is called ~."""

import json
import os

import pytest

from charrnn.cli.options import at_home, cache_folder

TINY = ["--hidden", "4", "--embedding", "2", "--batch-size", "2", "--seq-length", "8", "--precision", "float32", "-q"]


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "text.txt").write_text("the quick brown fox\n" * 40)
    (tmp_path / "work").mkdir()
    return tmp_path


def test_a_home_is_written_out_in_flags_variables_and_files(door, home):
    (home / "work" / "settings.yaml").write_text("corpus: [~/text.txt]\nvalidation: ~/text.txt\ncheckpoints: ~/filed\n")
    steps = ["--steps", "1", "--name", "r", *TINY]
    lines = [
        (["train", "~/text.txt", "--checkpoints=~/flagged", "--cache=~/cached", *steps], {}),
        (["train", "~/text.txt", *steps], {"CHARRNN_CHECKPOINTS": "~/told"}),
        (["train", "--config", "settings.yaml", *steps], {}),
        (["info", "~/told/r", "--json"], {}),
        (["evaluate", "r", "--checkpoints=~/told", "--json", "--", "~/text.txt"], {}),
        (["sample", "~/told/r", "--prompt-file=~/text.txt", "-n", "1", "--seed", "1"], {}),
    ]
    for done in door(lines, home):
        assert done.code == 0, (done.arguments, done.stderr)
    for name in ("flagged", "told", "filed"):
        assert (home / "home" / name / "r" / "best.safetensors").is_file()
    assert not (home / "work" / "~").exists()


@pytest.mark.parametrize("value", ["plain", "a/~/b", "./~", "~nobody-of-this-name/x", 3, None, ["x", "a~"]])
def test_everything_else_stays_as_it_is(value):
    assert at_home(value) == value


def test_without_a_home_large_texts_stay_in_memory(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert cache_folder(None) is None


def test_a_cache_that_cannot_be_written_is_refused_with_the_flag_that_names_another(door, home):
    (home / "work" / "file").write_text("")
    large = "CHARRNN_CACHE"
    (home / "work" / "large.txt").write_text("abcdefgh" * (4 << 20) + "x" * 9)
    lines = [(["train", "large.txt", "--steps", "1", *TINY], {large: "file/below"})]
    (done,) = door(lines, home)
    assert done.code in (73, 74)
    assert "--cache" in done.stderr
    assert json.dumps(done.stderr).count("\\n") == 1
