import math
from contextlib import nullcontext

import pytest
from pydantic import ValidationError

from charrnn.config import (
    CALL,
    ModelConfig,
    RunConfig,
    Wish,
    check,
    check_one_length,
    keys,
    parse_duration,
    parse_interval,
)
from charrnn.errors import SettingsError
from charrnn.shapes import parameter_shapes

REQUIRED = {
    **{"layers": 1, "hidden": 2, "embedding": 3, "dropout": 0.0},
    **{"corpus": ["a.txt"], "validation_fraction": 0.1, "batch_size": 4, "seq_length": 5},
    **{"steps": 10, "learning_rate": 1e-3, "warmup": 2, "weight_drop": 0.0, "dropout_start": 1.0},
    **{"eval_every": 5, "save_every": "5m", "sample_every": 5, "device": "cpu", "precision": "float32", "threads": 1},
}


def refusal(key: str, value: object, source: str = "file") -> str:
    with pytest.raises(SettingsError) as caught:
        check(key, value, source)
    assert caught.value.exit_code == 2
    return str(caught.value)


# Durations and intervals


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("3h50m", 13_800),
        ("1d", 86_400),
        ("1d2h3m4s", 93_784),
        ("1.5h", 5400),
        ("0.5s", 0.5),
        ("90", 90),
        (90, 90),
        (0.25, 0.25),
        (" 10M ", 600),
    ],
)
def test_duration_is_read_in_seconds(written, seconds):
    assert parse_duration(written) == seconds
    assert check("time", written, "file") == seconds


@pytest.mark.parametrize(
    "written",
    [
        *["", "m", "10 m", "10x", "-5s", "-5", "1h-5m", "1,5h", "ten", "0", "0s", "40000d", "1e3", "nan", "inf"],
        *[-1, 0, math.nan, math.inf, True, [], None],
    ],
)
def test_what_is_no_duration_is_refused(written):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("written", "interval"), [(1, 1), (250, 250), ("250", 250), (" 7 ", 7), ("5m", "5m"), ("1h30m", "1h30m")]
)
def test_interval_is_steps_or_a_duration_as_written(written, interval):
    assert parse_interval(written) == interval
    assert check("save_every", written, "file") == interval
    assert check("eval_every", written, "file") == interval


@pytest.mark.parametrize(
    "written", [0, -1, "0", "-1", "0s", "5x", "", "nan", math.inf, pytest.param("9" * 5000, id="long")]
)
def test_what_is_no_interval_is_refused(written):
    with pytest.raises(ValueError, match=r"duration|digits"):
        parse_interval(written)


# Wishes and their precedence


def test_flag_wins_over_environment_and_environment_over_file():
    wish = Wish()
    wish.add({"hidden": 1}, "flag")
    wish.add({"hidden": 2, "layers": 2}, "environment")
    wish.add({"hidden": 3, "layers": 3, "seed": 3}, "file")
    assert wish.values == {"hidden": 1, "layers": 2, "seed": 3}
    assert wish.sources == {"hidden": "flag", "layers": "environment", "seed": "file"}


def test_what_is_null_is_not_asked_for():
    wish = Wish()
    wish.add({"hidden": None, "seed": 0}, "flag")
    wish.add({"hidden": 8}, "file")
    assert wish.values == {"hidden": 8, "seed": 0}
    assert (wish.get("hidden"), wish.get("layers")) == (8, None)


def test_values_are_added_as_their_types():
    wish = Wish()
    wish.add({"learning_rate": "1e-3", "hidden": "64", "layer_norm": "no", "encoding": "no", "time": "2m"}, "file")
    assert wish.values == {"learning_rate": 1e-3, "hidden": 64, "layer_norm": False, "encoding": "no", "time": 120.0}


@pytest.mark.parametrize("rival", [{"steps": 10}, {"epochs": 2}, {"time": "10m"}, {"epochs": 2, "steps": 10}])
def test_lower_ranking_length_is_ignored(rival):
    wish = Wish()
    wish.add({"time": "5m"}, "flag")
    wish.add({**rival, "seed": 1}, "file")
    assert wish.values == {"time": 300.0, "seed": 1}


@pytest.mark.parametrize(
    "values", [{"steps": 1, "epochs": 1}, {"epochs": 1, "time": "1m"}, {"steps": 1, "epochs": 1, "time": "1m"}]
)
def test_two_lengths_from_one_source_are_refused(values):
    with pytest.raises(SettingsError, match="cannot be used together") as caught:
        check_one_length(values, "flag")
    assert all(f"`{key}`" in str(caught.value) for key in values)


@pytest.mark.parametrize("values", [{}, {"steps": 1}, {"steps": 1, "epochs": None}, {"time": "1m", "seed": 1}])
def test_one_length_or_none_is_fine(values):
    assert check_one_length(values, "flag") is None


WITHOUT_EFFECT = [
    {"distill_weight": 0.3},
    {"shuffle_records": True},
    {"vectors_key": "name"},
    {"validation": "a", "validation_fraction": 0.2},
    {"test": "a", "test_fraction": 0.2},
]


@pytest.mark.parametrize("values", WITHOUT_EFFECT)
@pytest.mark.parametrize(("source", "refused"), [("flag", True), (CALL, True), ("environment", False), ("f", False)])
def test_what_is_asked_for_in_a_call_has_an_effect_and_a_file_may_be_for_many_runs(values, source, refused):
    wish = Wish()
    wish.add(values, source)
    with pytest.raises(SettingsError) if refused else nullcontext():
        wish.check_effects()


