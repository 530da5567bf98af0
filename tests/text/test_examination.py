"""What a text is made of, against plain counting."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn.text.corpus import source_of
from charrnn.text.examination import Rare, examine


def examined(path, unit="char"):
    return examine(source_of({"corpus": [str(path)], "unit": unit}))


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=1, max_size=300))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("unit", ["char", "byte"])
def test_sizes_and_counts_are_those_of_plain_counting(tmp_path, monkeypatch, unit, text):
    monkeypatch.setattr("charrnn.text.reading.PIECE", 16)
    (tmp_path / "text").write_bytes(text.encode())
    found = examined(tmp_path / "text", unit)
    content = text if unit == "char" else text.encode().decode("latin-1")
    assert (found.characters, found.bytes) == (len(content), len(text.encode()))
    assert found.lines == len(text.encode().split(b"\n")) - text.endswith("\n")
    assert {rare.symbol: rare.count for rare in found.symbols} == Counter(content)
    for rare in found.symbols:
        assert rare.line == content[: content.index(rare.symbol)].count("\n") + 1
    assert list(found.symbols) == sorted(found.symbols, key=lambda rare: (rare.count, rare.symbol))


def test_the_rarest_come_first_with_their_lines(tmp_path):
    (tmp_path / "text").write_text("aab\naab\na\u20acb\n")
    found = examined(tmp_path / "text")
    assert found.symbols == (Rare("\u20ac", 1, 3), Rare("\n", 3, 1), Rare("b", 3, 1), Rare("a", 5, 1))
