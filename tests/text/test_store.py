import errno
import hashlib
import io
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import CharrnnError, DataError, StorageError
from charrnn.text.store import _brought_to, stored

IDS = bytes(range(251)) * 8  # no two pieces of it are equal
PIECES = [IDS[start : start + 100] for start in range(0, len(IDS), 100)]
few = settings(max_examples=60, deadline=None)


def broken_off(after: int, error: BaseException):
    yield from PIECES[:after]
    raise error


def ids(folder, pieces=lambda: iter(PIECES)) -> bytes:
    return bytes(stored(folder, "key", np.uint8, len(IDS), pieces))


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


WHOLE = ["key.ids", "key.lock", "key.sha256"]


class Counting(io.BytesIO):
    """A file in memory that counts what is written to it."""

    written = 0

    def write(self, content):
        self.written += len(content)
        return super().write(content)


@few
@given(there=st.binary(max_size=60), pieces=st.lists(st.binary(min_size=1, max_size=9), max_size=9))
def test_any_file_is_brought_to_any_content(there, pieces):
    file = Counting(there)
    assert _brought_to(file, pieces) == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert file.getvalue() == b"".join(pieces)


@few
@given(good=st.integers(0, len(IDS)), wrong=st.sets(st.integers(0, len(IDS) - 1), max_size=3))
def test_only_pieces_that_are_missing_or_wrong_are_written(good, wrong):
    there = bytearray(IDS[:good])
    for place in wrong:
        there[place : place + 1] = bytes([there[place] ^ 1]) if place < good else b""
    file = Counting(there)
    _brought_to(file, PIECES)
    expected = {number for number in range(len(PIECES)) if number * 100 + len(PIECES[number]) > good}
    expected |= {place // 100 for place in wrong if place < good}
    assert file.getvalue() == IDS
    assert file.written == sum(len(PIECES[number]) for number in expected)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), MemoryError()])
@pytest.mark.parametrize("after", range(0, len(PIECES) + 1, 5))
def test_an_interrupted_making_is_gone_on_with(tmp_path, after, error):
    with pytest.raises((type(error), StorageError)):
        ids(tmp_path, lambda: broken_off(after, error))
    assert names(tmp_path) == ["key.lock", "key.part"]
    part = tmp_path / "key.part"
    assert part.read_bytes() == b"".join(PIECES[:after])
    begun = part.stat().st_ino
    assert ids(tmp_path) == IDS
    assert names(tmp_path) == WHOLE
    assert (tmp_path / "key.ids").stat().st_ino == begun


def test_what_is_whole_is_not_made_again(tmp_path):
    ids(tmp_path)
    assert ids(tmp_path, lambda: broken_off(0, AssertionError("made again"))) == IDS


def test_many_interruptions_end_in_the_true_ids(tmp_path):
    for after in (7, 3, 12, 12, 0, 19):
        with pytest.raises(KeyboardInterrupt):
            ids(tmp_path, lambda after=after: broken_off(after, KeyboardInterrupt()))
    assert ids(tmp_path) == IDS


def test_what_another_text_left_is_not_believed(tmp_path):
    (tmp_path / "key.part").write_bytes(IDS[::-1] * 2)
    assert ids(tmp_path) == IDS


def test_a_text_that_cannot_be_used_leaves_nothing(tmp_path):
    with pytest.raises(DataError):
        ids(tmp_path, lambda: broken_off(5, DataError("the corpus changed while it was read")))
    assert names(tmp_path) == ["key.lock"]


@few
@given(place=st.integers(0, len(IDS) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found_and_repaired(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("flipped")
    ids(folder)
    path = folder / "key.ids"
    damaged = bytearray(IDS)
    damaged[place] ^= 1 << bit
    path.write_bytes(damaged)
    assert ids(folder) == IDS
    assert path.read_bytes() == IDS


@pytest.mark.parametrize("size", [0, 1, 99, 100, 1500, len(IDS) - 1, len(IDS) + 1])
def test_a_file_of_another_size_is_repaired(tmp_path, size):
    ids(tmp_path)
    (tmp_path / "key.ids").write_bytes((IDS + b"more")[:size])
    assert ids(tmp_path) == IDS
    assert names(tmp_path) == WHOLE


@pytest.mark.parametrize("mark", [None, b"", b"0" * 64])
def test_a_whole_file_without_its_mark_is_marked_again(tmp_path, mark):
    ids(tmp_path)
    (tmp_path / "key.sha256").unlink() if mark is None else (tmp_path / "key.sha256").write_bytes(mark)
    assert ids(tmp_path) == IDS
    assert (tmp_path / "key.sha256").read_text() == hashlib.sha256(IDS).hexdigest()


def test_a_link_in_the_place_of_a_part_is_not_followed(tmp_path):
    (tmp_path / "diary").write_bytes(b"mine")
    (tmp_path / "key.part").symlink_to(tmp_path / "diary")
    with pytest.raises(CharrnnError):
        ids(tmp_path)
    assert (tmp_path / "diary").read_bytes() == b"mine"


# Makes the ids of three million symbols, and says so on standard error for each million.
MAKER = """
import sys, time
from pathlib import Path
import numpy as np
from charrnn.text.store import stored

def pieces():
    for number in range(3):
        yield bytes([number]) * 1_000_000
        print(number, file=sys.stderr, flush=True)
        time.sleep(float(sys.argv[2]))

print(stored(Path(sys.argv[1]), "key", np.uint8, 3_000_000, pieces).sum())
"""


def maker(folder, seconds: float) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", MAKER, str(folder), str(seconds)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_making_is_gone_on_with(tmp_path):
    killed = maker(tmp_path, 60)
    assert killed.stderr.readline() == "0\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    begun = (tmp_path / "key.part").stat().st_ino
    assert (tmp_path / "key.part").stat().st_size > 900_000
    out, _ = maker(tmp_path, 0).communicate()
    assert out == "3000000\n"
    assert (tmp_path / "key.ids").stat().st_ino == begun
    assert names(tmp_path) == WHOLE


def test_of_two_processes_at_once_one_makes_and_the_other_waits(tmp_path):
    found = [process.communicate() for process in [maker(tmp_path, 0.2), maker(tmp_path, 0.2)]]
    assert [out for out, _ in found] == ["3000000\n"] * 2
    assert sorted(said for _, said in found) == ["", "0\n1\n2\n"]


@pytest.mark.parametrize("number", [errno.ENODEV, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_that_cannot_map_is_read(tmp_path, monkeypatch, number):
    def none(*arguments, **others):
        raise OSError(number, "not supported")

    monkeypatch.setattr(np, "memmap", none)
    assert ids(tmp_path) == IDS


def test_what_cannot_be_mapped_for_another_reason_is_said_with_the_flag_that_names_another_place(tmp_path, monkeypatch):
    def none(*arguments, **others):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(np, "memmap", none)
    with pytest.raises(StorageError, match="name another folder for it with `cache`"):
        ids(tmp_path)


def test_where_there_are_no_locks_each_process_makes_its_own(tmp_path, monkeypatch):
    """None goes on from another's beginning; whoever ends first puts the whole there."""
    monkeypatch.setattr("charrnn.text.store.lock", lambda descriptor, wait: None)
    with pytest.raises(StorageError):
        ids(tmp_path, lambda: broken_off(5, OSError(errno.ENOSPC, "no space left")))
    assert any(name.startswith("key.") and name.endswith(".part") and name != "key.part" for name in names(tmp_path))
    assert ids(tmp_path) == IDS
