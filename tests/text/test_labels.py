"""Words and their labels: read, encoded, and found again; and what does not pair is refused with its number."""

import numpy as np
import pytest

from charrnn.errors import DataError, SettingsError
from charrnn.text.batches import windows_of
from charrnn.text.corpus import read_corpus, source_of
from charrnn.text.labels import Synced, paired, unlabelled
from charrnn.text.marks import END, LABEL

TAGGED = "I like red apples\tpron verb adj noun\nwe  eat\tpron verb\n\nyou sleep\tpron verb\n" * 20
SYNCED = {"records": "lines", "target_after": "\t", "synced": True}


def corpus_of(folder, text=TAGGED, **more):
    (folder / "tagged.tsv").write_text(text)
    return read_corpus(source_of({"corpus": [str(folder / "tagged.tsv")], **SYNCED, **more}))[0]


def test_a_label_stands_behind_its_word_and_is_one_symbol(tmp_path):
    corpus = corpus_of(tmp_path)
    v = corpus.vocabulary
    assert v.labels == ("adj", "noun", "pron", "verb")
    assert v.answer is None
    layout = v.layout
    first, last, gap = layout.labels
    assert (last - first, gap) == (4, v.gap_id)
    ids = corpus.train[: 1 + len("I like red apples") + 4 + 1]
    assert ids[0] == ids[-1] == v.end_id
    assert v.decode(ids[1:-1].tolist()) == "Ipron likeverb redadj applesnoun"
    assert layout.counted(ids).sum() == 4
    assert v.decode(layout.labels.read(ids.astype(np.int64))[1:-1].tolist()) == "I_ like_ red_ apples_"
    assert v.measure(ids[layout.counted(ids)]) == (4, 4)


def test_what_counts_in_a_window_are_labels_and_what_is_read_are_none(tmp_path):
    corpus = corpus_of(tmp_path)
    labels, windows = corpus.vocabulary.layout.labels, windows_of(corpus.train, corpus.vocabulary, 4, 30)
    counted = 0
    for step in range(windows.windows):
        window = windows.window(step)
        assert not ((window.inputs >= labels.first) & (window.inputs < labels.last)).any()
        assert labels.among(window.targets[window.counted]).all()
        counted += int(window.counted.sum())
    assert counted == labels.among(corpus.train).sum()


@pytest.mark.parametrize("unit", ["char", "word"])
def test_prompts_have_gaps_where_labels_are_wanted_and_unknown_labels_are_none(tmp_path, unit):
    v = corpus_of(tmp_path, unit=unit).vocabulary
    asked, told = v.encode(unlabelled("red apples")), v.encode(paired("red apples", ["adj", "noun"]))
    other = v.encode(paired("red apples", ["adj", "numeral"]))
    labels = v.layout.labels
    assert labels.read(told.astype(np.int64)).tolist() == asked.tolist()
    assert (asked == v.gap_id).sum() == 2
    assert (other == v.gap_id).sum() == 1
    assert len(asked) == len(told) == len(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("I like\tpron verb\nred apples\tadj\n", "record 2 of .* has 2 words and 1 label;"),
        ("I like\tpron verb\nred apples\tadj noun verb\n", "record 2 of .* has 2 words and 3 labels"),
        ("I like\tpron verb\n\napples\n", "record 3 of .* has no '\\\\t'"),
        ("I like\t\n", "record 1 of .* has 2 words and 0 labels"),
        ("I li\U000f0000ke\tpron verb\n", "U\\+F0000"),
        ("I li\ufdd2ke\tpron verb\n", "U\\+FDD2"),
        ("I li\ufdd4ke\tpron verb\n", "U\\+FDD4"),
    ],
)
def test_what_does_not_pair_is_refused_with_its_number(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        corpus_of(tmp_path, text)


@pytest.mark.parametrize("given", [{"target_after": None}, {"field": "words"}])
def test_labels_need_questions_of_text(given):
    with pytest.raises(SettingsError):
        source_of({"corpus": ["a"], **SYNCED, **given})


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_labels_do_not_depend_on_the_pieces_of_a_text(size):
    records = Synced("\n", None, "\t")
    pieces = [TAGGED[start : start + size] for start in range(0, len(TAGGED), size)]
    assert "".join(records.marked("x", pieces)) == "".join(records.marked("x", [TAGGED]))
    assert "".join(records.marked("x", [TAGGED])).count(LABEL) == 2 * 8 * 20


def test_blank_lines_are_no_records(tmp_path):
    corpus = corpus_of(tmp_path)
    assert (corpus.train == corpus.vocabulary.end_id).sum() + (
        corpus.validation == corpus.vocabulary.end_id
    ).sum() == 62
    assert END in corpus.vocabulary
