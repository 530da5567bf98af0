"""Names, owners and checkpoints of a run: nothing is overwritten, and what is damaged is passed over aloud."""

import errno
import fcntl
import os
import resource
import socket
import string
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from charrnn.config import RunConfig
from charrnn.config_file import CONFIG
from charrnn.errors import (
    BusyError,
    CharrnnError,
    DataError,
    MissingInputError,
    OutputError,
    SettingsError,
    StorageError,
)
from charrnn.learning.learner import Learner
from charrnn.runs.checkpoint import Checkpoint, read_checkpoint
from charrnn.runs.folder import BEST, Run, claimed, find_model, run_folder
from charrnn.runs.progress import CorpusFacts, Progress
from charrnn.text.vocabulary import Vocabulary

OWNER = (
    "import sys, time; from pathlib import Path; from charrnn.runs.folder import Run\n"
    "with Run(Path(sys.argv[1])).owned(print):\n"
    "    sys.stdout.write('owned\\n'), sys.stdout.flush(), time.sleep(60)"
)


@cache
def learnt():
    values = {
        "layers": 1, "hidden": 4, "embedding": 3, "dropout": 0.0, "corpus": ["poem.txt"], "validation_fraction": 0.1,
        "batch_size": 2, "seq_length": 3, "steps": 10, "learning_rate": 0.01, "warmup": 0, "eval_every": 5,
        "save_every": "5m", "sample_every": 5, "device": "cpu", "precision": "float32", "threads": 1,
        "weight_drop": 0.0, "dropout_start": 1.0,
    }  # fmt: skip
    learner = Learner(RunConfig(**values), 2)
    return Checkpoint(
        config=learner.config,
        vocabulary=Vocabulary.of("ab"),
        corpus=CorpusFacts(fingerprint="f" * 64, train_symbols=90, validation_symbols=10),
        progress=Progress(),
        weights=learner.average_weights(),
        training=learner.tensors(),
    )


def at_step(step):
    return replace(learnt(), progress=Progress(step=step))


def damage(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def saved(folder, *steps):
    """A run with resumable checkpoints of `steps`."""
    folder.mkdir(parents=True)
    run = Run(folder)
    for step in steps:
        run.save(at_step(step))
    return run


@pytest.fixture
def other_process(tmp_path):
    """Another process that owns the run `tmp_path / "run"`."""
    folder = tmp_path / "run"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", OWNER, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "owned\n"
        yield process
        process.kill()


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "a/b", "/root", "a\\b", ".hidden", "-x", "--resume", "a\0b", "a\nb", "a\tb", "\x1b[31m",
     "n" * 101, "\udcff", "é" * 99 + "日"],
    ids=ascii,
)  # fmt: skip
def test_a_name_that_is_not_one_plain_folder_name_is_refused(tmp_path, name):
    with pytest.raises(SettingsError) as caught:
        run_folder(tmp_path, name, stem="poem", resume=False)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "name",
    ["poem", "two words", "🙂", "été", "日本", "a.b_c-d+e", "a..b", "'quoted'", "n" * 100, "é" * 100, "Xanadu",
     string.ascii_uppercase + string.digits, string.ascii_letters[::-1]],
)  # fmt: skip
def test_a_plain_name_becomes_a_folder_of_exactly_that_name(tmp_path, name):
    run = claimed(run_folder(tmp_path / "checkpoints", name, stem="poem", resume=False), given=True)
    assert run.path.is_dir()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [name]


def test_a_name_too_long_for_the_disk_is_refused_in_words(tmp_path):
    with pytest.raises(CharrnnError):
        claimed(run_folder(tmp_path, "🙂" * 100, stem="poem", resume=False), given=True)


