"""What the tests of training share."""

from dataclasses import replace

import pytest

from charrnn.learning import watch


@pytest.fixture(autouse=True)
def short_samples(monkeypatch):
    """What a run writes at each look is short: it takes longer than the steps of a network as small as these."""
    monkeypatch.setattr(watch, "SAMPLE", replace(watch.SAMPLE, length=30))
