# ruff: noqa: RUF001 - other alphabets are what this is about
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import DataError
from charrnn.text.decoding import Decoding, decode
from charrnn.text.likely import likely_encodings
from charrnn.text.reading import Source, stream_text
from charrnn.text.wide import unmarked_wide

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


TURKISH = "Sabah erkenden kalktım, pencereyi açtım. Güneş henüz doğmamıştı; ağaçların üstünde ince bir sis vardı.\n"
ICELANDIC = "Þetta er saga um mann sem bjó við sjóinn og átti þrjá syni; hann fór út á hverjum degi að veiða.\n"
CZECH = "Včera večer jsme šli domů a pršelo; příliš žluťoučký kůň úpěl ďábelské ódy.\n"
HUNGARIAN = "Az őszi szél hűvös volt, és a fák lehullatták a leveleiket. Egy öregember ült a padon.\n"
ROMANIAN = "A fost odată o fată săracă şi frumoasă. Ea trăia într-o casă mică lângă pădure şi ţinea trei oi.\n"
CROATIAN = "Bio jednom čovjek koji je živio u šumi. Kuća mu je bila mala, a noću je čuo žabe i đavola.\n"
LATVIAN = "Reiz dzīvoja vecs vīrs un viņam bija trīs dēli. Viņi strādāja mežā un ļoti mīlēja tēvu.\n"
ESTONIAN = "Õhtul läks päike looja ja külas jäi vaikseks. Tüdruk võttis mööda teed köie.\n"
UKRAINIAN = "Реве та стогне Дніпр широкий, сердитий вітер завива, додолу верби гне високі.\n"
GREEK = "Η θάλασσα ήταν ήρεμη και ο ουρανός γαλάζιος. Το παιδί έπαιζε στην άμμο.\n"
HEBREW = "בראשית ברא אלהים את השמים ואת הארץ והארץ היתה תהו ובהו\n"
ARABIC = "كان يا ما كان في قديم الزمان ملك يعيش في قصر كبير\n"
THAI = "กาลครั้งหนึ่งนานมาแล้ว มีชายชราคนหนึ่งอาศัยอยู่ในป่า\n"
TRADITIONAL = "今天天氣很好，我們一起去公園散步吧。學而時習之，不亦說乎？\n"
OLD += [
    *((TURKISH, "cp1254"), (TURKISH, "cp857"), (ICELANDIC, "cp1252"), (CZECH, "cp1250"), (CZECH, "iso8859_2")),
    *((CZECH, "cp852"), (HUNGARIAN, "cp1250"), (ROMANIAN, "iso8859_2"), (CROATIAN, "cp1250"), (LATVIAN, "cp1257")),
    *((ESTONIAN, "cp1252"), (UKRAINIAN, "cp1251"), (UKRAINIAN, "koi8_u"), (GREEK, "cp1253"), (HEBREW, "cp1255")),
    *((ARABIC, "cp1256"), (THAI, "cp874"), (TRADITIONAL, "big5"), (SPANISH, "cp850"), (RUSSIAN, "mac_cyrillic")),
]

EAST_ASIAN = {"shift_jis", "euc_jp", "gbk", "gb18030", "euc_kr", "big5"}


@pytest.mark.parametrize("plain", [0, 1000])
@pytest.mark.parametrize(("text", "encoding"), OLD)
def test_a_few_sentences_tell_their_encoding(text, encoding, plain):
    data = (PLAIN * plain + text * 2 + PLAIN * plain).encode(encoding)
    likely, *others = likely_encodings(data)
    assert (likely.clear, others) == (True, [])
    assert data.decode(likely.encoding) == data.decode(encoding)


@pytest.mark.parametrize("text", [FRENCH.replace("œ", "oe"), GERMAN, SPANISH])
def test_what_western_encodings_agree_on_is_the_most_common_one(text):
    assert likely_encodings(text.encode("latin-1"))[0].encoding == "cp1252"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("café", "cp1252"), ("20 °C\n", "cp1252"), ("L'été, à la mer", "cp850"), ("kış ve kar", "cp1254")],
)
def test_a_few_letters_leave_the_choice_to_who_can_read_them(text, encoding):
    """Nothing is called clear; each of the likeliest is shown by what it makes of the line, and all differ there."""
    found = likely_encodings(text.encode(encoding))
    assert 1 <= len(found) <= 3
    assert not any(each.clear for each in found)
    assert text.strip() in [each.line for each in found]
    assert len({each.line for each in found}) == len(found)


