"""What a user reads uses the words of the field; what is private to this project stays inside."""

import re

import pytest

from tests.messages import messages

PRIVATE = {
    r"by heart": "memorises, overfits",
    r"\blanes?\b": "sequences in a batch",
    r"\breadings?\b": "epochs",
    r"\b(training|validation|test|held-out) parts?\b": "training set, validation set, test set",
    r"\btokens?\b": "symbols",
    r"\bleave it away\b": "leave it out",
    r"\b(it|model|network) (had )?learnt\b": "was trained on",
    r"(?<!here )\b(is|are) no\b": "is not a",
    r"\bexcludes?\b.* each other\b": "cannot be used together",
    r"\bcut short\b": "truncated",
}


@pytest.mark.parametrize("private", PRIVATE)
def test_nothing_that_a_user_sees_has_a_word_of_our_own(private):
    shown = [text for _, _, text in messages() if " " in text.strip()]
    assert len(shown) > 500
    assert [text for text in shown if re.search(private, text)] == []
