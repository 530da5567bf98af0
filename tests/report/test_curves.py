"""Curves are what a record says, whatever else stands in it; places are steps, symbols or seconds."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import RunConfig
from charrnn.report.charts import svg
from charrnn.report.curves import between, charts, curves, number
from charrnn.runs.events import Evaluated, Finished, Notice, Sampled, Trained
from charrnn.runs.record import RunRecord

LN2 = math.log(2)


def trained(step, loss, seconds):
    return Trained(step, step / 50, loss * LN2, 1.0, step / 1000, 1e4, seconds)


def evaluated(step, bits):
    return Evaluated(step, bits * LN2, bits, 1.0, True, step / 50)


EVENTS = [
    Notice(0, "chose"),
    trained(10, 6, 2.0),
    evaluated(15, 5.5),
    trained(20, 5, 4.0),
    Sampled(20, "text", None),
    trained(40, 4, 10.0),
    evaluated(44, 4.5),
    Finished(50, "run", 12.0, 1.0, 4.5, 4.5, 44),
]


def near(points):
    """Without the last digits."""
    return [(pytest.approx(x), pytest.approx(y)) for x, y in points]


def read(events, **facts):
    return curves([event.as_json() for event in events], **facts)


@pytest.mark.parametrize(
    ("against", "training", "validation"),
    [
        ("step", [10, 20, 40], [15, 44]),
        ("symbols", [1000, 2000, 4000], [1500, 4400]),
        ("time", [2, 4, 10], [3, 10.8]),  # between the reports around it
    ],
)
def test_every_curve_can_stand_against_steps_symbols_and_time(against, training, validation):
    run = read(EVENTS, train_symbols=5000)
    assert list(run.points("training", against)) == near(zip(training, [6, 5, 4], strict=True))
    assert list(run.points("validation", against)) == near(zip(validation, [5.5, 4.5], strict=True))
    assert [rate for _, rate in run.points("learning_rate", against)] == [0.01, 0.02, 0.04]


def test_a_record_on_disk_gives_the_same_curves(tmp_path):
    record = RunRecord(tmp_path)
    for event in EVENTS:
        record(event)
    assert curves(record.read()) == read(EVENTS)


def test_without_the_size_of_the_text_nothing_has_a_place_among_its_symbols():
    assert read(EVENTS).points("training", "symbols") == ()


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"event": "trained"},
        {"event": "trained", "step": None, "loss": 1.0},
        {"event": "trained", "step": "7", "loss": 1.0},
        {"event": "trained", "step": True, "loss": 1.0},
        {"event": "trained", "step": -7, "loss": 1.0},
        {"event": "trained", "step": 10**400, "loss": 1.0},
        {"event": "trained", "step": 7, "loss": math.nan},
        {"event": "trained", "step": 7, "loss": math.inf, "learning_rate": None},
        {"event": "trained", "step": 7, "loss": 10**400, "epoch": [1], "seconds": {}},
        {"event": "evaluated", "step": 7, "bits_per_char": "2.0", "nats_per_char": None},
        {"event": ["trained"], "step": 7, "loss": 1.0},
        {"event": "somebody else's", "step": 7, "loss": 1.0},
    ],
    ids=str,
)
def test_what_is_no_finite_number_is_left_out(odd):
    events = [event.as_json() for event in EVENTS]
    assert curves([*events[:3], odd, *events[3:]]) == curves(events)


def test_of_what_was_recorded_twice_the_later_counts():
    """A record that was not wound back."""
    again = [trained(20, 5.25, 4.5), trained(30, 4.75, 7.0), evaluated(15, 5.0)]
    found = read([*EVENTS, *again])
    assert list(found.points("training")) == near([(10, 6), (20, 5.25), (30, 4.75), (40, 4)])
    assert list(found.points("validation")) == near([(15, 5.0), (44, 4.5)])


def test_bits_are_made_of_nats_where_only_those_are_recorded():
    found = curves([{"event": "evaluated", "step": 3, "nats_per_char": LN2}])
    assert found.points("validation") == ((3, 1.0),)


def test_an_evaluation_of_a_run_that_reported_nothing_has_no_time():
    assert read([evaluated(5, 4.0)]).points("validation", "time") == ()
    assert read([evaluated(5, 4.0)]).points("validation") == ((5, 4.0),)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (5, 1), (10, 2), (15, 3), (20, 4), (99, 4)])
def test_times_lie_on_a_line_through_those_that_are_known(x, y):
    assert between([(0, 0), (10, 2), (20, 4)], x) == y


@pytest.mark.parametrize("value", [None, True, "1", [], math.nan, math.inf, 10**400, 1e200])
def test_what_cannot_be_drawn_is_no_number(value):
    assert number(value) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
)
KEYS = st.sampled_from(["step", "loss", "epoch", "seconds", "bits_per_char", "nats_per_char", "learning_rate"])
ODD_EVENTS = st.lists(
    st.builds(
        lambda kind, rest: rest | {"event": kind},
        st.sampled_from(["trained", "evaluated", "finished", "rolledback"]),
        st.dictionaries(KEYS, JSON),
    ),
    max_size=12,
)


@given(ODD_EVENTS, st.sampled_from(["step", "symbols", "time"]))
def test_any_record_can_be_drawn(events, against):
    run = curves(events, train_symbols=100)
    for which in ("training", "validation", "learning_rate"):
        points = run.points(which, against)
        assert list(points) == sorted(points, key=lambda point: point[0])
        assert all(map(math.isfinite, (number for point in points for number in point)))
    for chart in charts({"run": run}, against):
        svg(chart)


# Charts


def test_a_run_has_one_colour_and_its_validation_is_dashed():
    loss, rate = charts({"small": read(EVENTS), "large": read(EVENTS[:3])})
    assert [(s.name, s.dashed, s.colour) for s in loss.series] == [
        ("small training", False, 0),
        ("small validation", True, 0),
        ("large training", False, 1),
        ("large validation", True, 1),
    ]
    assert [(s.name, s.dashed, s.colour) for s in rate.series] == [("small", False, 0), ("large", False, 1)]
    assert loss.series[1].points == read(EVENTS).points("validation")
    assert [s.name for s in charts({"small": read(EVENTS)})[0].series] == ["training", "validation"]


@pytest.mark.parametrize(
    ("against", "seconds", "label", "last"),
    [
        ("step", 100, "step", 40),
        ("symbols", 100, "symbols read", 80),
        ("time", 100, "seconds of training", 100),
        ("time", 1200, "minutes of training", 20),
        ("time", 18000, "hours of training", 5),
    ],
)
def test_the_horizontal_axis_says_what_it_counts(against, seconds, label, last):
    for chart in charts({"run": read([trained(40, 4, seconds)], train_symbols=100)}, against):
        assert chart.x_label == label
        assert [x for x, _ in chart.series[0].points] == pytest.approx([last])


@pytest.mark.parametrize(
    ("runs", "label"),
    [
        ([{}], "bits per character"),
        ([{}, {}], "bits per character"),
        ([{"unit": "byte"}], "bits: training per byte, validation per character"),
        ([{"unit": "word"}], "bits: training per word, validation per character"),
        ([{}, {"unit": "word"}], "bits: training per symbol, validation per character"),
        ([None], "bits: training per symbol, validation per character"),
        ([{"synced": True}], "bits per label"),
        ([{"bidirectional": True}], "bits: training per character, validation per character given both sides"),
        ([{}, {"synced": True}], "bits: training per symbol, validation per character or label"),
    ],
)
def test_the_vertical_axis_says_what_losses_and_scores_are_counted_by(runs, label):
    configs = [run if run is None else RunConfig.model_construct(**{"unit": "char"} | run) for run in runs]
    found = {str(n): curves([], config=config) for n, config in enumerate(configs)}
    assert charts(found)[0].y_label == label


def test_numbers_of_a_record_survive_json():
    """What Python writes as NaN and Infinity is read back as such, and left out."""
    lines = [json.dumps(trained(1, loss, 1.0).as_json()) for loss in (math.nan, math.inf)]
    assert curves(map(json.loads, lines)).training == ()
