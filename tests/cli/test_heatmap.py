"""The heatmap shows a text and the bits of every symbol, aligned, whatever the text is; nothing of it acts."""

import json
import math
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from charrnn.cli.heatmap import (
    COLOURS,
    RESET,
    STEPS,
    Cell,
    beginning,
    coloured,
    escape,
    joined,
    known,
    rows_of,
    underlined,
)
from charrnn.evaluation.score import Scored
from charrnn.text.marks import ANSWER, END
from charrnn.text.vocabulary import Vocabulary

COMMAND = str(Path(sys.executable).with_name("charrnn"))
SGR = re.compile(r"\x1b\[[\d;]*m")
HOSTILE = "\x1b[2J\x1b]0;title\x07 \r\x00 \x9b31m \u202e\u200b\u2028 \x7f"
NO_NUL = HOSTILE.replace("\x00", "")  # which a text of characters may not have
texts = st.text(st.characters() | st.sampled_from("ab \n\t\x1b\u0301\u4f60\ud800\u200d\u200c")).map(list)
cells = texts.flatmap(
    lambda text: st.tuples(
        *(st.builds(Cell, st.just(each), st.floats(0, 20) | st.just(math.nan)) for each in text)
    ).map(list)
)  # fmt: skip


def parts_of(vocabulary, ids, nats):
    return [Scored(np.array(ids, dtype=vocabulary.dtype), np.array(nats) * math.log(2), 0, np.zeros(len(ids), bool))]


def painted(text):
    """Every character that a terminal shows, with the escape sequence in force where it stands."""
    now, place, found = RESET, 0, []
    for sequence in [*SGR.finditer(text), None]:
        end = sequence.start() if sequence else len(text)
        found += [(character, now) for character in text[place:end]]
        now, place = (sequence[0], sequence.end()) if sequence else (now, end)
    return found, now


@given(cells)
def test_nothing_of_a_text_acts_in_either_form(text):
    for shown in ("".join(coloured(joined(text), 0)), "".join(underlined(joined(text), 4, 30))):
        left = SGR.sub("", shown).replace("\n", "")
        assert not [each for each in left if unicodedata.category(each) in ("Cc", "Cs")]
        assert not set(left) & set(HOSTILE) - {" ", *"[2J]0;title31m"}
        shown.encode()


@given(cells, st.integers(8, 40))
def test_marks_stand_below_what_they_mark(text, columns):
    lines = "".join(underlined(joined(text), 4, columns)).split("\n")
    assert lines.pop() == ""
    rows = list(rows_of(joined(text), columns))
    assert len(lines) == 2 * len(rows)
    for row, line, marks in zip(rows, lines[::2], lines[1::2], strict=True):
        assert cell_len(line) <= columns + 1 or len(row.cells) == 1
        column = 0
        for shown, bits in row.cells:
            expected = "^" if bits > 4 else "~" if bits > 2 else " "
            assert set(marks.ljust(999)[column : column + cell_len(shown)]) == {expected}
            column += cell_len(shown)
        assert column == cell_len(line) >= len(marks)


@given(cells)
def test_colours_are_those_of_the_bits_and_none_goes_on_after_its_line(text):
    found, last = painted("".join(coloured(joined(text), 1.5)))
    assert last == RESET
    assert all(colour == RESET for character, colour in found if character == "\n")
    expected = [
        (character, escape(bits) if bits > 1.5 else RESET)
        for row in rows_of(joined(text))
        for shown, bits in row.cells
        for character in shown
    ]
    assert [(character, colour) for character, colour in found if character != "\n"] == expected


def test_the_rows_of_a_text_worked_out_by_hand():
    """A tab reaches to the next eighth column; a wide character takes two, an accent none; a newline has its mark."""
    bits = {"a": 1.0, "\t": 5.0, "\u4f60": 9.0, "e": 0.0, "\u0301": 4.5, "\n": 3.0, "\x1b": 4.1}
    rows = underlined(joined(Cell(each, bits[each]) for each in "a\t\u4f60e\u0301\n\u0301\x1b"), 4, 79)
    assert "".join(rows).split("\n") == [
        "a       \u4f60e\u0301\u23ce",
        " ^^^^^^^^^^~",
        "\u25cc\u0301\\x1b",
        "^^^^^",
        "",
    ]  # fmt: skip


@pytest.mark.parametrize("bits", [0, 0.99, 1, 1.5, 2, 3.99, 4, 6, 8, 10.99, 11, 99, math.inf, math.nan])
def test_a_colour_begins_with_its_step(bits):
    reached = sum(bits >= step for step in STEPS)
    if math.isnan(bits):
        assert "".join(coloured([Cell("a", bits)], 0)) == "a\n"
    else:
        assert (escape(bits) == RESET) == (reached == 0)
        assert escape(bits) == RESET or f"48;5;{COLOURS[reached - 1][0]};" in escape(bits)


