"""What a page may hold and must not, as a parser reads it; for what it does in a browser see tests/cli/test_report."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from charrnn.report.contents import Account, Baseline, Cells, Copying, Rung, Symbol, Unit
from charrnn.report.curves import curves
from charrnn.report.markup import data
from charrnn.report.page import MOST, page, shortened

HOSTILE = "</script></pre></title><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\u202e\0\ud800&\"'"
EVENTS = [
    {"event": "trained", "step": step, "epoch": step / 10, "loss": 4 / step, "learning_rate": 0.1, "seconds": step}
    for step in range(1, 11)
]


def account(name="verses", text="ab\n", passage=3, units=2, rungs=3):
    likeliest = (("a", 0.66666), ("\n", 0.33333))
    symbols = tuple(Symbol(text[k % len(text)], k / 2, likeliest) for k in range(passage))
    levels = tuple("0123456789abcde"[k % 15] * passage for k in range(units))
    return Account(
        name=name,
        card=(("learnt", text), ("trained", "10 steps")),
        parameters=12,
        bits_per_char=1.25,
        baselines=(Baseline("6-gram", "counted", 2.5),),
        settings={"hidden": 4, "corpus": [text]},
        curves=curves(EVENTS, train_symbols=100),
        rungs=tuple(Rung(k, 2.0, f"{text}{k}") for k in range(rungs)),
        passage=symbols,
        where="From the held-out text",
        cells=Cells("tanh(c).", units, levels, (Unit(1, f"inside {text}", 0.5),)),
        reach=(1.0, 0.5, 0.25),
        copying=Copying("A sample.", ("x", text, "y"), (3, 2), {4: (0.5, 0.25), 5: (None, 0.0)}),
        notices=(text,),
    )


class Reader(HTMLParser):
    """The elements of a page with their attributes, and the texts between them."""

    def __init__(self, content):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(content.decode())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in self.open, f"</{tag}> closes nothing"
        while self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def content(self, tag):
        return [data for name, data in self.texts if name == tag]


def test_the_policy_lets_in_the_pages_own_style_and_script_alone():
    found = Reader(page([account()], "charrnn"))
    (policy,) = [each["content"] for each in found.of("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives["default-src"] == directives["base-uri"] == directives["form-action"] == "'none'"
    (style,), (*_, script) = found.content("style"), found.content("script")
    for directive, content in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert directives[directive] == f"'sha256-{digest}'"


def test_nothing_on_a_page_asks_for_anything_or_carries_a_handler():
    found = Reader(page([account(), account("other")], "charrnn"))
    for tag, attributes in found.elements:
        assert tag not in ("img", "iframe", "object", "embed", "form", "a", "base", "video", "audio")
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("style", "src", "srcset", "action", "formaction")
            assert name != "href" or value == "data:,"


@pytest.mark.parametrize("name", [HOSTILE, "verses"])
def test_hostile_texts_are_shown_and_do_nothing(name):
    tame, hostile = (Reader(page([account(name="x", text="t")], "c")), Reader(page([account(name, HOSTILE)], "c")))
    assert [tag for tag, _ in tame.elements if tag != "i"] == [tag for tag, _ in hostile.elements if tag != "i"]
    content = page([account(name, HOSTILE)], "c").decode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", content)
    assert "\\x1b[31m\\u202e\\x00\\ud800" in html.unescape(content)


def test_every_number_for_the_script_is_in_its_data_and_shares_never_exceed_one():
    found = Reader(page([account(text="\u2028</script>\n")], "c"))
    passage, cells = (json.loads(data) for data in found.content("script")[:2])
    assert len(passage) == 3
    assert all(sum(symbol[3::2]) <= 1 for symbol in passage)
    assert passage[0][2:] == ["a", 0.6666, "\u21b5", 0.3333]
    assert cells == {"hidden": 2, "levels": ["000", "111"]}


def test_nothing_in_the_data_ends_its_element():
    words = ["</script>", "<!--", "<script>"]
    content = data("words", words)
    assert content.count("<") == 2
    (held,) = Reader(content.encode()).content("script")
    assert json.loads(held) == words


def test_ids_are_unique_also_with_many_runs():
    found = Reader(page([account(str(k)) for k in range(5)], "c"))
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    wanted = {attributes["data-of"] for _, attributes in found.elements if "data-of" in attributes}
    assert wanted <= set(ids)
    assert {attributes["for"] for attributes in found.of("label") if "for" in attributes} <= set(ids)


def test_several_runs_are_ordered_by_score_and_differing_settings_stand_side_by_side():
    worse = replace(account("worse"), bits_per_char=2.0, settings={"hidden": 8, "corpus": ["ab\n"]})
    content = page([worse, account("better")], "c").decode()
    assert content.index("<th>better</th>") < content.index("<th>worse</th>")
    assert "<tr><th>hidden</th><td>8</td><td>4</td></tr>" in content
    assert "<tr><th>corpus</th><td>" not in content.split("<h2>")[0]


@pytest.mark.parametrize(
    "account", [Account("bare"), replace(account(), passage=(), cells=None, curves=None, rungs=())]
)
def test_what_is_missing_is_left_out(account):
    content = page([account, account], "c")
    Reader(content)
    assert b"None" not in content
    assert b"nan" not in content


@pytest.mark.parametrize(("units", "symbols", "rungs", "text"), [(4096, 1000, 50, "ab "), (64, 1000, 900, HOSTILE * 9)])
def test_a_page_stays_small_whatever_it_shows(units, symbols, rungs, text):
    content = page([account(str(k), text, symbols, units, rungs) for k in range(3)], "c")
    assert len(content) < MOST
    Reader(content)


def test_a_shortened_ladder_keeps_its_first_and_its_last_rung():
    long = account(rungs=100)
    for share, kept in ((1.0, 100), (0.5, 100), (0.03, 48), (0.001, 2)):
        rungs = shortened(long, share, 1).rungs
        assert (rungs[0], rungs[-1]) == (long.rungs[0], long.rungs[-1])
        assert len(rungs) == kept
        said = "others are not shown" in page([shortened(long, share, 1)], "c").decode()
        assert said == (kept < 100)
    assert shortened(replace(long, rungs=long.rungs[:1]), 0.001, 1).rungs == long.rungs[:1]


def test_runs_share_out_the_room_for_cells():
    wide = account(passage=1000, units=1000)
    assert [len(shortened(wide, 1.0, runs).cells.levels[0]) for runs in (1, 3, 1000)] == [300, 100, 1]
    assert len(shortened(account(passage=1000, units=2), 0.5, 3).cells.levels[0]) == 500
