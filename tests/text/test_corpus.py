import hashlib
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn.errors import DataError, OutputError
from charrnn.text import corpus as corpora
from charrnn.text import survey
from charrnn.text.corpus import build_corpus, source_of
from charrnn.text.vocabulary import Vocabulary

few = settings(max_examples=100, deadline=None)


def read_corpus(places, unit="char", encoding="utf-8", validation=None, fraction=None, **options):
    source = source_of({"corpus": list(map(str, places)), "unit": unit, "encoding": encoding})
    return corpora.read_corpus(source, corpora.Split(validation, fraction=fraction), **options)


def fingerprint(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


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
    with pytest.raises(DataError, match="lower `validation_fraction`"):
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
        with pytest.raises(DataError, match="the text has changed") as caught:
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
    for name, content, encoding in [("marked", "\ufeff" + text, "utf-8"), ("latin", text.encode("latin-1"), "latin-1")]:
        corpus, _, _ = read_corpus([file(tmp_path, name, content)], encoding=encoding)
        assert corpus.fingerprint == read_corpus([plain])[0].fingerprint


@few
@given(st.text(), st.text())
def test_fingerprints_are_equal_only_for_equal_texts(one, other):
    first, second = (build_corpus("ab" + text, fraction=0.0).fingerprint for text in (one, other))
    assert (first == second) == (one == other)
    assert first == build_corpus(("ab" + one).encode(), fraction=0.0).fingerprint


@pytest.mark.parametrize("validation", [None, "v"])
@pytest.mark.parametrize("test", [None, "t"])
def test_parts_are_shares_of_the_end_or_texts_of_their_own(tmp_path, validation, test):
    """The alphabet is that of all, and so is the fingerprint."""
    texts = {"v": "hello vv" * 9, "t": "hello tt" * 9}
    for name, text in texts.items():
        file(tmp_path, name, text)
    places = [str(tmp_path / name) if name else None for name in (validation, test)]
    split = corpora.Split(*places, fraction=None if validation else 0.1, test_fraction=0.0 if test else 0.2)
    corpus, share, _ = corpora.read_corpus(source_of({"corpus": [file(tmp_path, "a", text_of(1000))]}), split)
    found = {key: corpus.vocabulary.decode(corpus.part(key).tolist()) for key in ("train", "validation", "test")}
    first = 1000 - 100 * (not validation) - 200 * (not test)
    last = 1000 - 200 * (not test)
    assert found["train"] == text_of(1000)[:first]
    assert found["validation"] == (texts["v"] if validation else text_of(1000)[first:last])
    assert found["test"] == (texts["t"] if test else text_of(1000)[last:])
    assert share == (0.0 if validation else 0.1)
    whole = text_of(1000) + "".join(texts[name] for name in (validation, test) if name)
    assert corpus.vocabulary == Vocabulary.of(whole)
    assert corpus.fingerprint == fingerprint(whole)


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@few
@given(st.text(st.sampled_from("ab é.\n"), min_size=40, max_size=200), st.sampled_from([0.1, 0.5]))
def test_words_are_split_at_the_same_character(tmp_path_factory, block, text, fraction):
    """Or before the word that it stands in, so that scores of words and of characters compare."""
    path = file(tmp_path_factory.mktemp("x"), "text", "ab" + text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "_BLOCK", block)
        corpus, _, _ = read_corpus([path], unit="word", fraction=fraction)
    train, held_out = (corpus.vocabulary.decode(part.tolist()) for part in (corpus.train, corpus.validation))
    assert train + held_out == "ab" + text
    place = int(len(train + held_out) * (1 - fraction))
    assert 0 <= place - len(train) < len(corpus.vocabulary.symbols[corpus.validation[0]])


def test_ids_are_one_array_split_in_place():
    corpus = build_corpus(text_of(1000))
    assert corpus.train.base is corpus.validation.base
    assert np.array_equal(np.concatenate([corpus.train, corpus.validation]), corpus.vocabulary.encode(text_of(1000)))


# Large texts


@pytest.fixture
def small(monkeypatch):
    """Every text of more than 100 symbols is large."""
    monkeypatch.setattr(survey, "SMALL", 100)
    monkeypatch.setattr("charrnn.text.reading.PIECE", 64)


CONTENTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=101, max_size=400)


