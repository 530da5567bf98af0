"""Whether a run knows beforehand that n-grams will be counted at its end, so that time is kept for them."""

import pytest

from charrnn.cli import train
from charrnn.cli.app import run


@pytest.mark.parametrize(
    ("flags", "counted"),
    [([], True), (["-q"], False), (["--json"], False), (["--dry-run", "--json"], True), (["--dry-run", "-q"], False)],
)
def test_time_is_kept_for_what_the_closing_table_counts(tmp_path, monkeypatch, flags, counted):
    """A dry run as JSON is of the run as it would be without."""
    heard = []
    monkeypatch.setattr(train, "learn", lambda request, *_: heard.append(request.baselines))
    monkeypatch.setattr(train, "preview", lambda request, *_: heard.append(request.baselines))
    text = tmp_path / "text.txt"
    text.write_text("some words")
    assert run(["train", str(text), *flags]) == 0
    assert heard == [counted]