@pytest.mark.parametrize(
    "values",
    [
        {"distill_weight": 0.3, "distill_from": ["a"]},
        {"shuffle_records": True, "field": "text"},
        {"shuffle_records": True, "target_after": "TAB"},
        {"shuffle_records": False},
        {"validation": "a", "validation_fraction": 0},
        {"validation": "a", "test_fraction": 0.2},
    ],
)
def test_what_has_an_effect_or_asks_for_nothing_is_fine(values):
    wish = Wish()
    wish.add(values, "flag")
    assert wish.check_effects() is None


# Single settings


@pytest.mark.parametrize(
    ("written", "meant"), [("hiden", "hidden"), ("learning_rat", "learning_rate"), ("batchsize", "batch_size")]
)
def test_unknown_setting_names_the_nearest(written, meant):
    assert f"unknown setting {written} in file; did you mean {meant}?" in refusal(written, 1)


def test_unknown_setting_without_a_neighbour_points_to_the_help():
    assert "--help" in refusal("zzzzzz", 1)


def test_unknown_setting_is_refused_even_without_a_value():
    with pytest.raises(SettingsError, match="did you mean learning_rate"):
        Wish().add({"lerning_rate": None}, "file")


NOT_NUMBERS = [math.nan, math.inf, -math.inf, "nan", "inf", -1, "-1", -1e-9, "abc", "", [], {}]


@pytest.mark.parametrize("value", NOT_NUMBERS)
@pytest.mark.parametrize(
    "key",
    [
        *["learning_rate", "weight_decay", "clip", "ema", "dropout", "validation_fraction", "epochs", "time", "steps"],
        *["warmup", "seed", "layers", "hidden", "embedding", "batch_size", "seq_length", "threads", "eval_every"],
    ],
)
def test_what_is_no_usable_number_is_refused(key, value):
    assert f"{key} cannot be {value!r}" in refusal(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("learning_rate", 0), ("clip", 0), ("epochs", 0), ("steps", 0), ("layers", 0), ("hidden", 0), ("threads", 0)],
        *[("dropout", 1), ("ema", 1), ("validation_fraction", 1), ("steps", 2**31), ("seed", 2**63), ("steps", 1.5)],
        *[("cell", "LSTM"), ("cell", "qrnn"), ("unit", "line"), ("precision", "float64"), ("layer_norm", "maybe")],
        *[("corpus", []), ("corpus", "a.txt"), ("encoding", 8)],
    ],
)
def test_value_out_of_bounds_is_refused(key, value):
    refusal(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("dropout", 0.0), ("ema", 0.0), ("weight_decay", 0.0), ("warmup", 0), ("embedding", 0), ("seed", 2**63 - 1)],
        *[("validation_fraction", 0.0), ("steps", 1), ("precision", "auto"), ("device", "cuda:1"), ("glob", "*.py")],
    ],
)
def test_value_on_the_edge_is_kept(key, value):
    assert check(key, value, "file") == value


def test_refusal_speaks_of_the_flag_or_of_the_key_and_its_source():
    assert refusal("learning_rate", -1, "flag").startswith("`learning_rate` cannot be -1; ")
    assert refusal("learning_rate", -1, "my.yaml").startswith("learning_rate cannot be -1; from my.yaml; ")


def test_every_setting_of_a_run_can_be_wished_for():
    config = RunConfig(**REQUIRED)
    asked = {key: value for key, value in config.model_dump().items() if value is not None}
    assert {key: check(key, value, "file") for key, value in asked.items()} == asked
    assert set(keys()) == set(RunConfig.model_fields) | {"epochs", "time"}


# The resolved configuration


@pytest.mark.parametrize("key", REQUIRED)
def test_run_is_not_resolved_while_a_value_is_missing(key):
    with pytest.raises(ValidationError, match=key):
        RunConfig(**{name: value for name, value in REQUIRED.items() if name != key})


def test_run_holds_no_other_keys_and_never_changes():
    with pytest.raises(ValidationError, match="hiden"):
        RunConfig(**REQUIRED, hiden=1)
    config = RunConfig(**REQUIRED)
    with pytest.raises(ValidationError, match="frozen"):
        config.hidden = 4


@pytest.mark.parametrize(
    ("cell", "layers", "hidden", "embedding", "layer_norm", "symbols", "count"),
    [
        # embedding + per layer (input + recurrent + two biases) + norms + head
        ("rnn", 1, 1, 0, False, 2, 0 + (2 + 1 + 2) + 0 + (2 + 2)),
        ("lstm", 1, 2, 3, False, 5, 15 + (8 * 3 + 8 * 2 + 16) + 0 + (10 + 5)),
        ("lstm", 1, 2, 3, True, 5, 15 + (8 * 3 + 8 * 2 + 16) + 4 + (10 + 5)),
        ("gru", 2, 4, 0, True, 7, 0 + (12 * 7 + 12 * 4 + 24) + (12 * 4 + 12 * 4 + 24) + 16 + (28 + 7)),
        ("lstm", 2, 3, 2, True, 4, 8 + (12 * 2 + 12 * 3 + 24) + (12 * 3 + 12 * 3 + 24) + 12 + (12 + 4)),
        # the published size of a 2 x 512 LSTM on one-hot characters, V = 65
        ("lstm", 2, 512, 0, False, 65, 2048 * (65 + 512 + 2) + 2048 * (512 + 512 + 2) + 65 * 513),
    ],
)
def test_parameters_are_as_many_as_counted_by_hand(cell, layers, hidden, embedding, layer_norm, symbols, count):
    config = ModelConfig(cell=cell, layers=layers, hidden=hidden, embedding=embedding, dropout=0, layer_norm=layer_norm)
    assert sum(math.prod(shape) for shape in parameter_shapes(config, symbols).values()) == count
