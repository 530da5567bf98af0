"""What is said of words: counts and spans worked out by hand, and labels that are the likeliest of a plain loop."""

import numpy as np
import pytest

from charrnn.config import ModelConfig
from charrnn.evaluation.labelling import Labelled, Tally, labelled, spans
from charrnn.model.network import CharRNN
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.model.torch_reader import TorchReader
from charrnn.shapes import parameter_shapes
from charrnn.text.labels import paired
from charrnn.text.marks import END, GAP
from charrnn.text.vocabulary import Vocabulary

V = Vocabulary("char", (END, " ", "a", "b", GAP, "\U000f0000", "\U000f0001"), "\n", gaps=True, labels=("noun", "verb"))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("O O", []),
        ("B-PER I-PER O", [(0, 2, "PER")]),
        ("B-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        ("I-LOC O I-LOC", [(0, 1, "LOC"), (2, 3, "LOC")]),
        ("B-PER I-LOC", [(0, 1, "PER"), (1, 2, "LOC")]),
        ("O B-ORG", [(1, 2, "ORG")]),
        ("noun verb B-", []),
        ("", []),
    ],
)
def test_spans_worked_out_by_hand(labels, expected):
    assert spans(labels.split()) == set(expected)


def test_a_tally_worked_out_by_hand():
    tally = Tally().over([
        Labelled(["a", "b", "c"], ["B-P", "I-P", "O"], ["B-P", "I-P", "O"], [1.0] * 3),
        Labelled(["a", "b"], ["B-P", "O"], ["O", "O"], [1.0] * 2),
        Labelled(["a"], ["O"], ["B-P"], [1.0]),
    ])  # fmt: skip
    assert (tally.words, tally.sentences, tally.right_sentences) == (6, 3, 1)
    assert tally.accuracy == pytest.approx(4 / 6)
    assert tally.by_label == {"B-P": 0.5, "I-P": 1.0, "O": pytest.approx(2 / 3)}
    assert tally.f1 == pytest.approx(2 * 1 / (2 + 2))
    assert tally.confusion["B-P", "O"] == 1
    assert Tally().over([Labelled(["a"], ["noun"], ["noun"], [1.0])]).f1 is None


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("heavy", [False, True])
def test_a_label_is_the_likeliest_of_all_labels_at_the_end_of_its_word(both, heavy):
    """Also where another symbol is likelier, and whatever the text itself says the label is."""
    config = ModelConfig(cell="gru", layers=1, hidden=6, embedding=5, dropout=0, bidirectional=both)
    generator = np.random.default_rng(1)
    shapes = parameter_shapes(config, len(V))
    weights = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights["head.bias"][2] += 20  # the letter a
    reader = NumpyNetwork(config, len(V), weights)
    if heavy:
        network = CharRNN(config, len(V))
        network.load_weights(weights)
        reader = TorchReader(network)
    text = END + paired("ab b", ["noun", "verb"]) + END + paired("bba", ["verb"]) + END
    found = list(labelled(reader, V, V.encode(text)))
    assert [(each.words, each.labels) for each in found] == [(["ab", "b"], ["noun", "verb"]), (["bba"], ["verb"])]
    other = list(labelled(reader, V, V.encode(text.replace("noun", "verb"))))
    unknown = list(labelled(reader, V, V.encode(text.replace("noun", "adverb"))))
    assert unknown[0].labels == ["", "verb"]
    for one, two, three in zip(found, other, unknown, strict=True):
        assert one.said == two.said == three.said
        assert one.probabilities == pytest.approx(two.probabilities)
        assert one.probabilities == pytest.approx(three.probabilities)
        assert all(0.5 <= share <= 1 for share in one.probabilities)
