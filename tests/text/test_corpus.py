import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import DataError
from charrnn.text.corpus import build_corpus, fingerprint, read_corpus
from charrnn.text.vocabulary import Vocabulary

few = settings(max_examples=100, deadline=None)


def text_of(length: int) -> str:
    return ("abcdefg" * length)[:length]


def file(folder: Path, name: str, content: str | bytes) -> str:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(folder / name)


# The split


@few
@given(st.integers(3, 5000))
def test_default_split_is_that_of_int_of_nine_tenths(length):
    corpus = build_corpus(text_of(length))
    assert (len(corpus.train), len(corpus.validation)) == (int(length * 0.9), length - int(length * 0.9))


@pytest.mark.parametrize(
    ("length", "fraction", "train"),
    [(1000, 0.0, 1000), (1000, 0.1, 900), (1001, 0.1, 900), (1009, 0.1, 908), (1000, 0.25, 750), (10, 0.5, 5)],
)
def test_last_fraction_of_the_text_is_held_out(length, fraction, train):
    text = text_of(length)
    corpus = build_corpus(text, fraction=fraction)
    assert corpus.vocabulary.decode(corpus.part("train")) == text[:train]
    assert corpus.vocabulary.decode(corpus.part("validation")) == text[train:]


def test_vocabulary_is_that_of_both_parts():
    corpus = build_corpus("ab" * 9 + "cd", fraction=0.1)
    assert corpus.vocabulary == Vocabulary.of("abcd")
    assert corpus.validation.tolist() == [2, 3]


@pytest.mark.parametrize(("length", "share"), [(2, 0.0), (499, 0.0), (500, 0.1), (501, 0.1)])
@pytest.mark.parametrize("unit", ["char", "byte"])
def test_small_text_holds_nothing_out(tmp_path, unit, length, share):
    corpus, used, notices = read_corpus([file(tmp_path, "a", text_of(length))], unit=unit)
    assert (used, len(corpus.train), notices) == (share, int(length * (1 - share)), [])


def test_fraction_that_was_asked_for_holds_even_for_a_small_text(tmp_path):
    corpus, used, _ = read_corpus([file(tmp_path, "a", text_of(100))], fraction=0.3)
    assert (used, len(corpus.validation)) == (0.3, 30)


# A validation text of its own


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_validation_text_is_apart_and_the_text_is_whole(tmp_path, unit):
    text, held_out = text_of(600), "xyz é"
    places = [file(tmp_path, "a", text)]
    corpus, share, _ = read_corpus(places, unit=unit, validation=file(tmp_path, "v", held_out), fraction=0.5)
    assert corpus.vocabulary.decode(corpus.train) == text
    assert corpus.vocabulary.decode(corpus.validation) == held_out
    assert share == 0.0
    assert len(corpus.vocabulary) == (256 if unit == "byte" else len(set(text + held_out)))


def test_dropped_mark_of_a_validation_text_is_said(tmp_path):
    validation = file(tmp_path, "v", "\ufeffbaba")
    corpus, _, notices = read_corpus([file(tmp_path, "a", "abab")], validation=validation)
    assert corpus.vocabulary.decode(corpus.validation) == "baba"
    assert any("byte order mark" in notice for notice in notices)


# What is refused


@pytest.mark.parametrize("content", ["", "a", "aaaa", "\n\n", b"", b"\x00\x00"])
@pytest.mark.parametrize("held_out", [False, True])
def test_text_without_two_different_symbols_is_refused(content, held_out):
    validation = (b"other" if isinstance(content, bytes) else "other") if held_out else None
    with pytest.raises(DataError, match="nothing to predict") as caught:
        build_corpus(content, validation=validation)
    assert caught.value.exit_code == 65


def test_fraction_that_leaves_nothing_to_learn_is_refused():
    assert len(build_corpus("abab", fraction=0.5).train) == 2
    with pytest.raises(DataError, match="lower --validation-fraction"):
        build_corpus("abab", fraction=0.6)


def test_half_of_a_surrogate_pair_is_refused():
    with pytest.raises(DataError, match="surrogate"):
        build_corpus("ab\ud800")


# A text that was learnt before


def test_known_text_is_encoded_in_the_vocabulary_it_was_learnt_in():
    vocabulary = Vocabulary.of("abcxyz")
    corpus = build_corpus("cab" * 3, fraction=0.0, known=(vocabulary, fingerprint("cab" * 3)))
    assert corpus.vocabulary == vocabulary
    assert corpus.train.tolist() == [2, 0, 1] * 3


@pytest.mark.parametrize("change", ["cab", "caba", "cac", "cabd", "bac"])
def test_only_the_very_text_that_is_known_is_taken(tmp_path, change):
    learnt = build_corpus("cab", fraction=0.0)
    known, places = (learnt.vocabulary, learnt.fingerprint), [file(tmp_path, "a", change)]
    if change == "cab":
        assert read_corpus(places, known=known)[0].fingerprint == learnt.fingerprint
    else:
        with pytest.raises(DataError, match="the corpus has changed") as caught:
            read_corpus(places, known=known)
        assert caught.value.exit_code == 65


# The fingerprint


@pytest.mark.parametrize(
    ("unit", "content"), [("char", "naïve\r\n🙂" * 3), ("byte", "naïve\r\n🙂" * 3), ("byte", b"\x00\xff\xfe" * 9)]
)
def test_fingerprint_is_the_sha256_of_the_file(tmp_path, unit, content):
    path = file(tmp_path, "a", content)
    corpus, _, _ = read_corpus([path], unit=unit)
    assert corpus.fingerprint == hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_fingerprint_does_not_depend_on_how_the_text_was_stored(tmp_path):
    text = "naïve " * 5
    plain = file(tmp_path, "plain", text)
    for name, stored, encoding in [("marked", "\ufeff" + text, "utf-8"), ("latin", text.encode("latin-1"), "latin-1")]:
        corpus, _, _ = read_corpus([file(tmp_path, name, stored)], encoding=encoding)
        assert corpus.fingerprint == read_corpus([plain])[0].fingerprint


@few
@given(st.text(), st.text())
def test_fingerprints_are_equal_only_for_equal_texts(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (one == other)
    assert fingerprint(one) == fingerprint(one.encode())


def test_ids_are_one_array_split_in_place():
    corpus = build_corpus(text_of(1000))
    assert corpus.train.base is corpus.validation.base
    assert np.array_equal(np.concatenate([corpus.train, corpus.validation]), corpus.vocabulary.encode(text_of(1000)))