@pytest.mark.parametrize(
    "stem",
    ["poem", "two words", "../../up", "..", "...", "-", "--help", "", "🙂", "日本", ".hidden", "a\nb", "a\0b",
     "n" * 250, "日" * 80],
    ids=lambda stem: ascii(stem[:16]),
)  # fmt: skip
def test_a_run_that_nobody_named_gets_a_plain_name_in_the_folder(tmp_path, stem):
    for _ in range(2):  # the second one is numbered
        run = claimed(run_folder(tmp_path, None, stem=stem, resume=False), given=False)
        assert run.path.parent == tmp_path
        assert run_folder(tmp_path, run.path.name, stem="", resume=True).path == run.path


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("poem", "poem"),
        ("a.b_c-d+e", "a.b_c-d+e"),
        ("two  words", "two-words"),
        ("-.été.-", "été"),
        ("?", "run"),
        ("XX", "XX"),
    ],
)
def test_a_run_that_nobody_named_is_called_after_its_text(tmp_path, stem, name):
    assert run_folder(tmp_path, None, stem=stem, resume=False).path == tmp_path / name


def test_a_taken_name_is_refused(tmp_path):
    (tmp_path / "poem").mkdir()
    with pytest.raises(OutputError, match="`resume=True`") as caught:
        run_folder(tmp_path, "poem", stem="x", resume=False)
    assert caught.value.exit_code == 73
    remedy = "choose another `name`, or continue it with `resume=True`"
    assert str(caught.value) == f"the run poem exists in {tmp_path}; {remedy}"
    with pytest.raises(OutputError, match="`resume=True`"):
        claimed(Run(tmp_path / "poem"), given=True)


def test_a_taken_name_can_be_resumed(tmp_path):
    (tmp_path / "poem").mkdir()
    assert run_folder(tmp_path, "poem", stem="x", resume=True).path == tmp_path / "poem"


def test_runs_that_nobody_named_are_numbered_and_overwrite_nothing(tmp_path):
    names = []
    for number in range(3):
        run = claimed(run_folder(tmp_path, None, stem="poem", resume=False), given=False)
        (run.path / "mine").write_text(str(number))
        names.append(run.path.name)
    assert names == ["poem", "poem-2", "poem-3"]
    assert [(tmp_path / name / "mine").read_text() for name in names] == ["0", "1", "2"]


def test_folders_above_a_new_run_are_made(tmp_path):
    assert claimed(Run(tmp_path / "all" / "my" / "poem"), given=True).path.is_dir()


@pytest.mark.parametrize("given", [True, False])
def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path, given):
    with pytest.raises(OutputError, match="file name too long") as caught:
        claimed(Run(tmp_path / ("n" * 300)), given=given)
    assert str(tmp_path / ("n" * 300)) in str(caught.value)


def test_numbering_ends_somewhere(tmp_path, monkeypatch):
    tried, mkdir = [], Path.mkdir

    def taken(path, **options):
        if options:
            return mkdir(path, **options)
        tried.append(path.name)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(Path, "mkdir", taken)
    with pytest.raises(OutputError, match="choose another `name`"):
        claimed(Run(tmp_path / "poem"), given=False)
    assert tried == ["poem", *(f"poem-{number}" for number in range(2, 10_001))]


@pytest.mark.parametrize("given", [True, False])
def test_a_file_in_place_of_the_checkpoints_folder_is_not_called_a_taken_name(tmp_path, given):
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(OutputError) as caught:
        claimed(Run(tmp_path / "checkpoints" / "poem"), given=given)
    assert f"cannot create {tmp_path / 'checkpoints'};" in str(caught.value)
    assert "`resume=True`" not in str(caught.value)
    assert "--name" not in str(caught.value)


def test_only_the_newest_two_checkpoints_and_the_best_are_kept(tmp_path):
    run = saved(tmp_path / "run", 1)
    run.save_best(replace(at_step(1), training=None))
    for step in (2, 3, 4):
        run.save(at_step(step))
    names = sorted(path.name for path in run.path.iterdir())
    assert names == [BEST, "step-00000003.safetensors", "step-00000004.safetensors"]
    assert read_checkpoint(run.path / BEST).progress.step == 1


def test_a_run_keeps_its_files_under_the_names_that_users_are_told(tmp_path):
    run = Run(tmp_path)
    assert run.save(at_step(7)) == tmp_path / "step-00000007.safetensors"
    assert run.save_best(at_step(7)) == tmp_path / "best.safetensors"
    with run.owned(print):
        assert {path.name for path in tmp_path.iterdir()} == {"step-00000007.safetensors", "best.safetensors", ".lock"}
    assert CONFIG == "config.yaml"


