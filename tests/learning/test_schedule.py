"""The learning rate against a table worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.learning.schedule import FINAL_SHARE, learning_rate


def test_the_final_share_is_small():
    assert 0 < FINAL_SHARE <= 0.01


# peak 1, 4 steps of warm-up, 105 steps: the peak from step 4 to step 44, two fifths of the rest; down to step 104
@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 1 / 5),
        (1, 2 / 5),
        (3, 4 / 5),
        (4, 1),
        (29, 1),
        (44, 1),
        (59, FINAL_SHARE + (1 - FINAL_SHARE) * 3 / 4),
        (74, FINAL_SHARE + (1 - FINAL_SHARE) / 2),  # half-way down
        (89, FINAL_SHARE + (1 - FINAL_SHARE) / 4),
        (104, FINAL_SHARE),
        (105, FINAL_SHARE),  # beyond the end it stays
        (1000, FINAL_SHARE),
    ],
)
@pytest.mark.parametrize("peak", [1.0, 6e-3])
def test_the_rate_warms_up_stays_and_falls_straight(step, rate, peak):
    assert learning_rate(step, peak=peak, warmup=4, steps=105) == pytest.approx(rate * peak, rel=1e-12)


@pytest.mark.parametrize(
    ("step", "warmup", "steps", "rate"),
    [(0, 0, 1, 1), (0, 0, 2, 1), (1, 0, 2, FINAL_SHARE), (0, 1, 2, 1 / 2), (1, 1, 2, 1), (0, 10, 3, 1 / 11),
     (2, 10, 3, 3 / 11)],
)  # fmt: skip
def test_the_shortest_runs_have_a_rate_too(step, warmup, steps, rate):
    assert learning_rate(step, peak=1.0, warmup=warmup, steps=steps) == pytest.approx(rate)


@given(st.integers(1, 10**6), st.integers(0, 10**4), st.floats(1e-6, 10), st.data())
def test_the_rate_rises_to_the_peak_falls_from_it_and_never_leaves_its_bounds(steps, warmup, peak, data):
    step = data.draw(st.integers(0, steps - 1))
    now, then = (learning_rate(at, peak=peak, warmup=warmup, steps=steps) for at in (step, step + 1))
    assert 0 < now <= peak
    assert then > now if step < warmup else then <= now
