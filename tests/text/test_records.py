"""Records stand alone: marked whatever a border cuts, split whole, batched with next to no padding."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import DataError, SettingsError
from charrnn.text.batches import RecordBatches, fitting, windows_of
from charrnn.text.corpus import Split, read_corpus, source_of
from charrnn.text.lanes import Lanes
from charrnn.text.layout import Independent
from charrnn.text.marks import ANSWER, END
from charrnn.text.records import Records, records_of
from charrnn.text.vocabulary import Vocabulary

few = settings(max_examples=200, deadline=None)
LINES = Vocabulary("char", (END, "a", "b"), end="\n")


def marked(records, *pieces, name="x"):
    return "".join(records.marked(name, pieces))


def cut(text, ends):
    places = [0, *sorted(min(end, len(text)) for end in ends), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(places)]


@pytest.mark.parametrize(
    ("separator", "text", "expected"),
    [
        ("\n", "Ada\nBob\n", ["Ada", "Bob"]),
        ("\n", "\n\nAda\n\n\nBob", ["Ada", "Bob"]),
        ("\n", "", []),
        ("\n\n", "a\nb\n\nc\n\n\n\nd\n", ["a\nb", "c", "d"]),
        ("\n\n", "a\n\n\nb", ["a", "b"]),
        ("<|>", "a<|>b<|c<|>", ["a", "b<|c"]),
        ("", "a\nb\n", ["a\nb\n"]),
    ],
)
def test_records_worked_out_by_hand(separator, text, expected):
    assert marked(Records(separator), text) == "".join(record + END for record in expected)


@few
@given(
    st.lists(st.sampled_from(["a", "bb", "<|>", "<", "|>", "\n", "\n\n"])), st.sampled_from(["\n", "\n\n", "<|>", ""])
)
def test_records_do_not_depend_on_the_pieces(parts, separator):
    """Cut anywhere, and everywhere."""
    text = "".join(parts)
    expected = marked(Records(separator), text)
    assert marked(Records(separator), *text) == expected
    for place in range(len(text)):
        assert marked(Records(separator), *cut(text, [place])) == expected


def test_the_first_text_that_an_answer_follows_is_one_symbol():
    assert marked(Records("\n", " = "), "2+2 = 4\na = b = c\n") == f"2+2{ANSWER}4{END}a{ANSWER}b = c{END}"


def test_a_record_without_an_answer_is_named():
    with pytest.raises(DataError, match=r"record 3 of x has no '\\t'"):
        marked(Records("\n", "\t"), "a\tb\n", "c\td\n", "efg\n")


def test_a_text_that_holds_a_mark_is_refused():
    with pytest.raises(DataError, match=r"U\+FDD0"):
        marked(Records("\n"), "a\ufdd0b\n")


def test_two_kinds_of_records_exclude_each_other():
    assert records_of(None, None, None) is None
    assert records_of(None, None, "\t") == Records("\n", "\t")
    assert records_of("blank-line", None, None) == Records("\n\n")
    with pytest.raises(SettingsError):
        records_of("lines", "|", None)


# Reading and splitting


def corpus_of(tmp_path, content, split=None, **values):
    paths = []
    for number, text in enumerate(content):
        (tmp_path / f"{number}.txt").write_bytes(text.encode())
        paths.append(str(tmp_path / f"{number}.txt"))
    return read_corpus(source_of({"corpus": paths} | values), split or Split())[0]


def test_files_end_records_and_lines_may_end_as_they_like(tmp_path):
    corpus = corpus_of(tmp_path, ["Ada\r\nBob", "Eve\rZoe\n"], records="lines")
    assert corpus.vocabulary.decode(corpus.train.tolist()) == "\nAda\nBob\nEve\nZoe\n"
    files = corpus_of(tmp_path, ["Ada\r\nBob", "Eve\n"], records="files")
    ends = files.vocabulary.layout.borders(files.train)
    assert ends.lengths.tolist() == [len("Ada\r\nBob") + 1, len("Eve\n") + 1]
    assert files.vocabulary.decode(files.train.tolist()) == "Ada\r\nBobEve\n", "nothing is written between files"


@pytest.mark.parametrize("unit", ["char", "word"])
@few
@given(lengths=st.lists(st.integers(1, 9), min_size=3, max_size=40), fraction=st.sampled_from([0.0, 0.1, 0.5]))
def test_the_split_falls_between_records_and_loses_none(tmp_path_factory, unit, lengths, fraction):
    lines = ["ab"[number % 2] * length for number, length in enumerate(lengths)]
    content, split = ["\n".join(lines) + "\n"], Split(fraction=fraction, test_fraction=0.2)
    corpus = corpus_of(tmp_path_factory.mktemp("x"), content, split, records="lines", unit=unit)
    found = [corpus.vocabulary.decode(part.tolist()) for part in (corpus.train, corpus.validation, corpus.test)]
    assert all(text == "" or text[0] == text[-1] == "\n" for text in found)
    assert [line for text in found for line in text.split("\n") if line] == lines
    assert found[2], "two records suffice for two parts"
    assert found[1] if fraction == 0.5 and len(lines) > 3 else fraction or not found[1]


def test_one_record_is_not_split(tmp_path):
    corpus = corpus_of(tmp_path, ["abc" * 300], records="lines")
    assert (len(corpus.train), len(corpus.validation)) == (902, 0)


def test_shuffling_is_seeded_and_keeps_every_record(tmp_path):
    lines = [f"{number}" for number in range(200)]
    parts = {}
    for seed in (None, 1, 2):
        corpus = corpus_of(tmp_path, ["\n".join(lines)], Split(fraction=0.2, shuffle=seed), records="lines")
        parts[seed] = [corpus.vocabulary.decode(part.tolist()).split() for part in (corpus.train, corpus.validation)]
        assert sorted(parts[seed][0] + parts[seed][1]) == sorted(lines)
    assert parts[None][0] + parts[None][1] == lines
    assert parts[1] != parts[2]
    again = corpus_of(tmp_path, ["\n".join(lines)], Split(fraction=0.2, shuffle=1), records="lines")
    assert again.vocabulary.decode(again.train.tolist()).split() == parts[1][0]


def test_records_of_bytes_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="records need characters"):
        corpus_of(tmp_path, ["a\nb\n"], records="lines", unit="byte")


def test_the_nearest_end_leaves_a_record_on_both_sides():
    ids = LINES.encode(f"{END}a{END}bb{END}a{END}")
    assert [Independent(0).cut(ids, place) for place in range(len(ids))] == [2, 2, 2, 2, 5, 5, 5, 5]
    assert Independent(0).cut(ids[:3], 1) == 2, "a single record is not cut"


# Batches


@st.composite
def layouts(draw):
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=60))
    generator = np.random.default_rng(0)
    text = "".join("".join(generator.choice(["a", "b"], size=n)) + END for n in lengths)
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 20))
    return windows_of(LINES.encode(END + text), LINES, *shape, draw(st.integers(0, 3)))


def readings(batches, epoch):
    """Every record that is read in an epoch, symbol by symbol, with what it was predicted from."""
    found, lanes = [], []
    for step in range(epoch * batches.windows, (epoch + 1) * batches.windows):
        window = batches.window(step)
        assert window.fresh.all() or not window.fresh.any()
        if window.fresh.all():
            found, lanes = found + lanes, [([], []) for _ in window.fresh]
        for lane, (inputs, targets) in enumerate(lanes):
            counted = window.counted[:, lane]
            inputs += window.inputs[counted, lane].tolist()
            targets += window.targets[counted, lane].tolist()
    return [lane for lane in found + lanes if lane[1]]


@few
@given(layouts(), st.integers(0, 2))
def test_every_record_is_read_once_an_epoch_from_its_start_to_its_end(batches, epoch):
    ids, end = batches.ids.tolist(), 0
    expected = []
    for first, last in zip(batches.records.first.tolist(), batches.records.last.tolist(), strict=True):
        expected.append((ids[first:last], ids[first + 1 : last + 1]))
    assert sorted(map(str, readings(batches, epoch))) == sorted(map(str, expected))
    assert all(inputs[0] == end and targets[-1] == end for inputs, targets in expected)
    assert batches.symbols == sum(len(targets) for _, targets in expected)


@few
@given(layouts())
def test_windows_are_no_larger_than_asked_for_and_lanes_can_be_shared_out(batches):
    for step in range(batches.windows):
        window = batches.window(step)
        steps, lanes = window.inputs.shape
        assert steps <= batches.seq_length
        assert lanes % batches.batch_size == 0
        assert lanes == batches.batch_size or steps * lanes <= batches.batch_size * batches.seq_length
        if not window.fresh.all():
            assert lanes == batches.batch_size, "the state of as many lanes is kept"


@few
@given(layouts())
def test_the_order_is_a_function_of_seed_and_epoch(batches):
    same = RecordBatches(batches.ids, batches.records, batches.batch_size, batches.seq_length, batches.seed)
    for step in range(2 * batches.windows):
        one, other = batches.window(step), same.window(step)
        np.testing.assert_array_equal(one.targets, other.targets)
        np.testing.assert_array_equal(one.counted, other.counted)


def test_epochs_differ():
    text = END + "".join("ab"[number % 2] + END for number in range(200))
    batches = windows_of(LINES.encode(text), LINES, 4, 2, 0)
    first, second = (np.concatenate([batches.window(step).targets[0] for step in range(start, start + batches.windows)])
                     for start in (0, batches.windows))  # fmt: skip
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("mean", [8, 60, 400, 3000])
def test_padding_is_less_than_a_tenth(mean):
    """Names, lines, tunes, pages: 20 times as many records as lanes, of lengths as texts have them."""
    lengths = np.random.default_rng(0).gamma(4, mean / 4, size=20 * 16).astype(int) + 1
    text = END + "".join("a" * length + END for length in lengths)
    batches = windows_of(LINES.encode(text), LINES, 16, 64, 0)
    assert 0 <= batches.padding < 0.1
    places = sum(batches.window(step).counted.size for step in range(batches.windows))
    assert batches.padding == pytest.approx(1 - batches.symbols / places)


def test_only_answers_count():
    vocabulary = Vocabulary("char", (END, "a", "b", ANSWER), end="\n", answer="\t")
    ids = vocabulary.encode(f"{END}ab{ANSWER}b{END}a{ANSWER}{END}")
    window = windows_of(ids, vocabulary, 2, 8, 0).window(0)
    counted = sorted(window.targets[window.counted[:, lane], lane].tolist() for lane in range(2))
    assert counted == [[0], [2, 0]]


def test_a_text_without_records_is_read_in_lanes():
    assert isinstance(windows_of(np.zeros(100, dtype=np.uint8), Vocabulary.of("ab"), 2, 8), Lanes)


@pytest.mark.parametrize(("records", "asked", "shares", "expected"), [
    (10, (16, 64), 1, (10, 64)), (10, (4, 2), 1, (4, 2)), (11, (16, 64), 2, (10, 64)), (1, (16, 64), 2, (1, 64)),
])  # fmt: skip
def test_lanes_are_no_more_than_there_are_records(records, asked, shares, expected):
    ids = LINES.encode(END + f"aab{END}" * records)
    assert fitting(ids, LINES, *asked, shares) == expected


@few
@given(st.lists(st.integers(1, 9), min_size=1, max_size=50), st.integers(0, 5))
def test_shuffled_records_are_the_same_records(lengths, seed):
    ids = LINES.encode(END + "".join("a" * length + END for length in lengths))
    mixed = np.concatenate(list(Independent(0).shuffled(ids, seed)))
    assert sorted(Independent(0).borders(mixed).lengths) == sorted(length + 1 for length in lengths)
    assert mixed[0] == mixed[-1] == 0