@given(
    text=st.sampled_from([text for text, _ in OLD]),
    encoding=st.sampled_from(sorted({encoding for _, encoding in OLD} - EAST_ASIAN)),
    start=st.integers(0, 60),
    length=st.integers(16, 100),
)
def test_what_is_called_clear_is_right(text, encoding, start, length):
    """Of any part of any text in any code page that has its letters; nobody writes Russian in one of East Asia's."""
    part = text[start : start + length]
    try:
        data = part.encode(encoding)
    except UnicodeEncodeError:
        return
    found = likely_encodings(data)
    if found and found[0].clear:
        assert data.decode(found[0].encoding) == part


@pytest.mark.parametrize("data", [b"one\n\xff\xfe\xfd\x00\n", (FRENCH * 3).encode() + b"\xe9\n", b"\0\xe9"])
def test_where_nobody_can_know_there_is_none(data):
    """No text, and UTF-8 that was damaged."""
    assert likely_encodings(data) == []


@given(data=st.binary(max_size=200) | st.text(max_size=99).map(lambda text: text.encode("cp1252", "replace")))
@settings(max_examples=300, deadline=None)
def test_whatever_is_suggested_decodes_what_was_seen(data):
    for likely in likely_encodings(data + b"\n"):
        data.decode(likely.encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [PLAIN, RUSSIAN, CHINESE, KOREAN, HEBREW, POLISH])
def test_unicode_without_a_mark_is_no_binary_file(text, encoding):
    with pytest.raises(DataError, match=f"probably UTF-.*encoding={encoding}`") as caught:
        list(decode("old.txt", [(text * 3).encode(encoding)], Decoding(), advise=True))
    assert "binary" not in str(caught.value)


@pytest.mark.parametrize("text", [text for text, _ in OLD])
def test_what_is_in_a_code_page_is_not_taken_for_wide(text):
    for encoding in {encoding for _, encoding in OLD}:
        assert unmarked_wide(text.encode(encoding, "ignore") * 3) is None


@pytest.mark.parametrize("size", [50, 1 << 20])
def test_the_error_names_an_encoding_that_reads_the_file(size):
    data = (PLAIN * 3 + RUSSIAN * 50).encode("cp1251")
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    with pytest.raises(DataError) as caught:
        list(decode("old.txt", chunks, Decoding(), advise=True))
    says = "it looks like cp1251: give `encoding=cp1251`, or replace what cannot be decoded with `errors=replace`"
    assert f"invalid continuation byte; {says}" in str(caught.value)


def test_where_it_is_not_clear_the_line_is_shown_as_each_would_read_it():
    with pytest.raises(
        DataError, match=r"may be cp1252 \('caf\u00e9 au lait'\), .* or .*: give the `encoding` that reads"
    ):
        list(decode("old.txt", [b"caf\xe9 au lait"], Decoding(), advise=True))


def test_nothing_that_a_line_holds_steers_a_terminal():
    with pytest.raises(DataError) as caught:
        list(decode("old.txt", [b"\x1b[31mcaf\xe9\n"], Decoding(), advise=True))
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["ascii", "shift_jis", "utf-16"])
def test_whoever_named_another_encoding_is_not_advised(encoding):
    with pytest.raises(DataError, match="give the right `encoding`"):
        list(decode("old.txt", [FRENCH.encode("cp1252")], Decoding(encoding), advise=True))


def test_a_folder_asks_about_none_of_its_files(tmp_path, monkeypatch):
    (tmp_path / "old.txt").write_bytes(FRENCH.encode("cp1252"))
    (tmp_path / "new.txt").write_text(FRENCH)
    monkeypatch.setattr("charrnn.text.decoding.likely_encodings", None)  # whoever calls it fails
    assert "".join(stream_text(Source((str(tmp_path),)), [])) == FRENCH
