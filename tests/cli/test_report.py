"""`charrnn report` as a whole: what it says, and what its page does in a real browser (Chromium, by Selenium)."""

import json
import re
import shutil

import pytest

from tests.browser import js, opened

TINY = ["--hidden", "24", "--embedding", "8", "--batch-size", "4", "--seq-length", "16", "--precision", "float32"]
HOSTILE = (
    'He said "</script><script>document.title=1</script>" (and left).\n'
    "<img src=x onerror=document.title=2> \x1b[31m\u202e\1 & {x}\n\t<!-- ' -->\n"
)


@pytest.fixture(scope="module")
def reported(trained, charrnn, tmp_path_factory):
    """A copy of the trained folder, with the report of its run."""
    folder = tmp_path_factory.mktemp("reported") / "copy"
    shutil.copytree(trained, folder)
    done = charrnn("report", "verses", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"checkpoints/verses/report.html\n"
    return folder


def test_the_page_says_what_evaluate_says(reported, charrnn):
    page = (reported / "checkpoints/verses/report.html").read_text()
    score = json.loads(charrnn("evaluate", "verses", "--json", "--baselines", cwd=reported).stdout)
    standing = dict(re.findall(r"<tr[^>]*><th>([\w-]+)</th><td class=\"number\">([\d.]+)</td><td><svg", page))
    assert float(standing.pop("verses")) == pytest.approx(score["bits_per_char"], abs=1e-4)
    assert {name: float(bits) for name, bits in standing.items()} == pytest.approx(score["baselines"], abs=1e-4)
    symbols = [
        json.loads(line) for line in charrnn("evaluate", "verses", "--per-char", cwd=reported).stdout.splitlines()
    ]
    shown = json.loads(re.search(r'id="passage-0">(.*?)</script>', page)[1])
    bits = [each["bits"] for each in symbols[-len(shown) :]]
    assert [each[1] for each in shown] == pytest.approx(bits, abs=1e-3)
    for symbol, wanted in zip(shown, symbols[-len(shown) :], strict=True):
        likeliest = dict(zip(symbol[2::2], symbol[3::2], strict=True))
        if symbol[0] in likeliest:
            assert likeliest[symbol[0]] == pytest.approx(2 ** -wanted["bits"], abs=2e-4)


def test_the_page_opens_alone_and_silently_by_day_and_by_night(browser, reported):
    page, grounds = reported / "checkpoints/verses/report.html", set()
    for width in (1280, 390):
        for dark in (False, True):
            opened(browser, page, width=width, dark=dark)
            assert js(browser, "return document.documentElement.scrollWidth") <= width
            grounds.add(js(browser, "return getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2
    assert js(browser, "return document.querySelectorAll('svg polyline, svg path').length") > 0


def test_the_slider_moves_the_sample(browser, reported):
    opened(browser, reported / "checkpoints/verses/report.html")
    events = [json.loads(line) for line in (reported / "checkpoints/verses/metrics.jsonl").read_text().splitlines()]
    samples = [event["text"] for event in events if event["event"] == "sampled"]
    assert len(samples) > 1
    slide = """
        const slider = document.querySelector(".ladder input");
        slider.value = arguments[0];
        slider.dispatchEvent(new Event("input"));
        const shown = [...document.querySelectorAll(".rungs > li")].filter((li) => li.offsetParent !== null);
        return shown.map((li) => [li.querySelector("h4").textContent, li.querySelector("pre").textContent]);
    """
    for place, text in enumerate(samples):
        ((head, shown),) = js(browser, slide, place)
        assert shown == text
        assert "bits per character" in head


def test_hovering_shows_what_was_likeliest(browser, reported):
    from selenium.webdriver import ActionChains

    opened(browser, reported / "checkpoints/verses/report.html")
    marks = browser.find_elements("css selector", ".surprisal pre i")
    seen = set()
    for mark in marks[10:40:6]:
        js(browser, "arguments[0].scrollIntoView({block: 'center'})", mark)
        ActionChains(browser).move_to_element(mark).perform()
        panel = browser.find_element("css selector", ".surprisal .panel")
        shares = [
            float(td.get_attribute("data-probability")) for td in panel.find_elements("css selector", "td.number")
        ]
        assert len(shares) == 5
        assert shares == sorted(shares, reverse=True)
        assert 0 < sum(shares) <= 1
        assert "bits" in panel.text
        seen.add(panel.text)
    assert len(seen) > 1


def test_any_unit_can_be_picked(browser, reported):
    opened(browser, reported / "checkpoints/verses/report.html")
    pick = """
        const picker = document.querySelector(".cells input");
        picker.value = arguments[0];
        picker.dispatchEvent(new Event("input"));
        return [document.querySelector(".live figcaption").textContent,
                [...document.querySelectorAll(".live pre i")].map((mark) => mark.className.slice(1)).join("")];
    """
    levels = json.loads(js(browser, "return document.getElementById('cells-0').textContent"))["levels"]
    assert len(levels) == 24
    assert len(set(levels)) > 20
    for unit in (0, 5, 23):
        caption, shown = js(browser, pick, unit + 1)
        assert f"unit {unit + 1}" in caption
        assert shown == levels[unit]
    assert js(browser, pick, 99)[1] == levels[23], "what is not there changes nothing"


def test_the_page_is_whole_without_scripts(browser, reported):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(browser, reported / "checkpoints/verses/report.html")
        rungs = browser.find_elements("css selector", ".rungs > li pre")
        assert len(rungs) > 1
        assert all(rung.is_displayed() for rung in rungs)
        assert not browser.find_element("css selector", ".controls").is_displayed()
        assert "bits; " in browser.find_element("css selector", ".surprisal pre i").get_attribute("title")
        browser.find_element("css selector", "label[for=against-2]").click()
        sheets = browser.find_elements("css selector", ".tabs .sheet")
        assert [sheet.is_displayed() for sheet in sheets] == [False, False, True]
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_hostile_corpus_stays_inert(browser, charrnn, tmp_path):
    (tmp_path / "hostile.txt").write_text(HOSTILE * 40)
    name = "<b>&amp;'\""
    line = ["train", "hostile.txt", *TINY, "--steps", "30", "--name", name, "-q"]
    assert charrnn(*line, cwd=tmp_path).returncode == 0
    done = charrnn("report", name, "-o", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    opened(browser, tmp_path / "page.html")
    assert browser.title == name
    assert js(browser, "return document.querySelectorAll('img, b').length") == 0
    shown = js(browser, "return document.querySelector('.surprisal pre').textContent")
    assert "</script><script>document.title=1</script>" in shown
    assert "\\x1b[31m\\u202e\\x01" in shown


def test_several_runs_share_a_page(browser, reported, door, tmp_path):
    shutil.copytree(reported, tmp_path / "work")
    flags = [*TINY, "--layers", "2", "--steps", "20", "-q"]
    lines = [["train", "verses.txt", "--cell", cell, "--name", cell, *flags] for cell in ("gru", "rnn")]
    lines.append(["report", "verses", "gru", "rnn", "-o", "three.html"])
    assert [done.code for done in door([(line, {}) for line in lines], tmp_path)] == [0, 0, 0]
    assert (tmp_path / "work/three.html").stat().st_size < 1_000_000
    opened(browser, tmp_path / "work/three.html")
    heads = [head.text for head in browser.find_elements("css selector", "h2")]
    assert heads == ["verses", "gru", "rnn"]
    differing = js(browser, "return [...document.querySelectorAll('table th')].map((th) => th.textContent)")
    assert {"cell", "layers", "steps"} <= set(differing)
    assert "seed" not in differing[: differing.index("network")]
    units = js(browser, "return document.querySelectorAll('.cells')[2].querySelector('input').max")
    assert units == "48"


def test_a_model_without_its_run_and_its_text_has_a_page_too(charrnn, tmp_path, browser):
    line = ["train", "-", *TINY, "--steps", "5", "--name", "piped", "-q"]
    assert charrnn(*line, cwd=tmp_path, stdin=b"to be or not to be\n" * 40).returncode == 0
    shutil.copy(tmp_path / "checkpoints/piped/best.safetensors", tmp_path / "alone.safetensors")
    done = charrnn("report", "alone.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert b"standard input" in done.stderr
    opened(browser, tmp_path / "report.html")
    assert browser.title == "alone"


def test_the_same_run_makes_the_same_page(reported, charrnn):
    again = charrnn("report", "verses", "-o", "-", cwd=reported, fresh=True).stdout  # sets have another order there
    assert again == (reported / "checkpoints/verses/report.html").read_bytes()


def test_what_cannot_be_reported_is_one_line(door, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "work")
    shutil.copy(tmp_path / "work/checkpoints/verses/best.safetensors", tmp_path / "work/mine.safetensors")
    (tmp_path / "work/report.html").write_text("mine")
    shutil.copytree(tmp_path / "work/checkpoints/verses", tmp_path / "work/checkpoints/odd")
    (tmp_path / "work/checkpoints/odd/metrics.jsonl").unlink()
    (tmp_path / "work/checkpoints/odd/metrics.jsonl").mkdir()
    lines = {
        ("report", "mine.safetensors"): 73,
        ("report", "odd"): 66,
        ("report", "nobody"): 66,
        ("report", "verses", "-o", ""): 2,
        ("report", "verses", "-o", "no/such/folder.html"): 73,
        ("report", "verses", "-o", "checkpoints"): 73,
    }
    for done in door([(list(line), {}) for line in lines], tmp_path):
        assert done.code == lines[tuple(done.arguments)], done
        assert done.stderr.splitlines()[-1].startswith("charrnn: error: ")
        assert done.stdout == ""
    assert (tmp_path / "work/report.html").read_text() == "mine"


KINDS = {
    "answers": ("good morning\tguten Morgen\nthank you\tdanke\n" * 30, ["--target-after", "TAB"]),
    "records": ("anna\nbob\nclara\n" * 60, ["--records", "lines"]),
    "bytes": ("Die Straße ist naß. 你好\n" * 40, ["--unit", "byte"]),
    "words": ("the cat and the dog and the cow\n" * 60, ["--unit", "word"]),
    "short": ("abcabcab", []),
    "whole": ("abc" * 200, ["--validation-fraction", "0"]),
    "folded": ("to be or not to be\n" * 60 + "ž", ["--min-count", "2"]),
}


def test_whatever_a_model_learnt_can_be_shown(door, tmp_path):
    (tmp_path / "work").mkdir()
    lines = []
    for name, (text, flags) in KINDS.items():
        (tmp_path / f"work/{name}.txt").write_text(text)
        lines += [(["train", f"{name}.txt", *TINY, *flags, "--steps", "10", "-q"], {}), (["report", name], {})]
    for done in door(lines, tmp_path):
        assert done.code == 0, done
    for name in KINDS:
        content = (tmp_path / f"work/checkpoints/{name}/report.html").read_text()
        silent = "<style>.*?</style>|<details>.*?</details>|<script.*?</script>|<pre.*?</pre>"
        said = re.sub(silent, "", content, flags=re.S)
        assert not re.search(r"\b(nan|None|inf)\b", said), name
        shown = json.loads(re.search(r'id="passage-0">(.*?)</script>', content)[1])
        assert len(shown) > 1
        assert all(bits >= 0 for _, bits, *_ in shown if bits is not None), name