@pytest.mark.parametrize("keep", [1, 2, 3, 9])
def test_as_many_checkpoints_are_kept_as_were_asked_for(tmp_path, keep):
    run = saved(tmp_path / "run")
    for step in range(1, 6):
        run.save(at_step(step), keep)
    assert [step for step, _ in run.steps()] == [5, 4, 3, 2, 1][:keep]


def test_an_old_checkpoint_that_cannot_be_dropped_does_not_fail_the_save(tmp_path):
    run = saved(tmp_path / "run", 1, 2)
    old = run.path / "step-00000001.safetensors"
    old.unlink()
    old.mkdir()  # a folder cannot be unlinked
    assert run.save(at_step(3)).exists()
    assert [step for step, _ in run.steps()] == [3, 2, 1]


def test_checkpoints_are_ordered_by_number_beyond_eight_digits(tmp_path):
    run = saved(tmp_path / "run", 99_999_999, 100_000_000)
    assert [step for step, _ in run.steps()] == [100_000_000, 99_999_999]
    assert run.newest_good(pytest.fail).progress.step == 100_000_000


def test_files_that_the_program_did_not_name_are_never_dropped(tmp_path):
    run = saved(tmp_path / "run")
    names = ["step-1.safetensors", "step-00000001-copy.safetensors", "step-00000001.safetensors.bak", "notes.txt"]
    for name in names:
        (run.path / name).write_text("mine")
    for step in range(5, 9):
        run.save(at_step(step))
    assert [(run.path / name).read_text() for name in names] == ["mine"] * 4


def test_a_checkpoint_just_saved_is_kept_behind_damaged_newer_ones(tmp_path):
    run = saved(tmp_path / "run", 8, 9)
    for _, path in run.steps():
        damage(path)
    path = run.save(at_step(5))  # restored from elsewhere, and trained on
    assert path.exists()
    assert run.newest_good(lambda text: None).progress.step == 5


def test_the_newest_checkpoint_is_taken(tmp_path):
    found = saved(tmp_path / "run", 1, 2).newest_good(pytest.fail)
    assert found.progress.step == 2
    assert found.training.keys() == learnt().training.keys()
    for name, array in learnt().training.items():
        np.testing.assert_array_equal(found.training[name], array)


def test_a_run_without_checkpoints_has_no_newest_one(tmp_path):
    assert saved(tmp_path / "run").newest_good(pytest.fail) is None


def test_a_damaged_newest_checkpoint_is_passed_over_by_name(tmp_path):
    run, said = saved(tmp_path / "run", 1, 2), []
    damage(run.path / "step-00000002.safetensors")
    assert run.newest_good(said.append).progress.step == 1
    assert len(said) == 1
    assert said[0].startswith("skipped a checkpoint: cannot use the checkpoint ")
    assert "step-00000002.safetensors" in said[0]


def test_a_newest_checkpoint_that_cannot_be_read_is_passed_over_by_name(tmp_path):
    run, said = saved(tmp_path / "run", 1), []
    (run.path / "step-00000002.safetensors").symlink_to(tmp_path / "gone")
    assert run.newest_good(said.append).progress.step == 1
    assert "step-00000002.safetensors" in said[0]


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(tmp_path):
    run, said = saved(tmp_path / "run", 1, 2), []
    for _, path in run.steps():
        damage(path)
    with pytest.raises(DataError) as caught:
        run.newest_good(said.append)
    assert caught.value.exit_code == 65
    assert str(run.path) in str(caught.value)
    assert len(said) == 2


@pytest.fixture
def two_runs(tmp_path):
    """`old`, with a best model, and the newer `new`, with none."""
    for name, age in (("old", 100), ("new", 50)):
        run = saved(tmp_path / name, 1, 2)
        if name == "old":
            run.save_best(replace(at_step(1), training=None))
        for path in run.path.iterdir():
            os.utime(path, (10**9 - age, 10**9 - age))
    return tmp_path


