"""What comes slowly is passed on as it comes."""

import io
import os

from charrnn.text import pipes
from charrnn.text.pipes import as_it_comes
from charrnn.text.words import whole_words


def test_a_pause_is_an_empty_piece_and_nothing_is_waited_for(monkeypatch):
    monkeypatch.setattr(pipes, "PAUSE", 0.01)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file:
        pieces = as_it_comes(file, 100)
        os.write(writing, b"one")
        assert [next(pieces), next(pieces)] == [b"one", b""]
        os.write(writing, b"two")
        assert [next(pieces), next(pieces)] == [b"two", b""]
        os.close(writing)
        assert list(pieces) == []


def test_a_file_has_no_pauses(tmp_path):
    (tmp_path / "a").write_bytes(b"abcde")
    with (tmp_path / "a").open("rb") as file:
        assert list(as_it_comes(file, 2)) == [b"ab", b"cd", b"e"]
    assert list(as_it_comes(io.BytesIO(b"abc"), 2)) == [b"ab", b"c"]


def test_a_line_of_words_does_not_wait_for_the_next_line():
    assert list(whole_words(["so it", " goes\n", "", "on"])) == ["so", " it goes\n", "", "on"]
