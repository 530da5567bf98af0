"""What a run will be, from what it is asked and from how much of its time is gone."""

import time
from pathlib import Path

import pytest

from charrnn.config import Wish
from charrnn.model.machine import Machine
from charrnn.planning import plan
from charrnn.planning.preparation import Request, prepare


@pytest.mark.parametrize(("asked", "gone", "hidden"), [("2m", 1, 384), ("2m", 110, 256), ("4m", 110, 384)])
def test_the_network_is_one_for_the_time_that_is_left(tmp_path, monkeypatch, asked, gone, hidden):
    """Of a large text reading alone may take most of it."""
    monkeypatch.setattr(plan, "_SECONDS", 0.0)
    monkeypatch.setattr(Machine, "speed", lambda self: 2e11)
    text = tmp_path / "text.txt"
    text.write_text("".join(chr(97 + number * number % 23) for number in range(40_000)))
    wish = Wish()
    wish.add({"corpus": [str(text)], "time": asked, "threads": 1, "precision": "float32", "device": "cpu"}, "flag")
    request = Request(wish, Path(tmp_path), began=time.monotonic() - gone)
    assert prepare(request).config.hidden == hidden
