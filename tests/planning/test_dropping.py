"""One rule for what is dropped: more for more readings and for more weights, within bounds, without a leap."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import Wish
from charrnn.planning.dropping import FREE, FULL, MOST, chosen, dropping

READINGS, WEIGHTS = st.floats(1e-3, 1e4), st.floats(1e-4, 1e4)


def mean(found):
    """Of the units, over a run."""
    return found.dropout * (1 + found.start) / 2


@given(READINGS, WEIGHTS)
def test_all_of_it_is_a_share(readings, weights):
    found = dropping(readings, weights)
    assert 0 <= found.dropout <= MOST
    assert 0 <= found.weight_drop <= MOST - FREE + 0.01
    assert 0 <= found.start <= 1
    assert mean(found) <= MOST


@given(READINGS, WEIGHTS, st.floats(1, 1.1))
def test_it_grows_with_readings_and_weights_and_never_leaps(readings, weights, more):
    found = dropping(readings, weights)
    for other in (dropping(readings * more, weights), dropping(readings, weights * more)):
        assert mean(found) - 0.01 <= mean(other) <= mean(found) + 0.04
        assert found.dropout <= other.dropout <= found.dropout + 0.07
        assert abs(found.start - other.start) <= 0.1
        assert abs(found.weight_drop - other.weight_drop) <= 0.06


def test_who_reads_a_large_text_once_drops_nothing_and_a_small_one_often_the_most():
    assert dropping(1, 0.1) == dropping(1, 1000) == (0, 0, 0)
    found = dropping(1000, 200)
    assert (found.dropout, found.start) == (MOST, 1)
    assert found.dropout > FULL


@pytest.mark.parametrize(
    ("readings", "weights", "expected"),
    [
        (1.4, 4, (0, 0, 0)),
        (5.6, 4, (0.4, 0, 0)),  # 0.2 in the mean
        (11.2, 4, (0.5, 0.17, 0.2)),  # 0.3: from a fifth of 0.5 to 0.5
        (11.2, 8, (0.5, 0.24, 0.52)),  # 0.38
        (22.4, 16, (0.56, 0.36, 1)),
        (1000, 4, (0.5, 0.29, 0.92)),  # 0.48: the most for so few weights
        (1000, 8, (0.6, 0.4, 1)),
        (1000, 1, (0.5, 0.19, 0.28)),  # 0.32
    ],
)
def test_values_worked_out_by_hand(readings, weights, expected):
    assert dropping(readings, weights) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(("weight", "counted"), [(None, 10), (0.0, 20), (0.2, 16), (0.5, 10), (0.9, 2)])
def test_with_teachers_a_text_counts_as_read_less_often_the_more_weight_they_have(weight, counted):
    corpus = SimpleNamespace(train=range(10_000), vocabulary=range(50))
    network = {"layers": 1, "hidden": 64, "embedding": 16}
    taught = {"distill_from": ["a"]} | ({} if weight is None else {"distill_weight": weight})
    for settings, readings in ((network | taught, counted), (network, 20), (network | {"distill_from": []}, 20)):
        rates, why = chosen(Wish(), settings, corpus, 20)
        expected = dropping(readings, 2.4928)  # 24,928 weights
        assert tuple(rates.values()) == expected
        assert ("teachers" in why) == bool(settings.get("distill_from"))
