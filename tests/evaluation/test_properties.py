"""What is said of a text's places is what a reader who goes from character to character would say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.evaluation.properties import CLOSING, OPENING, PROPERTIES, QUOTES, properties, texts_of
from charrnn.text.marks import END
from charrnn.text.vocabulary import Vocabulary
from charrnn.text.words import words

TABLE = {
    "inside quotation marks": ('a"b"c', [0, 1, 1, 0, 0]),
    "inside brackets": (")a(b[c])", [0, 0, 1, 1, 1, 1, 1, 0]),
    "place in the line": ("ab\n\ncd", [1, 2, 0, 0, 1, 2]),
    "the line is about to end": ("ab\n\nc", [0, 1, 1, 0, 0]),
    "line in the paragraph": ("a\nb\n \nc\n", [0, 1, 1, 2, 2, 0, 0, 1]),
    "indentation": (" \ta b\n c", [1, 2, 2, 2, 2, 0, 1, 1]),
    "place in the word": ("ab, c2 d", [1, 2, 0, 0, 1, 2, 0, 1]),
    "place in the sentence": ("a! bc?d", [1, 0, 1, 2, 3, 0, 1]),
    "after a capital letter": ("Ab É", [1, 0, 0, 1]),
    "after a vowel": ("aEz", [1, 1, 0]),
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_table_worked_out_by_hand(name):
    text, expected = TABLE[name]
    assert PROPERTIES[name](text).tolist() == expected


def by_reading(text):
    """The slow true twin of all that is counted."""
    quoted, depth, line, word, sentence, indent, number, seen = False, 0, 0, 0, 0, 0, 0, False
    found = {name: [] for name in PROPERTIES}
    for place, character in enumerate(text):
        if character == "\n":
            number = number + 1 if seen else 0
            quoted = quoted and seen
            line, indent, seen = 0, 0, False
        else:
            line += 1
            seen = seen or not character.isspace()
            indent += character in " \t" and not seen
        quoted ^= character in QUOTES
        depth = max(0, depth + (character in OPENING) - (character in CLOSING))
        word = word + 1 if character.isalnum() else 0
        sentence = 0 if character in ".!?" else sentence + 1
        last = text[place + 1 : place + 2] == "\n"
        values = quoted, depth > 0, line, last, number, indent, word, sentence, character.isupper(), character in "aeA"
        for name, value in zip(PROPERTIES, values, strict=True):
            found[name].append(value)
    return found


@given(st.text('aeAz1 \t\n\n\r"“”«»([{)]}.!?-', min_size=1, max_size=80))
def test_every_value_is_what_reading_on_gives(text):
    for name, expected in by_reading(text).items():
        np.testing.assert_array_equal(PROPERTIES[name](text), np.array(expected, dtype=float), err_msg=name)


def test_a_symbol_of_several_characters_has_the_values_of_its_last():
    text = 'He said: "Not now\n(nor ever)".\n'
    whole, parts = properties(list(text)), words(text)
    ends = np.cumsum([len(part) for part in parts]) - 1
    for name, values in properties(parts).items():
        np.testing.assert_array_equal(values, whole[name][ends], err_msg=name)


def test_a_byte_has_the_values_of_the_last_character_that_is_whole():
    vocabulary = Vocabulary.of(b"")
    texts = texts_of(vocabulary, vocabulary.encode("“é”".encode()))
    assert texts == ["", "", "“", "", "é", "", "", "”"]
    assert properties(texts)["inside quotation marks"].tolist() == [1, 1, 1, 1, 1, 1, 1, 0]


@given(st.binary(max_size=60))
def test_bytes_that_are_no_text_break_nothing(data):
    vocabulary = Vocabulary.of(b"")
    texts = texts_of(vocabulary, vocabulary.encode(data))
    for values in properties(texts).values():
        assert values.shape == (len(data),)
        assert np.isfinite(values).all()


def test_the_end_of_a_record_is_what_it_is_written_as():
    lines = Vocabulary("char", (END, "a"), end="\n")
    texts = texts_of(lines, lines.encode(f"{END}a{END}"))
    assert texts == ["\n", "a", "\n"]
    assert properties(texts)["the line is about to end"].tolist() == [0, 1, 0]


def test_nothing_has_no_properties():
    assert properties([]) == {}
    assert properties(["", ""]) == {}
