"""Fine-tuning: rows follow symbols, never positions, and the network stays the one that was learnt."""

import numpy as np
import pytest

from charrnn.config import RunConfig, Wish
from charrnn.errors import SettingsError
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.planning.transfer import SHAPE, adapted_weights, adopt_network
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import CorpusFacts, Progress
from charrnn.shapes import parameter_shapes
from charrnn.text.marks import END, FIRST_LABEL, GAP
from charrnn.text.vocabulary import Vocabulary

FRESH = -1.0
ALPHABETS = [("abc", "abc"), ("bdf", "abcdefg"), ("abcdef", "be"), ("abc", "bcd"), ("abc", "xyz"), ("ab\n", "🙂ba\n")]


def run_config(**changes):
    values = {
        "layers": 1, "hidden": 4, "embedding": 3, "dropout": 0.2, "corpus": ["poem.txt"], "validation_fraction": 0.1,
        "batch_size": 2, "seq_length": 3, "steps": 10, "learning_rate": 0.01, "warmup": 0, "eval_every": 5,
        "save_every": "5m", "sample_every": 5, "device": "cpu", "precision": "float32", "threads": 1,
        "weight_drop": 0.0, "dropout_start": 1.0,
    }  # fmt: skip
    return RunConfig(**values | changes)


def by_symbol(name, array):
    """The array with one row per symbol."""
    return array.T if "weight_ih" in name else array


def source_of(text, embedding):
    """A model whose every number in a symbol's row is the symbol's code point; the other numbers are random."""
    config, vocabulary, chance = run_config(embedding=embedding), Vocabulary.of(text), np.random.default_rng(0)
    weights = {
        name: chance.normal(size=shape).astype(np.float32)
        for name, shape in parameter_shapes(config, len(vocabulary)).items()
    }
    for name in per_symbol(embedding):
        rows = by_symbol(name, weights[name])
        rows[:] = np.array([ord(symbol) for symbol in vocabulary.symbols]).reshape(-1, *[1] * (rows.ndim - 1))
    return Checkpoint(
        config=config,
        vocabulary=vocabulary,
        corpus=CorpusFacts(fingerprint="f" * 64, train_symbols=90, validation_symbols=10),
        progress=Progress(),
        weights=weights,
    )


def per_symbol(embedding):
    return ["head.weight", "head.bias", "embedding.weight" if embedding else "layers.0.cell.weight_ih_l0"]


