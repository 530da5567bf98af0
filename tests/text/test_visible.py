"""What is shown steers nothing and hides nothing; what writing systems need stays as it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.text.visible import VisibleStream, visible

PERSIAN = "می\u200cروم، نمی\u200cدانم، خانه\u200cها"  # noqa: RUF001
DEVANAGARI = "क्\u200dष और क्\u200cष"
FAMILY = "👨\u200d👩\u200d👧 🏳️\u200d🌈 🧑🏽\u200d🚀 🙂\u200d↔️ ❤️\u200d🔥"
GERMAN = "Auf\u200clage"


@pytest.mark.parametrize("text", [PERSIAN, DEVANAGARI, FAMILY, GERMAN])
def test_joiners_between_letters_and_emoji_stay(text):
    assert visible(text) == text


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
@pytest.mark.parametrize(
    "text", ["{}", "{}a", "a{}", "a{} b", "a {}b", "1{}2", "rm{}-rf", "a{0}{0}b", "\u202e{}a", "a{}\x1b[m", "{}\n"]
)
def test_joiners_that_join_nothing_are_written_out(text, joiner):
    shown = visible(text.format(joiner))
    assert joiner not in shown
    assert f"\\u{ord(joiner):04x}" in shown


def test_other_invisible_characters_are_written_out_wherever_they_stand():
    assert visible("a\u200bb\u200ec\u2060d\ufeffe\u202ef\u00adg") == ("a\\u200bb\\u200ec\\u2060d\\ufeffe\\u202ef\\xadg")


@given(st.lists(st.text(st.sampled_from("aक\u094d👩\u200d\u200c \n\x1b\ufe0f")), max_size=8))
def test_a_text_in_pieces_is_shown_as_the_whole(pieces):
    stream = VisibleStream()
    shown = [stream.shown(piece) for piece in pieces] + [stream.shown("", final=True)]
    assert "".join(shown) == visible("".join(pieces))
