"""Folders are walked without what runs wrote, and what is passed over is said."""

import pytest

from charrnn.errors import MissingInputError, SettingsError
from charrnn.text.places import check_selection, places

TINY = ["--hidden", "4", "--embedding", "2", "--batch-size", "2", "--seq-length", "8", "--precision", "float32"]


@pytest.fixture
def folder(tmp_path):
    """Two texts, and beside them the folders of runs that were called what they like."""
    for name in ("a.txt", "sub/b.txt", "checkpoints/new/note.txt", "mine/job/metrics.jsonl", "begun/metrics.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    for name in ("mine/job/config.yaml", "begun/config.yaml"):
        (tmp_path / name).write_text("seed: 0\n")
    (tmp_path / "mine" / "job" / "best.safetensors").write_bytes(b"")
    return tmp_path


def read(argument, folder, **how):
    notices = []
    found = [name.removeprefix(f"{folder}/") for name in places(str(argument), None, **how, notices=notices)]
    return found, notices


def test_what_runs_wrote_is_passed_over_and_said(folder):
    found, notices = read(folder, folder)
    assert found == ["a.txt", "sub/b.txt"]
    (told,) = notices
    assert told.startswith("passed over 3 folders that runs wrote: ")
    assert all(name in told for name in ("checkpoints", "begun", "job"))


def test_a_pattern_passes_over_them_too_but_not_what_it_names(folder):
    assert read(folder / "**" / "*.*", folder)[0] == ["a.txt", "sub/b.txt"]
    named = folder / "mine" / "job" / "*.jsonl"
    assert read(named, folder) == (["mine/job/metrics.jsonl"], [])
    with pytest.raises(MissingInputError, match="what runs wrote is not read"):
        read(folder / "b*" / "*.jsonl", folder)


def test_a_folder_of_a_run_that_is_named_is_read(folder):
    assert "begun/metrics.jsonl" in read(folder / "begun", folder)[0]


def test_links_to_folders_are_not_followed_and_said(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "c.txt").write_text("c")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "link.txt").symlink_to(elsewhere / "c.txt")
    (folder / "loop").symlink_to(folder)
    found, notices = read(folder, folder)
    assert found == ["a.txt", "link.txt", "sub/b.txt"]
    assert any("2 folders behind links" in told and "loop" in told for told in notices)
    assert read(folder / "linked", folder)[0] == ["linked/c.txt"]


def test_other_folders_with_settings_are_no_runs(folder):
    (folder / "site").mkdir()
    (folder / "site" / "config.yaml").write_text("title: x\n")
    assert "site/config.yaml" in read(folder, folder)[0]


@pytest.mark.parametrize(
    ("named", "glob", "exclude", "refused"),
    [
        (["a.txt", "-"], "*.txt", [], "`glob` is for folders; none is named"),
        (["*.txt"], "*.txt", [], "`glob` is for folders; none is named"),
        (["a.txt", "sub"], "*.txt", [], None),
        (["a.txt"], None, ["*.md"], "`exclude` is for folders and patterns; none is named"),
        (["a.txt", "*.txt"], None, ["*.md"], None),
        (["a.txt", "sub"], None, ["*.md", "a*"], "a.txt is named, and `exclude` leaves it out"),
        (["sub/b.txt", "sub"], None, ["sub/*"], "sub/b.txt is named, and `exclude` leaves it out"),
        (["sub"], None, ["sub"], None),
    ],
)
def test_files_are_selected_only_where_there_is_something_to_select_from(
    folder, monkeypatch, named, glob, exclude, refused
):
    monkeypatch.chdir(folder)
    if refused is None:
        check_selection(named, glob, exclude)
    else:
        with pytest.raises(SettingsError) as caught:
            check_selection(named, glob, exclude)
        assert str(caught.value).startswith(refused)


def test_what_a_text_is_left_out_by_is_asked_for_before_it_is_learnt(charrnn, folder):
    done = charrnn("train", "a.txt", "sub", "--exclude", "a*", *TINY, "--steps", "1", "--name", "n", cwd=folder)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"a.txt is named, and --exclude leaves it out" in done.stderr
    assert not (folder / "checkpoints" / "n").exists()


@pytest.mark.parametrize("where", [[], ["--checkpoints", "mine"], ["--checkpoints", ".", "--cache", "cached"]])
def test_a_run_on_the_folder_that_it_writes_to_goes_on(charrnn, tmp_path, where):
    """The same line again, also where runs have other places and the encoded text lies there, too."""
    (tmp_path / "a.txt").write_text("the quick brown fox\n" * 40)
    line = ["train", ".", "--name", "job", *TINY, "--steps", "4", *where]
    first = charrnn(*line, cwd=tmp_path)
    again = charrnn(*line, "--resume", cwd=tmp_path)
    other = charrnn("train", ".", "--name", "other", *TINY, "--steps", "4", *where, cwd=tmp_path)
    assert [first.returncode, again.returncode, other.returncode] == [0, 0, 0], again.stderr + other.stderr
    assert b"that runs wrote" in again.stderr + other.stderr
