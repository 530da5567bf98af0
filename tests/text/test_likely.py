# ruff: noqa: RUF001 - other alphabets are what this is about
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import DataError
from charrnn.text.decoding import Decoding, decode
from charrnn.text.likely import likely_encoding
from charrnn.text.reading import Source, stream_text

FRENCH = "Le cœur a ses raisons que la raison ne connaît point. À l'été, les élèves reçoivent des fenêtres claires.\n"
GERMAN = "Über allen Gipfeln ist Ruh, in allen Wipfeln spürest du kaum einen Hauch; die Vöglein schweigen im Walde.\n"
SPANISH = "Todos nacen libres e iguales en dignidad, dotados como están de razón y conciencia; el niño soñó.\n"
POLISH = (
    "Litwo! Ojczyzno moja! ty jesteś jak zdrowie. Ile cię trzeba cenić, ten tylko się dowie, kto cię stracił.\n"
    "Dziś piękność twą w całej ozdobie widzę i opisuję, bo tęsknię po tobie.\n"
)
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.\n"
JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n"
    "何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。\n"
)
CHINESE = "道可道，非常道。名可名，非常名。学而时习之，不亦说乎？有朋自远方来，不亦乐乎？\n"
KOREAN = "모든 국민은 인간으로서의 존엄과 가치를 가지며, 행복을 추구할 권리를 가진다.\n"
PLAIN = "A plain line, as there are many in a file of a program or of a catalogue.\n"

OLD = [
    *((FRENCH, "cp1252"), (GERMAN, "latin-1"), (GERMAN, "cp1252"), (SPANISH, "latin-1"), (POLISH, "cp1250")),
    *((POLISH, "iso8859_2"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8_r"), (RUSSIAN, "cp866"), (JAPANESE, "shift_jis")),
    *((JAPANESE, "euc_jp"), (CHINESE, "gb18030"), (CHINESE, "gbk"), (KOREAN, "euc_kr"), (FRENCH, "mac_roman")),
]


@pytest.mark.parametrize("plain", [0, 1000])
@pytest.mark.parametrize(("text", "encoding"), OLD)
def test_a_few_sentences_tell_their_encoding(text, encoding, plain):
    data = (PLAIN * plain + text * 2 + PLAIN * plain).encode(encoding)
    likely = likely_encoding(data)
    assert likely is not None
    assert data.decode(likely) == data.decode(encoding)


@pytest.mark.parametrize("text", [FRENCH.replace("œ", "oe"), GERMAN, SPANISH])
def test_what_western_encodings_agree_on_is_the_most_common_one(text):
    assert likely_encoding(text.encode("latin-1")) == "cp1252"


@pytest.mark.parametrize("data", [b"caf\xe9", b"20 \xb0C\n", b"one\n\xff\xfe\xfd\n", (FRENCH * 3).encode() + b"\xe9\n"])
def test_where_nobody_can_know_there_is_none(data):
    """Too few bytes, no text, and UTF-8 that was damaged."""
    assert likely_encoding(data) is None


@given(data=st.binary(max_size=200) | st.text(max_size=99).map(lambda text: text.encode("cp1252", "replace")))
@settings(max_examples=300, deadline=None)
def test_whatever_is_suggested_decodes_what_was_seen(data):
    likely = likely_encoding(data + b"\n")
    if likely is not None:
        data.decode(likely)


def test_a_detector_that_fails_hides_nothing(monkeypatch):
    def failing(*arguments, **options):
        raise RuntimeError("on purpose")

    monkeypatch.setattr("charset_normalizer.from_bytes", failing)
    with pytest.raises(DataError, match="invalid start byte; give the right `encoding`"):
        list(decode("old.txt", [FRENCH.encode("cp1252")], Decoding(), advise=True))


@pytest.mark.parametrize("size", [50, 1 << 20])
def test_the_error_names_an_encoding_that_reads_the_file(size):
    data = (PLAIN * 3 + RUSSIAN * 50).encode("cp1251")
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    with pytest.raises(DataError) as caught:
        list(decode("old.txt", chunks, Decoding(), advise=True))
    says = "it looks like cp1251: give `encoding=cp1251`, or replace what cannot be decoded with `errors=replace`"
    assert f"invalid continuation byte; {says}" in str(caught.value)


@pytest.mark.parametrize("encoding", ["ascii", "shift_jis", "utf-16"])
def test_whoever_named_another_encoding_is_not_advised(encoding):
    with pytest.raises(DataError, match="give the right `encoding`"):
        list(decode("old.txt", [FRENCH.encode("cp1252")], Decoding(encoding), advise=True))


def test_a_folder_asks_about_none_of_its_files(tmp_path, monkeypatch):
    (tmp_path / "old.txt").write_bytes(FRENCH.encode("cp1252"))
    (tmp_path / "new.txt").write_text(FRENCH)
    monkeypatch.setattr("charrnn.text.decoding.likely_encoding", None)  # whoever calls it fails
    assert "".join(stream_text(Source((str(tmp_path),)), [])) == FRENCH


def test_nothing_is_loaded_before_it_is_needed():
    script = "import sys, charrnn.text.reading; sys.exit('charset_normalizer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
