"""A model knows its text by name and fingerprint; where that lies is its run's business, or said."""

import json
import shutil

import pytest

from charrnn.runs.checkpoint import read_checkpoint
from tests.conftest import TINY, VERSES

STEPS = [*TINY, "--steps", "4", "-q"]
OTHER = "When forty winters shall besiege thy brow,\nAnd dig deep trenches in thy beauty's field\n" * 9


@pytest.fixture(scope="module")
def kept(charrnn, tmp_path_factory):
    """A finished run of three texts in a folder of its own; nobody may change it."""
    folder = tmp_path_factory.mktemp("own") / "secret"
    folder.mkdir()
    for name, text in [("train.txt", VERSES * 12), ("valid.txt", OTHER), ("test.txt", OTHER.upper())]:
        (folder / name).write_text(text)
    line = ["train", "train.txt", "--validation", "valid.txt", "--test", "test.txt", "--name", "job", *STEPS]
    assert charrnn(*line, cwd=folder).returncode == 0
    return folder


@pytest.fixture
def moved(kept, tmp_path):
    """The run somewhere else, its texts in `texts/` under other names; where they were there is nothing."""
    shutil.copytree(kept / "checkpoints", tmp_path / "checkpoints")
    (tmp_path / "texts").mkdir()
    for name in ("train", "valid", "test"):
        shutil.copy(kept / f"{name}.txt", tmp_path / "texts" / f"{name}-2.txt")
    run = tmp_path / "checkpoints" / "job"
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("secret", "gone"))
    return tmp_path


def bits(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["bits_per_char"]


def test_what_is_shared_says_nothing_of_where_its_author_lives(kept):
    run = kept / "checkpoints" / "job"
    assert b"secret" not in (run / "best.safetensors").read_bytes()
    shared = read_checkpoint(run / "best.safetensors")
    assert (shared.config.corpus, shared.config.validation, shared.config.test) == (
        ["train.txt"],
        "valid.txt",
        "test.txt",
    )
    assert not shared.wish
    for resumable in run.glob("step-*"):
        assert read_checkpoint(resumable).config.corpus == [str(kept / "train.txt")]


def test_its_folder_knows_where_the_text_is(charrnn, kept, tmp_path):
    """From any folder; and without its folder the name is looked for in the working folder and in its corpora/."""
    best = kept / "checkpoints" / "job" / "best.safetensors"
    expected = bits(charrnn("evaluate", best, "--json", cwd=tmp_path))
    shutil.copy(best, tmp_path / "given.safetensors")
    refused = charrnn("evaluate", "given.safetensors", cwd=tmp_path)
    assert refused.returncode == 66
    assert b"cannot find the text that the model was trained on, train.txt, valid.txt, test.txt" in refused.stderr
    assert b"--corpus" in refused.stderr
    (tmp_path / "corpora").mkdir()
    for name in ("train.txt", "valid.txt", "test.txt"):
        shutil.copy(kept / name, tmp_path / "corpora")
    (tmp_path / "train.txt").write_text("another text of that name\n" * 99)
    assert bits(charrnn("evaluate", "given.safetensors", "--json", cwd=tmp_path)) == expected


def test_every_command_that_needs_it_can_be_told_where_it_is(charrnn, kept, moved):
    told = [word for name in ("train", "valid", "test") for word in ("--corpus", f"texts/{name}-2.txt")]
    for split in ("train", "validation", "test"):
        asked = ["evaluate", "job", "--split", split, "--json"]
        assert charrnn(*asked, cwd=moved).returncode == 66
        assert bits(charrnn(*asked, *told, cwd=moved)) == bits(charrnn(*asked, cwd=kept))
    novel = charrnn("sample", "job", "--novel", "9", "-n", "20", "--seed", "1", cwd=moved)
    assert novel.returncode == 66
    assert b"--corpus" in novel.stderr
    assert charrnn("sample", "job", "--novel", "9", "-n", "20", "--seed", "1", *told, cwd=moved).returncode == 0
    assert b"was not found" in charrnn("report", "job", "-o", "-", cwd=moved).stderr
    page = charrnn("report", "job", "-o", "-", *told, cwd=moved)
    assert (page.returncode, page.stderr) == (0, b"")
    assert b"secret" not in page.stdout
    assert b"gone" not in page.stdout


def test_a_text_that_is_another_one_is_refused_wherever_it_is_said_to_be(charrnn, moved):
    done = charrnn("evaluate", "job", "--corpus", "texts/valid-2.txt", cwd=moved)
    assert done.returncode in (65, 66)
    assert charrnn("evaluate", "job", "--corpus", "nothing.txt", cwd=moved).returncode == 66


@pytest.mark.parametrize("spelling", ["{}", "./{}", "{folder}/../secret/{}"])
def test_a_run_goes_on_with_its_texts_by_any_spelling(charrnn, kept, tmp_path, spelling):
    shutil.copytree(kept, tmp_path / "secret")
    folder = tmp_path / "secret"
    train, valid, test = (spelling.format(f"{name}.txt", folder=folder) for name in ("train", "valid", "test"))
    line = ["train", train, "--validation", valid, "--test", test, "--name", "job", *STEPS, "--resume"]
    done = charrnn(*line, cwd=folder)
    assert done.returncode == 0, done.stderr
    less = charrnn("train", train, "--name", "job", *STEPS, "--resume", cwd=folder)
    assert less.returncode == 0, less.stderr


def test_a_moved_run_goes_on_where_its_texts_are_now_and_its_folder_then_knows(charrnn, kept, moved):
    """The same scores afterwards, without being told again."""
    names = [f"texts/{name}-2.txt" for name in ("train", "valid", "test")]
    train, valid, test = names
    for path in (moved / "checkpoints" / "job").glob("step-*"):  # of a machine that had them elsewhere
        assert read_checkpoint(path).config.validation == str(kept / "valid.txt")
    line = ["train", train, "--validation", valid, "--test", test, "--name", "job", *STEPS, "--resume"]
    done = charrnn(*line, cwd=moved)
    assert done.returncode == 0, done.stderr
    assert str(moved / train) in (moved / "checkpoints" / "job" / "config.yaml").read_text()
    assert bits(charrnn("evaluate", "job", "--json", cwd=moved)) == bits(charrnn("evaluate", "job", "--json", cwd=kept))


def test_another_text_or_one_more_is_no_move(charrnn, kept, tmp_path):
    shutil.copytree(kept, tmp_path / "secret")
    folder = tmp_path / "secret"
    line = ["train", "train.txt", "--name", "job", *STEPS, "--resume"]
    other = charrnn(*line, "--validation", "test.txt", cwd=folder)
    assert (other.returncode, b"the text has changed" in other.stderr) == (65, True)
    first = charrnn("train", "train.txt", "--name", "plain", *STEPS, cwd=folder)
    assert first.returncode == 0
    more = charrnn("train", "train.txt", "--name", "plain", *STEPS, "--resume", "--test", "test.txt", cwd=folder)
    assert (more.returncode, b"not what this run was started with" in more.stderr) == (2, True)