def luminance(colour):
    """Of one of the 256 colours: the cube of 6 x 6 x 6, as WCAG 2 has it."""
    levels = [0, 95, 135, 175, 215, 255]
    red, green, blue = (levels[(colour - 16) // size % 6] / 255 for size in (36, 6, 1))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_colour_is_legible_and_stands_out_on_black_and_on_white():
    def contrast(one, other):
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    assert len(set(COLOURS)) == len(COLOURS) == len(STEPS)
    for background, foreground in COLOURS:
        assert contrast(background, foreground) >= 4.5
        assert min(contrast(background, 16), contrast(background, 231)) >= 1.8


def test_bytes_are_joined_to_characters_that_cost_what_they_cost_together():
    vocabulary = Vocabulary.of(b"")
    data = "a\u4f60".encode() + b"\xff" + "\u00e9".encode() + b"\xe4\xbd"
    found = list(known(vocabulary, parts_of(vocabulary, list(data), [1, 2, 3, 4, 5, 6, 7, 8, 9]), [0]))
    assert [text for text, _ in found] == ["a", "\u4f60", "\\xff", "\u00e9", "\\xe4", "\\xbd"]
    assert [bits for _, bits in found] == pytest.approx([1, 9, 5, 13, 8, 9])


@given(st.binary(max_size=40))
def test_no_byte_and_none_of_its_bits_is_lost(data):
    vocabulary = Vocabulary.of(b"")
    found = list(known(vocabulary, parts_of(vocabulary, list(data), list(range(len(data)))), [0]))
    assert math.fsum(bits for _, bits in found) == pytest.approx(sum(range(len(data))))
    text = "".join(text for text, _ in found)
    assert text == data.decode("utf-8", "backslashreplace")


def test_records_end_with_a_newline_and_what_does_not_count_has_no_colour():
    vocabulary = Vocabulary("char", (END, "a", "b", ANSWER), end="; ", answer=" = ")
    ids = vocabulary.encode(f"{END}a{ANSWER}b{END}b{ANSWER}a{END}")
    nats = [math.nan] + [math.nan, math.nan, 9, 5] * 2
    found = list(known(vocabulary, parts_of(vocabulary, ids, nats), [0]))
    assert [text for text, _ in found] == ["a", " = ", "b", "\n", "b", " = ", "a", "\n"]
    rows = "".join(underlined(joined(found), 4, 79)).split("\n")
    assert rows == ["a = b\u23ce", "    ^^", "b = a\u23ce", "    ^^", ""]


def test_words_are_marked_whole():
    vocabulary = Vocabulary("word", (" day", "\n", "Shall"))
    found = known(vocabulary, parts_of(vocabulary, [2, 0, 1], [9, 3, 0]), [0])
    assert "".join(underlined(joined(found), 4, 79)).split("\n") == ["Shall day\u23ce", "^^^^^~~~~", ""]


@pytest.mark.parametrize(("symbols", "length"), [(2000, 2000), (2001, 2000), (90_000, 2000)])
def test_of_a_long_part_the_beginning_is_shown(capsys, symbols, length):
    ids, vocabulary = np.zeros(symbols, dtype=np.uint8), Vocabulary.of("a")
    assert sum(map(len, beginning(Part(ids, vocabulary)))) == length
    note = "" if length == symbols else f"the first 2,000 of {symbols:,} symbols; a TEXT is shown in full\n"
    assert capsys.readouterr().err == note


def test_of_many_records_the_first_are_shown_whole():
    vocabulary = Vocabulary("char", (END, "a"), end="\n")
    ids = vocabulary.encode(END + ("aaaaaa" + END) * 999)
    (shown,) = beginning(Part(ids, vocabulary))
    assert (shown[0], shown[-1], len(shown) % 7) == (0, 0, 1)
    assert abs(len(shown) - 2000) < 7


class Part:
    """What is scored where no TEXT is named."""

    def __init__(self, ids, vocabulary):
        self.split, self.model, self.corpus = "validation", SimpleNamespace(vocabulary=vocabulary), self
        self.part = {"validation": ids}.__getitem__


# The whole command

PLAIN, FORCED = {"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}
FLOAT32 = ["--precision", "float32"]


def shown(charrnn, folder, *arguments, env=PLAIN, **settings):
    done = charrnn("evaluate", *arguments, "--heatmap", cwd=folder, env=env, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(), done.stderr.decode()


def test_the_bits_are_those_of_each_symbol(charrnn, trained):
    text = b"Shall I compare\nthee to a ,',:?\n"
    symbols = charrnn("evaluate", "verses", "-", "--per-char", cwd=trained, stdin=text).stdout.splitlines()
    bits = [json.loads(line)["bits"] for line in symbols]
    limit = sorted(bits)[-5]
    legend, empty, *rows = shown(charrnn, trained, "verses", "-", "--threshold", str(limit), stdin=text)[0].split("\n")
    assert legend == f"^ more than {limit:g} bits, ~ more than {limit / 2:g}"
    assert (empty, rows.pop()) == ("", "")
    assert "".join(rows[::2]).replace("\u23ce", "\n").encode() == text
    marks = "".join(below.ljust(len(line)) for line, below in zip(rows[::2], rows[1::2], strict=True))
    assert list(marks) == ["^" if each > limit else "~" if each > limit / 2 else " " for each in bits]
    assert marks.count("^") == 4
    found, _ = painted(shown(charrnn, trained, "verses", "-", stdin=text, env=FORCED)[0].split("\n\n", 1)[1])
    colours = [colour for character, colour in found if character != "\n"]
    assert colours == [escape(each) for each in bits]


def test_a_hostile_text_reaches_a_pipe_inert(charrnn, trained):
    for env in (PLAIN, FORCED):
        out, _ = shown(charrnn, trained, "verses", "-", "--unknown", "replace", stdin=NO_NUL.encode(), env=env)
        assert not [each for each in SGR.sub("", out) if each != "\n" and unicodedata.category(each) == "Cc"]
        assert not set(out) & set("\u202e\u200b\u2028")


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_a_model_that_knows_control_characters_shows_them(charrnn, tmp_path, unit):
    (tmp_path / "hostile.txt").write_text((HOSTILE if unit == "byte" else NO_NUL) * 30)
    shape = ["--hidden", "8", "--embedding", "4", "--batch-size", "2", "--seq-length", "8", "--steps", "2", *FLOAT32]
    assert charrnn("train", "hostile.txt", "--unit", unit, *shape, "-q", cwd=tmp_path).returncode == 0
    for env in (PLAIN, FORCED):
        out = SGR.sub("", shown(charrnn, tmp_path, "hostile", "hostile.txt", env=env)[0])
        assert "\\x1b[2J\\x1b]0;title\\x07" in out.replace("\n", "")
        assert not [each for each in out if each != "\n" and unicodedata.category(each) == "Cc"]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
    ids=str,
)
def test_a_terminal_has_colours_unless_it_is_told_otherwise(trained, env, expected):
    ours, theirs = os.openpty()
    clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    line = [COMMAND, "evaluate", "verses", "-", "--heatmap"]
    done = subprocess.run(line, input=b"Shall", stdout=theirs, cwd=trained, env=clean | env, check=True)
    os.close(theirs)
    out = os.read(ours, 10_000)
    os.close(ours)
    assert done.returncode == 0
    assert (b"\x1b[48;5;" in out, b"^ more than 4 bits" in out) == (expected, not expected)


def test_a_short_part_and_a_text_are_shown_whole(charrnn, trained):
    whole = (trained / "verses.txt").read_text()
    for part, line in ((whole[int(len(whole) * 0.9) :], []), (whole, ["verses.txt"])):
        out, note = shown(charrnn, trained, "verses", *line)
        assert "".join(out.split("\n")[2::2]).replace("\u23ce", "\n") == part
        assert note == ""


def test_what_is_left_out_is_counted(charrnn, trained):
    out, note = shown(charrnn, trained, "verses", "-", stdin="Shall \u4f60\u597d I".encode())
    assert out.split("\n")[2] == "Shall  I"
    assert "2 characters that the model does not know" in note
    nothing = charrnn("evaluate", "verses", "-", "--heatmap", cwd=trained, stdin="\u4f60".encode())
    assert (nothing.returncode, nothing.stdout) == (65, b"")


def test_a_reader_that_leaves_ends_it_silently(trained):
    text = (trained / "verses.txt").read_bytes()[:9000]
    line = [COMMAND, "evaluate", "verses", "-", "--heatmap"]
    env = os.environ | FORCED
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(line, cwd=trained, env=env, **streams) as process:
        process.stdin.write(text)
        process.stdin.close()
        process.stdout.read(10)
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)


@pytest.mark.parametrize(
    "line",
    [["--json"], ["--per-line"], ["--per-char"], ["--baselines"], ["--adapt"], ["--choices", "a,b"], ["verses", "--"]],
    ids=lambda line: line[0],
)
def test_it_is_for_the_text_of_one_model(charrnn, trained, line):
    done = charrnn("evaluate", "verses", "--heatmap", *line, cwd=trained)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)


def test_what_a_joiner_joins_is_one_cell():
    """No escape sequence of ours stands within a family, and no joiner of Persian is written out."""
    written = [Cell(character, float(place)) for place, character in enumerate("می\u200cروم 👨\u200d👩\u200d👧")]
    found = list(joined(written))
    assert "".join(cell.text for cell in found) == "می\u200cروم 👨\u200d👩\u200d👧"
    assert found[-1] == Cell("👨\u200d👩\u200d👧", float(len(written) - 1))
