import itertools
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charrnn.errors import DataError
from charrnn.text.characters import UNKNOWN, UnknownSymbolError
from charrnn.text.vocabulary import Vocabulary

few = settings(max_examples=100, deadline=None)
BYTES = Vocabulary.of(b"")


def vocabulary_of_size(size: int) -> Vocabulary:
    points = itertools.chain(range(0xD800), range(0xE000, 0x110000))  # without surrogates
    return Vocabulary("char", tuple(map(chr, itertools.islice(points, size))))


def test_symbols_are_the_distinct_characters_in_code_point_order():
    assert Vocabulary.of("hello, 🙂 é") == Vocabulary("char", (" ", ",", "e", "h", "l", "o", "é", "🙂"))


def test_id_is_the_place_in_that_order():
    assert Vocabulary.of("hello").encode("hello").tolist() == [1, 0, 2, 2, 3]


def test_byte_vocabulary_is_all_bytes_whatever_was_read():
    assert len(BYTES) == 256
    assert Vocabulary.of(b"abc") == BYTES
    assert BYTES.encode(b"\x00a\xff").tolist() == [0, 97, 255]


def test_empty_text_has_no_symbols():
    assert len(Vocabulary.of("")) == 0
    assert Vocabulary.of("").encode("").tolist() == []


# Lossless


@few
@given(st.text())
def test_characters_come_back_exactly(text):
    vocabulary = Vocabulary.of(text)
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert vocabulary.to_bytes(ids) == text.encode()
    assert list(vocabulary.symbols) == sorted(set(text))


@few
@given(st.binary())
def test_bytes_come_back_exactly(data):
    ids = BYTES.encode(data)
    assert ids.tolist() == list(data)
    assert BYTES.to_bytes(ids) == data
    assert BYTES.decode(ids) == data.decode("utf-8", "replace")


@few
@given(st.text())
def test_byte_vocabulary_encodes_characters_as_utf8(text):
    assert BYTES.encode(text).tolist() == list(text.encode())
    assert BYTES.decode(BYTES.encode(text)) == text


def test_byte_that_an_argument_could_not_decode_is_itself_again():
    argument = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert BYTES.to_bytes(BYTES.encode(argument)) == b"caf\xe9"


@few
@given(st.text(), st.text())
def test_lookup_agrees_with_a_plain_dictionary(known, text):
    vocabulary = Vocabulary.of(known)
    ids = {symbol: index for index, symbol in enumerate(sorted(set(known)))}
    assert vocabulary.lookup(text).tolist() == [ids.get(character, UNKNOWN) for character in text]
    assert vocabulary.lookup(text.encode()).tolist() == vocabulary.lookup(text).tolist()


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65536, np.uint16), (65537, np.uint32)],
)
def test_ids_take_the_smallest_type_that_holds_them(size, dtype):
    vocabulary = vocabulary_of_size(size)
    ids = vocabulary.encode(vocabulary.symbols[-1])
    assert ids.dtype == dtype
    assert ids.tolist() == [size - 1]


def test_byte_ids_are_one_byte_wide():
    assert BYTES.encode(b"abc").dtype == np.uint8


# Unknown characters


def test_unknown_characters_are_named_with_their_positions():
    with pytest.raises(UnknownSymbolError, match="the prompt has characters") as caught:
        Vocabulary.of("abc").encode("aéb🙂", name="the prompt")
    assert "U+00E9 at 1, U+1F642 at 3;" in str(caught.value)
    assert caught.value.exit_code == 65


def test_positions_are_counted_in_characters_even_of_bytes():
    with pytest.raises(UnknownSymbolError, match=r"U\+0078 at 2;"):
        Vocabulary.of("é").encode("ééx".encode())


def test_a_long_list_of_unknown_characters_is_cut_and_counted():
    with pytest.raises(UnknownSymbolError, match=r"U\+0076 at 5 and 2 more;"):
        Vocabulary.of("a").encode("arstuvwx")


@pytest.mark.parametrize(
    ("known", "text", "skipped", "replaced"),
    [
        ("abc", "abc", "abc", "abc"),
        ("cafe ", "café", "caf", "cafe"),
        ("cafe ", "caf€", "caf", "caf "),
        ("cafe", "caf€", "caf", "caf"),
        ("ing f", "ﬁng", "ng", "fng"),
        ("A ", "Åℵ", "", "A "),
        ("aé", "é\u0301", "é", "é"),
        ("a", "", "", ""),
        ("a", "🙂", "", ""),
    ],
)
def test_unknown_characters_are_skipped_or_replaced_on_request(known, text, skipped, replaced):
    vocabulary = Vocabulary.of(known)
    assert vocabulary.decode(vocabulary.encode(text, unknown="skip")) == skipped
    assert vocabulary.decode(vocabulary.encode(text, unknown="replace")) == replaced
    assert vocabulary.encode(text, unknown="skip").dtype == np.uint8


@few
@given(st.text(), st.text())
def test_skipping_keeps_every_known_character_in_order(known, text):
    vocabulary = Vocabulary.of(known)
    kept = "".join(character for character in text if character in known)
    assert vocabulary.decode(vocabulary.encode(text, unknown="skip")) == kept


@few
@given(st.text(), st.text())
@example("", "e\u0300")
def test_replacing_never_moves_a_known_character_nor_adds_one(known, text):
    """A mark that combines with the character before it may leave nothing behind; any other leaves one character."""
    vocabulary = Vocabulary.of(known + " ")
    replaced, *each = (vocabulary.decode(vocabulary.encode(part, unknown="replace")) for part in (text, *text))
    assert replaced == "".join(each)
    for old, new in zip(text, each, strict=True):
        assert new == old if old in known else len(new) == 1 or (new == "" and unicodedata.combining(old))


def test_bytes_that_are_no_utf8_are_refused_by_a_character_vocabulary():
    with pytest.raises(DataError):
        Vocabulary.of("abc").encode(b"abc\xff", name="the prompt")


# Identity and measure


def test_fingerprint_tells_vocabularies_apart():
    symbols = tuple(map(chr, range(256)))
    vocabularies = [Vocabulary.of("ab"), Vocabulary.of("abc"), Vocabulary.of("ac"), BYTES, Vocabulary("char", symbols)]
    assert len({vocabulary.fingerprint for vocabulary in vocabularies}) == len(vocabularies)
    assert Vocabulary.of("ab").fingerprint == Vocabulary.of("babba").fingerprint


@few
@given(st.text())
def test_measure_counts_characters_and_utf8_bytes(text):
    counts = (len(text), len(text.encode()))
    vocabulary = Vocabulary.of(text)
    assert vocabulary.measure(vocabulary.encode(text)) == counts
    assert BYTES.measure(BYTES.encode(text)) == counts
