"""A table is read as its rows say, whatever kind of table it is and however its pieces are cut."""

import csv
import gzip
import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import DataError, SettingsError
from charrnn.text.corpus import read_corpus, source_of
from charrnn.text.fields import fields_of, values
from charrnn.text.marks import ANSWER, CONTROLS, END
from charrnn.text.reading import stream_text

ROWS = [("plain", "a"), ('a "quoted" one, with\ncommas\tand tabs', "b"), ("été ; | 'x'", "c")]
texts = st.text(st.characters(exclude_characters={"\r", "\ufeff", *CONTROLS}, codec="utf-8"), min_size=1)


def written(kind, rows, names=("text", "label")):
    if kind == "jsonl":
        return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    out = io.StringIO()
    table = csv.writer(out, delimiter={"csv": ",", "semicolons.csv": ";", "tsv": "\t"}[kind], lineterminator="\n")
    table.writerows([names, *rows])
    return out.getvalue()


def cut(text, size):
    return [text[start : start + size] for start in range(0, len(text), size)]


def found(name, text, wanted, size=1 << 20):
    notices = []
    return [row for row in values(name, cut(text, size), wanted, notices) if row is not None], notices


def learnt(path, **settings):
    return "".join(stream_text(source_of({"corpus": [str(path)], **settings}), []))


@pytest.mark.parametrize("kind", ["csv", "semicolons.csv", "tsv", "jsonl"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_every_kind_gives_back_its_rows(kind, size, rows):
    rows = [row for row in [*rows, *ROWS] if all(cell.strip() for cell in row)]
    assert found(f"a.{kind}", written(kind, rows), ["label", "text"], size) == ([[b, a] for a, b in rows], [])


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_rows_are_records_and_their_targets_answers(tmp_path, kind):
    (tmp_path / f"a.{kind}").write_text(written(kind, ROWS))
    only = learnt(tmp_path / f"a.{kind}", field="text")
    assert only == END + "".join(text + END for text, _ in ROWS)
    both = learnt(tmp_path / f"a.{kind}", field="text", target="label")
    assert both == END + "".join(text + ANSWER + label + END for text, label in ROWS)


def test_marks_windows_line_ends_and_compression_change_nothing(tmp_path):
    plain = written("csv", ROWS)
    windows = "\ufeff" + plain.replace("\n", "\r\n")
    places = {"a.csv": plain.encode(), "b.csv": windows.encode(), "c.csv": windows.encode("utf-16")}
    places |= {"d.csv.gz": gzip.compress(windows.encode()), "e.csv": gzip.compress(plain.encode()), "f": plain.encode()}
    for name, content in places.items():
        (tmp_path / name).write_bytes(content)
    fingerprints = {read_corpus(source_of({"corpus": [str(tmp_path / name)], "field": "text"}))[0].fingerprint
                    for name in places}  # fmt: skip
    assert len(fingerprints) == 1


def test_tables_of_a_folder_are_read_and_other_files_passed_over(tmp_path):
    (tmp_path / "a.csv").write_text("text\none\n")
    (tmp_path / "b.jsonl").write_text('{"text": "two"}\n')
    (tmp_path / "README.md").write_text("text\n")
    notices = []
    pieces = stream_text(source_of({"corpus": [str(tmp_path)], "field": "text"}), notices)
    assert "".join(pieces) == f"{END}one{END}two{END}"
    assert len(notices) == 1
    assert "README.md" in notices[0]


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "id,body,label\n1,x,y\n"), ("a.jsonl", '{"id": 1, "body": "x", "label": "y"}\n')]
)
def test_a_missing_field_names_those_that_are_there(name, text):
    with pytest.raises(DataError, match=r"no 'text'.*id, body, label"):
        found(name, text, ["text"])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a,text,text\n1,2,3\n", "2 columns called 'text'"),
        ('text\nfine\n"open\nmore\n', "line 3 is never closed"),
        ("text\n" + "x" * 300 + "\n", "line"),
        ('text,label\n"fine,\nfine",good\nOh, no,bad\n', "line 4: 3 cells stand below 2 names"),
        ('text\n"fine ""so"""\n"Oh" no\n', "line 3: ',' expected after"),
        ("text\nfine\nOh, no\n", "line 3: 2 cells stand below 1 name"),
    ],
)
def test_a_broken_table_is_refused_with_its_place(text, part, monkeypatch):
    monkeypatch.setattr("charrnn.text.rows.LONGEST", 200)
    with pytest.raises(DataError, match=part):
        found("a.csv", text, ["text"])


def test_delimiters_at_the_end_of_lines_are_nothing():
    assert found("a.csv", "text,label\na,b,\nc,d,, \n", ["label", "text"]) == ([["b", "a"], ["d", "c"]], [])


@pytest.mark.parametrize("text", ["[\n", '{"text": "a"}\n{"text": \n', "plain\n", "[1]\n", "[" * 100_000])
def test_what_is_no_object_is_refused(text):
    with pytest.raises(DataError, match="not a JSON object"):
        found("a.jsonl", text, ["text"])


def test_values_become_text_as_they_are_written():
    lines = ['{"n": 1.50}', '{"n": 12345678901234567890}', '{"n": true}', '{"n": 1e5}', '{"n": "NaN"}', '{"n": NaN}']
    assert [row[0] for row in found("a.jsonl", "\n".join(lines), ["n"])[0]] == [
        *("1.50", "12345678901234567890", "true", "1e5", "NaN", "NaN")
    ]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ('["a"]', "a list"),
        ('{"a": 1}', "an object"),
        *((json.dumps(f"a{mark}"), f"U\\+{ord(mark):04X}") for mark in [*sorted(CONTROLS), "\ud83d"]),
    ],
)
def test_a_value_that_cannot_be_learnt_is_refused(value, what):
    with pytest.raises(DataError, match=rf"'n' of row 3 of a\.jsonl .*{what}"):
        found("a.jsonl", f'{{"n": "a"}}\n{{"m": 1}}\n{{"n": {value}}}', ["n"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "text,label\nx,y\n,y\nx,\nx\n"),
        (
            "a.jsonl",
            '{"text": "x", "label": "y"}\n{"text": null, "label": "y"}\n{"text": "x", "label": ""}\n{"x": 1}\n',
        ),
    ],
)
def test_rows_that_lack_a_value_are_passed_over_and_said(name, text):
    rows, notices = found(name, text, ["text", "label"])
    assert rows == [["x", "y"]]
    assert notices == [f"passed over 3 rows of {name} without text or label"]


def test_the_first_rows_need_not_have_the_field():
    assert found("a.jsonl", '{"other": 1}\n' * 900 + '{"text": "x"}\n', ["text"])[0] == [["x"]]


def test_what_spreadsheets_put_before_the_names_is_no_row():
    assert found("a.csv", "sep=;\nid;text\n1;a,b\n", ["text"]) == ([["a,b"]], [])


def test_a_slow_pipe_gives_each_row_as_it_comes():
    pieces = ["text,x\none,1\n", "", '"two\n', "", 'lines",2\n', ""]
    assert list(values("-", pieces, ["text"])) == [["one"], None, ["two\nlines"], None]


def test_memory_does_not_grow_with_a_table():
    """Ten megabytes pass through less than two."""
    row = "x" * 99 + "\n"
    tracemalloc.start()
    try:
        assert sum(1 for row in values("a.csv", ("text\n", *[row * 1000] * 100), ["text"]) if row) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_fields_exclude_other_records():
    with pytest.raises(SettingsError, match="target_after"):
        fields_of("text", None, None, None, "TAB")
    with pytest.raises(SettingsError, match="`field`"):
        fields_of(None, "label")
