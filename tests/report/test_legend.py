"""A legend never takes more room than it has, and leaves nobody out without saying so."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from charrnn.report.legend import legend, shortened

NAMES = st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Mn", "Me"]), max_size=60), max_size=40)


@given(st.text(), st.integers(1, 40))
def test_a_name_is_shortened_to_its_room(text, cells):
    assert cell_len(shortened(text, cells)) <= cells


def test_a_name_loses_its_middle_and_more_of_its_beginning():
    assert shortened("a-long-run-of-mine validation", 15) == "a-lon…alidation"
    assert shortened("validation", 10) == "validation"
    assert shortened("日本語のテキスト", 9) == "日…スト"


@given(NAMES, st.integers(24, 120), st.integers(1, 4))
def test_rows_fit_and_every_name_stands_there_or_is_counted(names, cells, most):
    rows = legend(names, cells, 7, most)
    assert len(rows) <= most
    shown = [entry for row in rows for entry in row]
    for number, column, name in shown:
        assert column + (7 if number >= 0 else 0) + cell_len(name) <= cells
    counted = [int(name.split()[1]) for number, _, name in shown if number < 0]
    numbers = [number for number, _, _ in shown if number >= 0]
    assert numbers == list(range(len(names) - sum(counted)))


def test_names_that_fit_are_whole():
    assert legend(["one", "two"], 40, 7, 4) == [[(0, 0, "one"), (1, 10, "two")]]
    assert legend([], 40, 7, 4) == []
