"""A name that one command prints works in the next, whatever lies beside it."""

import shutil

import pytest

from tests.conftest import TINY


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_run_is_found_by_its_name_beside_the_text_that_gave_it(door, trained, tmp_path, kind):
    work = tmp_path / "work"
    shutil.copytree(trained, work)
    text = work / "verses"
    if kind == "folder":
        text.mkdir()
        shutil.move(work / "verses.txt", text / "a.txt")
    else:
        shutil.move(work / "verses.txt", text)
    lines = [
        ["sample", "verses", "-n", "5", "--seed", "1"],
        ["predict", "verses", "-p", "Shall"],
        ["evaluate", "verses", str(text / "a.txt") if kind == "folder" else "verses"],
        ["evaluate", "verses", "verses", "--", str(text / "a.txt") if kind == "folder" else "verses"],
        ["info", "verses"],
        ["plot", "verses", "--json"],
        ["report", "verses", "-o", "page.html"],
        ["train", "verses", "--init-from", "verses", "--name", "next", *TINY[4:], "--steps", "1"],
    ]
    found = door([(line, {}) for line in lines], tmp_path)
    assert [(done.arguments, done.stderr) for done in found if done.code] == []