@given(content=CONTENTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("unit", ["char", "byte"])
def test_a_large_text_is_the_same_corpus_from_the_cache(small, tmp_path_factory, unit, content):
    folder = tmp_path_factory.mktemp("cached")
    path = file(folder, "text", content + "ab")
    for _ in range(2):  # made, then found
        found, share, _ = read_corpus([path], unit=unit, cache=folder / "cache")
        expected, same, _ = read_corpus([path], unit=unit)
        assert (found.vocabulary, found.fingerprint, share) == (expected.vocabulary, expected.fingerprint, same)
        np.testing.assert_array_equal(found.train, expected.train)
        np.testing.assert_array_equal(found.validation, expected.validation)
        assert found.train.dtype == expected.train.dtype
        assert isinstance(found.train, np.memmap)
        found.release()
        np.testing.assert_array_equal(found.train, expected.train)
    assert len(list((folder / "cache").glob("*.ids"))) == 1


def test_a_small_text_leaves_no_trace_in_the_cache(tmp_path):
    read_corpus([file(tmp_path, "text", text_of(1000))], cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_another_text_has_another_file_in_the_cache(small, tmp_path):
    path, cache = file(tmp_path, "text", text_of(1000)), tmp_path / "cache"
    read_corpus([path], cache=cache)
    Path(path).write_text(text_of(1000) + "z")
    corpus, _, _ = read_corpus([path], cache=cache)
    assert corpus.vocabulary.symbols[-1] == "z"
    assert len(list(cache.glob("*.ids"))) == 2


@pytest.mark.parametrize("damage", ["flip", "cut", "unmarked", "marked otherwise"])
def test_a_damaged_file_of_the_cache_is_made_again(small, tmp_path, damage):
    path, cache = file(tmp_path, "text", text_of(1000)), tmp_path / "cache"
    expected = np.array(read_corpus([path], cache=cache)[0].train)
    ids, mark = next(cache.glob("*.ids")), next(cache.glob("*.sha256"))
    if damage == "flip":
        content = bytearray(ids.read_bytes())
        content[500] ^= 1
        ids.write_bytes(content)
    elif damage == "cut":
        ids.write_bytes(ids.read_bytes()[:-1])
    elif damage == "unmarked":
        mark.unlink()
    else:
        mark.write_text("0" * 64)
    np.testing.assert_array_equal(read_corpus([path], cache=cache)[0].train, expected)


def test_a_large_text_from_a_pipe_is_kept_for_its_second_reading(small, tmp_path, monkeypatch):
    content = (text_of(1000) + "é€") * 3
    for unit in ("char", "byte"):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content.encode())))
        found, _, _ = read_corpus(["-"], unit=unit, cache=tmp_path / "cache")
        expected, _, _ = read_corpus([file(tmp_path, "text", content)], unit=unit)
        np.testing.assert_array_equal(found.train, expected.train)
        assert found.fingerprint == expected.fingerprint
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".ids", ".sha256", ".lock"}


def test_large_records_from_a_pipe_are_kept_too(small, tmp_path, monkeypatch):
    content = "\n".join(text_of(number % 9 + 1) for number in range(400))
    values = {"records": "lines", "unit": "char"}
    for shuffle in (None, 3):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content.encode())))
        split = corpora.Split(fraction=0.2, shuffle=shuffle)
        source = source_of(values | {"corpus": ["-"]})
        found, _, _ = corpora.read_corpus(source, split, cache=tmp_path / "cache")
        places = [file(tmp_path, "text", content)]
        expected, _, _ = corpora.read_corpus(source_of(values | {"corpus": places}), split)
        np.testing.assert_array_equal(found.train, expected.train)
        np.testing.assert_array_equal(found.validation, expected.validation)
        assert isinstance(found.train.base, np.memmap)


def test_a_text_that_changes_while_it_is_read_is_refused(small, tmp_path, monkeypatch):
    path = Path(file(tmp_path, "text", text_of(1000)))
    honest = survey.Survey.encoded

    def later(self, *arguments):
        path.write_text(text_of(1000)[::-1])
        return honest(self, *arguments)

    monkeypatch.setattr(survey.Survey, "encoded", later)
    with pytest.raises(DataError, match="changed while it was read"):
        read_corpus([path], cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.ids"))


def test_a_cache_that_cannot_be_written_is_said(small, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cannot create"):
        read_corpus([file(tmp_path, "text", text_of(1000))], cache=tmp_path / "cache")


def test_how_far_the_reading_is_is_told_now_and_then(small, tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "_TELL_SECONDS", 0.0)
    told = []
    read_corpus([file(tmp_path, "text", text_of(1000))], cache=tmp_path / "cache", tell=told.append)
    assert "read 512 symbols of the text" in told
    assert "encoded 1,000 of 1,000 symbols of the text" in told