def test_a_model_is_found_by_file_folder_and_name(two_runs):
    best, newest = two_runs / "old" / BEST, two_runs / "new" / "step-00000002.safetensors"
    older = two_runs / "new" / "step-00000001.safetensors"
    assert find_model(str(older), two_runs) == older
    assert find_model(str(two_runs / "old"), two_runs) == best
    assert find_model("old", two_runs) == best
    assert find_model("new", two_runs) == newest


def test_without_a_name_the_newest_run_is_meant(two_runs):
    assert find_model(None, two_runs) == two_runs / "new" / "step-00000002.safetensors"
    os.utime(two_runs / "old" / "step-00000002.safetensors", (10**9, 10**9))
    assert find_model(None, two_runs) == two_runs / "old" / BEST


def test_a_file_that_a_system_hides_is_no_model(two_runs):
    (two_runs / "third").mkdir()
    (two_runs / "third" / "._best.safetensors").write_bytes(b"")  # as some systems leave beside each file they copy
    assert find_model(None, two_runs) == two_runs / "new" / "step-00000002.safetensors"


def test_a_model_that_somebody_put_into_a_folder_under_a_name_of_its_own_is_found(tmp_path):
    shared = tmp_path / "gift" / "sonnets.safetensors"
    shared.parent.mkdir()
    shared.write_bytes(b"")
    assert find_model(None, tmp_path) == shared


def test_a_place_with_a_checkpoint_goes_before_a_run_of_the_same_name(two_runs, tmp_path_factory, monkeypatch):
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    saved(here / "old", 7)
    assert find_model("old", two_runs) == Path("old") / "step-00000007.safetensors"
    (here / "new").write_bytes((here / "old" / "step-00000007.safetensors").read_bytes())
    assert find_model("new", two_runs) == Path("new")


@pytest.mark.parametrize(
    "lay",
    [
        lambda place: place.mkdir(),
        lambda place: (place.mkdir(), (place / "a.txt").write_text("a")),
        lambda place: place.write_text("Dear diary"),
        lambda place: place.touch(),
        lambda place: place.symlink_to("nowhere"),
        os.mkfifo,
    ],
    ids=["an empty folder", "a folder", "a file", "an empty file", "a link to nothing", "a pipe"],
)
def test_what_holds_no_checkpoint_does_not_hide_the_run_of_its_name(two_runs, tmp_path_factory, monkeypatch, lay):
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    lay(here / "old")
    assert find_model("old", two_runs) == two_runs / "old" / BEST
    lay(here / "nobody")
    if not (here / "nobody").is_dir():
        assert find_model("nobody", two_runs) == Path("nobody")  # reading it will say what is wrong
        return
    with pytest.raises(MissingInputError, match="no checkpoint in nobody"):
        find_model("nobody", two_runs)


def test_a_checkpoint_that_vanishes_meanwhile_does_not_hide_the_others(two_runs):
    (two_runs / "third").mkdir()
    (two_runs / "third" / "step-00000009.safetensors").symlink_to(two_runs / "gone")  # listed, but not there any more
    assert find_model(None, two_runs) == two_runs / "new" / "step-00000002.safetensors"
    for path in two_runs.glob("*/*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    assert find_model(None, two_runs).parent.name in ("old", "new")


@pytest.mark.parametrize("argument", [None, "nobody", "empty", "n" * 300, "a/b/c"], ids=lambda value: str(value)[:6])
def test_a_model_that_is_missing_is_refused(tmp_path, argument):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError) as caught:
        find_model(argument, tmp_path)
    assert caught.value.exit_code == 66
    assert str(tmp_path) in str(caught.value)
    assert argument is None or argument in str(caught.value)


def test_a_name_that_leads_nowhere_is_answered_with_what_can_be_named(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        find_model("nobody", tmp_path)
    remedy = f"name a .safetensors file, a run's folder, or a run in {tmp_path}"
    assert str(caught.value) == f"no model is called nobody; {remedy}"


def test_a_second_owner_is_told_who_the_first_one_is(tmp_path, other_process):
    who = rf"process {other_process.pid} on {socket.gethostname()} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d; wait"
    with pytest.raises(BusyError, match=who) as caught, Run(tmp_path / "run").owned(print):
        pytest.fail("two owners")
    assert caught.value.exit_code == 75
    assert str(tmp_path / "run") in str(caught.value)


@pytest.mark.parametrize(
    "left",
    [b"", b"\xff", b"1234", b"[]", b"null", b"{", b'{"pid": 1}', b"[" * 100_000],
    ids=lambda left: ascii(left[:10]),
)
def test_a_second_owner_is_refused_in_words_whatever_the_lock_says(tmp_path, left):
    with (tmp_path / ".lock").open("wb") as lock:
        lock.write(left)
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="; its owner is unknown; wait"), Run(tmp_path).owned(print):
            pytest.fail("two owners")
    assert (tmp_path / ".lock").read_bytes() == left


