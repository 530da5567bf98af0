"""The same text, its accents composed or apart, is the same text to a model that is asked to read it so."""

import itertools
import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.text.characters import UnknownSymbolError, whole_letters
from charrnn.text.vocabulary import Vocabulary

FRENCH = "L'été, à la forêt, le garçon naïf rêvait; où était-elle? Ça va: élève.\n"
VIETNAMESE = "Tiếng Việt có nhiều dấu; trời đã tối rồi.\n"
FORMS = ("NFC", "NFD")
SHORT = ["--hidden", "8", "--embedding", "4", "--batch-size", "2", "--seq-length", "8", "--precision", "float32"]


def spelled(text, form):
    return unicodedata.normalize(form, text)


@pytest.mark.parametrize("text", [FRENCH, VIETNAMESE])
@pytest.mark.parametrize(("known", "given_"), [FORMS, FORMS[::-1]])
@pytest.mark.parametrize("unit", ["char", "word"])
def test_another_spelling_is_read_as_the_known_one(text, known, given_, unit):
    symbols = sorted(set(spelled(text, known)) | ({" la"} if unit == "word" else set()))
    vocabulary = Vocabulary(unit, tuple(symbols))
    expected = vocabulary.encode(spelled(text, known))
    assert np.array_equal(vocabulary.encode(spelled(text, given_), unknown="replace"), expected)
    with pytest.raises(UnknownSymbolError, match="spelled otherwise"):
        vocabulary.encode(spelled(text, given_))


@given(text=st.text(st.sampled_from("aeé\u0301\u0308 ñn\u0303z"), max_size=40), cuts=st.lists(st.integers(0, 40)))
def test_where_a_text_is_cut_changes_nothing(text, cuts):
    """Not even between a letter and its accent; nothing is lost, and a pause gives out what is there."""
    vocabulary = Vocabulary.of(spelled("éñaenz e\u0308", "NFC") + "e")
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in itertools.pairwise(borders)]
    assert "".join(whole_letters(pieces)) == text
    missing, whole = [0], [0]
    found = [*vocabulary.stream(pieces, "replace", missing=missing)]
    once = [*vocabulary.stream([text], "replace", missing=whole)]
    if vocabulary.count_unknown(spelled(text, "NFC")) == 0:
        assert b"".join(each.tobytes() for each in found) == b"".join(each.tobytes() for each in once)
        assert missing == whole == [0]


def test_what_is_known_as_it_is_stays_so():
    vocabulary = Vocabulary.of("e\u0301é")
    assert vocabulary.encode("e\u0301é", unknown="replace").tolist() == vocabulary.encode("e\u0301é").tolist()


def test_a_score_says_why_accents_are_unknown_and_what_reads_them(charrnn, tmp_path):
    for form in FORMS:
        (tmp_path / f"{form}.txt").write_text(spelled(FRENCH * 30, form))
    assert charrnn("train", "NFC.txt", *SHORT, "--steps", "3", "--name", "m", cwd=tmp_path).returncode == 0
    skipped = charrnn("evaluate", "m", "NFD.txt", "--json", cwd=tmp_path)
    assert json.loads(skipped.stdout)["unknown"] > 0
    assert skipped.stderr.count(b"--unknown replace reads them as the model does") == 1
    read = charrnn("evaluate", "m", "NFD.txt", "--json", "--unknown", "replace", cwd=tmp_path)
    same = charrnn("evaluate", "m", "NFC.txt", "--json", cwd=tmp_path)
    assert read.stderr + same.stderr == b""
    ours, theirs = (json.loads(done.stdout) | {"text": ""} for done in (read, same))
    assert ours == theirs
    prompted = charrnn("sample", "m", "-p", "e\u0301te\u0301", "-n", "3", "--seed", "1", cwd=tmp_path)
    assert (prompted.returncode, b"spelled otherwise" in prompted.stderr) == (65, True)