def fresh_weights(source, vocabulary):
    shapes = parameter_shapes(source.config, len(vocabulary))
    return {name: np.full(shape, FRESH, np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("embedding", [3, 0])
@pytest.mark.parametrize(("old", "new"), ALPHABETS)
def test_rows_follow_their_symbols_and_new_symbols_stay_fresh(old, new, embedding):
    source, vocabulary = source_of(old, embedding), Vocabulary.of(new)
    weights, _ = adapted_weights(source, vocabulary, fresh_weights(source, vocabulary))
    assert {name: array.shape for name, array in weights.items()} == parameter_shapes(source.config, len(vocabulary))
    for name in per_symbol(embedding):
        for symbol, row in zip(vocabulary.symbols, by_symbol(name, weights[name]), strict=True):
            np.testing.assert_array_equal(row, ord(symbol) if symbol in old else FRESH, err_msg=f"{name} of {symbol}")


@pytest.mark.parametrize("embedding", [3, 0])
@pytest.mark.parametrize(("old", "new"), ALPHABETS)
def test_everything_without_symbols_is_carried_over_and_nothing_given_is_changed(old, new, embedding):
    source, vocabulary = source_of(old, embedding), Vocabulary.of(new)
    fresh, before = fresh_weights(source, vocabulary), source_of(old, embedding).weights
    weights, _ = adapted_weights(source, vocabulary, fresh)
    for name in set(weights) - set(per_symbol(embedding)):
        np.testing.assert_array_equal(weights[name], before[name])
    for array in weights.values():
        array[...] = 7
    for name, array in before.items():
        np.testing.assert_array_equal(source.weights[name], array)
        assert (fresh[name] == FRESH).all()


@pytest.mark.parametrize("embedding", [3, 0])
def test_a_text_in_the_old_alphabet_is_read_as_before(embedding):
    source, vocabulary = source_of("bdf", embedding), Vocabulary.of("abcdefg")
    for name in per_symbol(embedding):
        source.weights[name][...] = np.random.default_rng(1).normal(size=source.weights[name].shape)
    weights, _ = adapted_weights(source, vocabulary, fresh_weights(source, vocabulary))
    old = NumpyNetwork(source.config, 3, source.weights)
    new = NumpyNetwork(source.config, len(vocabulary), weights)
    state_old, state_new = old.initial_state(1), new.initial_state(1)
    for symbol in "bdfdbb":
        expected, state_old = old.step(source.vocabulary.encode(symbol).astype(np.int64), state_old)
        logits, state_new = new.step(vocabulary.encode(symbol).astype(np.int64), state_new)
        np.testing.assert_allclose(logits[:, vocabulary.encode("bdf")], expected, rtol=1e-5, atol=1e-6)


def test_the_message_counts_what_was_kept_added_and_left_out():
    source, vocabulary = source_of("abcde", 3), Vocabulary.of("dexyz!")
    _, text = adapted_weights(source, vocabulary, fresh_weights(source, vocabulary))
    assert text == "kept the weights of 2 symbols, added 4 new ones, dropped 3 unused ones"


def test_the_network_of_the_model_is_asked_for_and_its_source_is_named():
    wish = Wish()
    wish.add({"hidden": 4, "learning_rate": 0.1}, "flag")
    adopt_network(wish, run_config(cell="gru", unit="byte"))
    assert {key: wish.get(key) for key in SHAPE} == {
        "cell": "gru", "layers": 1, "hidden": 4, "embedding": 3, "layer_norm": True, "residual": True, "unit": "byte",
        "bidirectional": False, "synced": False,
        "vector_size": 0,
    }  # fmt: skip
    assert wish.sources["hidden"] == "flag"
    assert "starts from" in wish.sources["cell"]
    assert wish.get("learning_rate") == 0.1
    assert wish.get("dropout") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("cell", "rnn"), ("layers", 2), ("hidden", 5), ("embedding", 0), ("layer_norm", False), ("residual", False),
     ("unit", "byte")],
)  # fmt: skip
def test_another_network_than_the_models_is_refused_by_its_name(key, value):
    wish = Wish()
    wish.add({key: value}, "flag")
    with pytest.raises(SettingsError, match=f"`{key}=") as caught:
        adopt_network(wish, run_config())
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("embedding", [3, 0])
def test_labels_are_carried_over_by_what_they_say_and_both_stacks_keep_their_columns(embedding):
    """The number of a label means nothing; of a one-hot network each direction has a matrix with a column a symbol."""
    config = run_config(embedding=embedding, bidirectional=True, synced=True)
    old, new = (tagging(labels) for labels in (("noun", "verb"), ("adj", "noun", "verb")))
    chance = np.random.default_rng(0)
    weights = {k: chance.normal(size=s).astype(np.float32) for k, s in parameter_shapes(config, len(old)).items()}
    facts = CorpusFacts(fingerprint="f" * 64, train_symbols=90, validation_symbols=10)
    source = Checkpoint(config=config, vocabulary=old, corpus=facts, progress=Progress(), weights=weights)
    found, _ = adapted_weights(source, new, fresh_weights(source, new))
    ways = ("layers", "backward_layers")
    names = ["head.weight", *([] if embedding else [f"{way}.0.cell.weight_ih_l0" for way in ways])]
    for name in names:
        before, after = by_symbol(name, weights[name]), by_symbol(name, found[name])
        np.testing.assert_array_equal(after[-2:], before[-2:])  # noun and verb
        assert (after[-3] == FRESH).all()  # adj
        np.testing.assert_array_equal(after[: len(new) - 3], before[: len(old) - 2])


def tagging(labels):
    """A vocabulary of three letters and these labels."""
    symbols = (END, "a", "b", "c", GAP, *(chr(FIRST_LABEL + number) for number in range(len(labels))))
    return Vocabulary("char", symbols, "\n", gaps=True, labels=labels)