def test_a_new_owner_replaces_what_the_one_before_left_in_the_lock(tmp_path):
    (tmp_path / ".lock").write_text("x" * 1000)
    with Run(tmp_path).owned(print), pytest.raises(BusyError, match=f"process {os.getpid()} on "):
        Run(tmp_path).owned(print).__enter__()


@contextmanager
def full_disk():
    """While it lasts this process cannot make any file longer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_run_that_cannot_be_owned_because_the_disk_is_full_is_an_error_in_words(tmp_path):
    with full_disk(), pytest.raises(StorageError) as caught, Run(tmp_path).owned(print):
        pytest.fail("owned without a word of it on disk")
    assert caught.value.exit_code == 74
    assert str(tmp_path) in str(caught.value)


def test_a_lock_that_is_a_link_does_not_touch_what_it_leads_to(tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "diary.txt")
    with pytest.raises(OutputError), Run(tmp_path / "run").owned(print):
        pytest.fail("owned through a link")
    assert (tmp_path / "diary.txt").read_text() == "mine"


def test_a_killed_owner_leaves_the_run_free(tmp_path, other_process):
    other_process.kill()
    assert other_process.wait() == -9
    with Run(tmp_path / "run").owned(print), pytest.raises(BusyError, match=f"process {os.getpid()} on "):
        Run(tmp_path / "run").owned(print).__enter__()


def test_a_run_can_be_owned_again_after_its_owner_failed(tmp_path):
    run = Run(tmp_path)
    with pytest.raises(ZeroDivisionError), run.owned(print):
        _ = 1 / 0
    with run.owned(print):
        pass


def test_the_owner_removes_what_a_killed_writer_left_and_nothing_else(tmp_path):
    run = saved(tmp_path / "run", 1)
    left = run.path / ".step-00000002.safetensors.999.part"
    kept = run.path / "essay.part"
    left.write_bytes(b"half"), kept.write_bytes(b"mine")
    with run.owned(print):
        assert not left.exists()
        assert kept.exists()
        assert [step for step, _ in run.steps()] == [1]


def test_a_folder_that_is_not_there_cannot_be_owned(tmp_path):
    with pytest.raises(OutputError), Run(tmp_path / "absent").owned(print):
        pytest.fail("owned nothing")


def test_nothing_is_removed_from_a_run_that_another_process_owns(tmp_path, other_process):
    left = tmp_path / "run" / ".best.safetensors.999.part"
    left.write_bytes(b"being written")
    with pytest.raises(BusyError), Run(tmp_path / "run").owned(print):
        pytest.fail("two owners")
    assert left.exists()


def test_a_checkpoint_under_another_step_s_name_is_passed_over(tmp_path):
    run = saved(tmp_path / "run", 3)
    (run.path / "step-00000003.safetensors").rename(run.path / "step-00000009.safetensors")
    run.save(at_step(2))
    warnings = []
    assert run.newest_good(warnings.append).progress.step == 2
    assert "step-00000009.safetensors is really of step 3" in warnings[0]


def test_a_trainer_that_was_second_to_claim_a_run_to_resume_goes_to_its_lock(tmp_path):
    (tmp_path / "run").mkdir()
    assert claimed(Run(tmp_path / "run"), given=True, resume=True).path == tmp_path / "run"
    with pytest.raises(OutputError):
        claimed(Run(tmp_path / "run"), given=True)


def test_a_checkpoints_folder_that_cannot_be_listed_is_an_error_in_words(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "glob", refused)
    with pytest.raises(MissingInputError, match="permission denied"):
        find_model(None, tmp_path)
