"""Words join to the text they came from, whatever a border between pieces cuts."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.text.alphabet import Alphabet
from charrnn.text.characters import UnknownSymbolError
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.words import whole_words, words

few = settings(max_examples=300, deadline=None)
TEXTS = st.text(st.sampled_from("ab 7_\n.é好\u0301")) | st.text()


def cut(text, ends):
    places = [0, *sorted(min(end, len(text)) for end in ends), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(places)]


def vocabulary_of(text, min_count=None):
    alphabet = Alphabet("word", min_count)
    alphabet.add(text)
    return alphabet.vocabulary()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Shall I\ncompare", ["Shall", " I", "\n", "compare"]),
        ("a  b", ["a", " ", " b"]),
        ("don't 12.5", ["don", "'", "t", " 12", ".", "5"]),
        ("déjà_vu 你好。", ["déjà_vu", " 你好", "。"]),
        (" x " + "y" * 70, [" x", " " + "y" * 64, "y" * 6]),
    ],
)
def test_words_worked_out_by_hand(text, expected):
    assert words(text) == expected


@few
@given(TEXTS, st.lists(st.integers(0, 200)))
def test_words_do_not_depend_on_the_pieces(text, ends):
    pieces = list(whole_words(cut(text, ends)))
    assert [word for piece in pieces for word in words(piece)] == words(text)
    assert "".join(words(text)) == text


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 130])
def test_a_run_without_an_end_is_cut_alike_in_pieces_of_any_size(size):
    text = "x" * 1000 + " y" + "é" * 500
    pieces = list(whole_words(text[start : start + size] for start in range(0, len(text), size)))
    assert [word for piece in pieces for word in words(piece)] == words(text)
    assert max(map(len, pieces)) <= size + 66, "memory does not grow with a run"


@few
@given(TEXTS, TEXTS)
def test_every_text_of_known_characters_comes_back_exactly(learnt, text):
    vocabulary = vocabulary_of(learnt, 1)
    known = "".join(character for character in text if character in learnt)
    ids = vocabulary.encode(known)
    assert vocabulary.decode(ids.tolist()) == known
    assert vocabulary.measure(ids) == (len(known), len(known.encode()))
    assert list(vocabulary.symbols) == sorted(set(learnt) | {word for word in words(learnt) if len(word) > 1})


def test_rare_words_are_spelled():
    vocabulary = vocabulary_of("the cat the dog the", 2)
    assert vocabulary.symbols == (" ", " the", "a", "c", "d", "e", "g", "h", "o", "t")
    assert [vocabulary.symbols[i] for i in vocabulary.encode("dog the")] == ["d", "o", "g", " the"]
    assert [vocabulary.symbols[i] for i in vocabulary.encode("the")] == ["t", "h", "e"], "its space belongs to a word"


@few
@given(TEXTS, st.integers(1, 4))
def test_how_many_ids_a_text_has_is_known_before_it_is_encoded(text, min_count):
    alphabet = Alphabet("word", min_count)
    alphabet.add(text)
    vocabulary = alphabet.vocabulary()
    assert alphabet.length(len(text), vocabulary) == len(vocabulary.encode(text))


def test_the_count_that_keeps_a_vocabulary_small_is_chosen(monkeypatch):
    monkeypatch.setattr("charrnn.text.alphabet.MOST_WORDS", 3)
    text = " aa" * 5 + " bb" * 4 + " cc" * 3 + " dd" * 3 + " ee"
    alphabet = Alphabet("word")
    alphabet.add(text)
    assert {word for word in alphabet.vocabulary().symbols if len(word) > 1} == {" aa", " bb"}
    assert alphabet.min_count == 4, "three words, but a fourth is as frequent as the third"


def test_an_unknown_character_is_named_with_its_place():
    vocabulary = vocabulary_of("the cat the cat", 2)
    with pytest.raises(UnknownSymbolError, match=re.escape("U+0021 at 7, U+00E9 at 8")):
        vocabulary.encode("the cat!é", name="x")
    assert vocabulary.decode(vocabulary.encode("the cat!", unknown="skip").tolist()) == "the cat"
    assert vocabulary.decode(vocabulary.encode("thé cat", unknown="replace").tolist()) == "the cat"


def test_words_and_characters_of_the_same_letters_differ():
    letters = ("a", "b")
    assert Vocabulary("word", letters).fingerprint != Vocabulary("char", letters).fingerprint
    assert Vocabulary("word", ("a", "bc")).fingerprint != Vocabulary("word", ("ab", "c")).fingerprint


# Rare characters


def test_rare_characters_are_folded_into_one_unknown_symbol():
    alphabet = Alphabet("char", 2)
    alphabet.add("aab")
    alphabet.add("bcé")
    vocabulary = alphabet.vocabulary()
    assert (vocabulary.symbols, len(vocabulary), vocabulary.folds) == (("a", "b"), 3, True)
    assert vocabulary.encode("abcé!").tolist() == [0, 1, 2, 2, 2]
    assert vocabulary.decode([0, 2]) == "a\ufffd"
    assert vocabulary.unwritten == [2]


def test_without_rare_characters_nothing_is_unknown():
    alphabet = Alphabet("char", 2)
    alphabet.add("abab")
    assert alphabet.vocabulary() == Vocabulary.of("ab")


@few
@given(st.lists(st.text(st.sampled_from("abé好"))), st.integers(1, 5))
def test_a_character_is_kept_exactly_when_it_stands_there_often_enough(pieces, min_count):
    alphabet, text = Alphabet("char", min_count), "".join(pieces)
    for piece in pieces:
        alphabet.add(piece)
    assert alphabet.vocabulary().symbols == tuple(sorted({c for c in text if text.count(c) >= min_count}))
