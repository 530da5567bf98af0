"""`charrnn export` as a whole: a page that writes in a real browser, a graph, a folder; and what is refused."""

import json
import re
import time

import numpy as np
import pytest

from charrnn.language_model import load
from charrnn.text.vocabulary import Vocabulary
from tests.browser import js, opened
from tests.cli.test_report import HOSTILE, TINY

TEXT = "The lazy dog; the quick\nbrown fox."


@pytest.fixture(scope="session")
def desks(once, charrnn):
    """A folder with a trained run, another of hostile symbols and one of answers, and their pages."""

    def make(folder):
        (folder / "verses.txt").write_text("The quick brown fox jumps;\nover the lazy dog, it went.\n" * 40)
        (folder / "hostile.txt").write_text((HOSTILE + "\u2028\u200f\x7f\ufeff") * 20)
        (folder / "many.txt").write_text("".join(chr(0x4E00 + n % 5000) for n in range(20_000)))
        (folder / "asked.txt").write_text("".join(f"{a}+{b}={a + b}\n" for a in range(10) for b in range(10)))
        answers = ["--records", "lines", "--target-after", "="]
        for name, more in (("verses", []), ("hostile", []), ("asked", answers), ("many", ["--unit", "char"])):
            line = ["train", f"{name}.txt", *TINY, *more, "--steps", "60", "--learning-rate", "0.01", "-q"]
            assert charrnn(*line, cwd=folder).returncode == 0
            line = ["export", name, f"{name}.html", "--weights", "float32"]
            done = charrnn(*line, cwd=folder)
            assert (done.returncode, done.stdout.decode()) == (0, f"{name}.html\n")
            assert done.stderr.decode().startswith("float32 weights: +0.0000 bits per character")

    return once("exported", make)


def written(browser):
    """The text when writing has ended."""
    for _ in range(400):
        if not js(browser, "return document.body.classList.contains('writing') || window.desk.waiting"):
            return js(browser, "return document.getElementById('text').value")
        time.sleep(0.02)
    raise AssertionError("it does not end")


def put(browser, field, value):
    js(
        browser,
        "const it = document.getElementById(arguments[0]); it.value = arguments[1];"
        "it.dispatchEvent(new Event('input', { bubbles: true }))",
        field,
        value,
    )


def test_the_page_writes_what_sample_writes(browser, desks, charrnn):
    opened(browser, desks / "verses.html")
    put(browser, "temperature", 0)
    put(browser, "length", 2000)
    browser.find_element("id", "write").click()
    found = written(browser)
    line = ["sample", "verses", "-t", "0", "-n", "2000", "--seed", "1"]
    assert found == charrnn(*line, cwd=desks).stdout.decode()[:2000]
    assert browser.get_log("browser") == []


def test_the_same_seed_gives_the_same_text_and_another_another(browser, desks):
    texts = []
    for again, seed in ((False, 0), (True, 5), (True, 5), (True, 6)):
        opened(browser, desks / "verses.html")
        put(browser, "text", "The ")
        if again:
            browser.find_element("id", "again").click()
        put(browser, "seed", seed)
        put(browser, "length", 80)
        browser.find_element("id", "write").click()
        texts.append(written(browser))
        assert texts[-1].startswith("The ")
    assert texts[1] == texts[2] != texts[3]
    assert f"seed {6}" in browser.find_element("id", "status").text


def test_what_is_typed_is_coloured_by_its_bits(browser, desks, charrnn):
    opened(browser, desks / "verses.html")
    browser.find_element("id", "text").send_keys(TEXT)
    assert written(browser) == TEXT
    symbols = charrnn("evaluate", "verses", "-", "--per-char", cwd=desks, stdin=TEXT.encode()).stdout.splitlines()
    bits = [json.loads(line)["bits"] for line in symbols]
    marks = js(browser, "return [...document.querySelectorAll('#ink i')].map((i) => [i.textContent, i.className])")
    assert "".join(text for text, _ in marks) == TEXT
    for (_, name), wanted in zip(marks[1:], bits[1:], strict=True):
        assert abs(int(re.search(r"s(\d+)", name)[1]) - min(9, wanted)) <= 1
    shown = float(browser.find_element("id", "score").text.split()[0])
    assert shown == pytest.approx(np.mean(bits[1:]), abs=0.02)


def test_tab_takes_the_likeliest_symbol_and_escape_gives_tab_back(browser, desks, charrnn):
    from selenium.webdriver import Keys

    opened(browser, desks / "verses.html")
    field = browser.find_element("id", "text")
    field.send_keys("The laz")
    written(browser)
    predicted = json.loads(charrnn("predict", "verses", "-p", "The laz", "--top", "5", "--json", cwd=desks).stdout)
    shown = browser.find_elements("css selector", "#next code")
    assert [code.text for code in shown] == [each["text"].replace(" ", "\u2423") for each in predicted["predictions"]]
    field.send_keys(Keys.TAB)
    assert written(browser) == "The laz" + predicted["predictions"][0]["text"]
    field.send_keys(Keys.ESCAPE, Keys.TAB)
    assert js(browser, "return document.activeElement.id") != "text"


def test_writing_goes_on_from_the_cursor_and_stops_when_asked(browser, desks):
    opened(browser, desks / "verses.html")
    put(browser, "text", "The  dog")
    js(browser, "document.getElementById('text').setSelectionRange(4, 4)")
    put(browser, "length", 10_000_000)
    browser.find_element("id", "write").click()
    time.sleep(0.3)
    browser.find_element("id", "stop").click()
    found = written(browser)
    assert found.startswith("The ")
    assert found.endswith(" dog")
    assert len(found) > 8
    assert "stopped" in browser.find_element("id", "status").text


def test_any_unit_can_be_picked(browser, desks):
    opened(browser, desks / "verses.html")
    put(browser, "text", TEXT)
    written(browser)
    names = [button.text for button in browser.find_elements("css selector", "#named button")]
    assert names
    assert "place in the line" in names or len(names) > 1
    shown = set()
    for unit in (1, 2, 24):
        put(browser, "unit", unit)
        shown.add(js(browser, "return [...document.querySelectorAll('#ink i')].map((i) => i.className).join()"))
    assert len(shown) == 3


def test_a_question_is_answered(browser, desks, charrnn):
    opened(browser, desks / "asked.html")
    put(browser, "temperature", 0)
    put(browser, "text", "1+1=2\n3+4")
    browser.find_element("id", "ask").click()
    answer = charrnn("sample", "asked", "-p", "3+4", "-t", "0", "--no-echo", cwd=desks).stdout.decode()
    assert written(browser).rstrip("\n") == f"1+1=2\n3+4={answer}".rstrip("\n")


@pytest.mark.parametrize(("name", "width"), [("hostile", 1280), ("hostile", 390), ("many", 390)])
def test_the_page_is_alone_and_silent_whatever_its_symbols(browser, desks, name, width):
    for dark in (False, True):
        opened(browser, desks / f"{name}.html", width=width, dark=dark)
        put(browser, "text", HOSTILE)
        written(browser)
        put(browser, "length", 200)
        browser.find_element("id", "write").click()
        written(browser)
        assert js(browser, "return document.documentElement.scrollWidth") <= width
        assert js(browser, "return document.title") == f"{name}: a writing desk"
        assert browser.get_log("browser") == []


@pytest.mark.parametrize("part", ["model", "weights", "script"])
def test_a_damaged_page_says_so(browser, desks, tmp_path, part):
    content = (desks / "verses.html").read_text()
    found = {"model": '"hidden":24', "weights": 'id="weights">', "script": "class Network"}[part]
    changed = {"model": '"hidden":25', "weights": 'id="weights">A', "script": "class  Network"}[part]
    assert content.count(found) == 1
    (tmp_path / "damaged.html").write_text(content.replace(found, changed))
    browser.get((tmp_path / "damaged.html").as_uri())
    assert "damaged" in browser.find_element("id", "status").text
    assert not browser.find_element("id", "desk").is_displayed()
    browser.get_log("browser")


def test_a_page_is_not_much_larger_than_its_weights(desks, charrnn, tmp_path):
    model = load(desks / "checkpoints" / "verses")
    for kind, size in (("int8", 1), ("float16", 2), ("float32", 4)):
        line = ["export", "verses", tmp_path / "page.html", "--weights", kind]
        assert charrnn(*line, cwd=desks).returncode == 0
        assert (tmp_path / "page.html").stat().st_size < 1.5 * size * model.checkpoint.parameters + 60_000


def test_a_page_is_written_beside_its_model_and_the_report_links_to_it(desks, charrnn):
    place = desks / "checkpoints" / "verses" / "desk.html"
    done = charrnn("export", "verses", cwd=desks)
    assert done.stdout.decode() == "checkpoints/verses/desk.html\n"
    assert b"int8 weights: " in done.stderr
    page = charrnn("report", "verses", "-o", "-", cwd=desks).stdout.decode()
    assert '<a href="checkpoints/verses/desk.html">' in page
    assert charrnn("report", "verses", cwd=desks).returncode == 0
    assert '<a href="desk.html">' in (place.parent / "report.html").read_text()
    place.unlink()
    assert "desk.html" not in charrnn("report", "verses", "-o", "-", cwd=desks).stdout.decode()
    place.write_text("somebody else's")
    done = charrnn("export", "verses", cwd=desks)
    assert done.returncode == 73
    assert place.read_text() == "somebody else's"
    place.unlink()


def test_a_folder_holds_the_model_and_its_card(desks, charrnn, tmp_path):
    done = charrnn("export", "verses", tmp_path / "hub", cwd=desks)
    assert done.returncode == 0, done.stderr.decode()
    names = {path.name for path in (tmp_path / "hub").iterdir()}
    assert names == {"model.safetensors", "config.json", "vocabulary.json", "README.md"}
    here, there = load(desks / "checkpoints" / "verses"), load(tmp_path / "hub" / "model.safetensors")
    assert there.sample("The", length=50, seed=1) == here.sample("The", length=50, seed=1)
    assert json.loads((tmp_path / "hub" / "vocabulary.json").read_text())["symbols"] == list(here.vocabulary.symbols)
    assert json.loads((tmp_path / "hub" / "config.json").read_text())["hidden"] == 24
    card = (tmp_path / "hub" / "README.md").read_text()
    for part in ("license: (fill in", "# verses", "6-gram", "**this model**", "12 symbols", "seeds 1 to 3"):
        assert part in card, part
    again = charrnn("export", "verses", tmp_path / "hub", cwd=desks)
    assert again.returncode == 73
    assert b"holds something" in again.stderr


@pytest.mark.parametrize("name", ["hostile", "many"])
def test_no_symbol_acts_in_a_card(desks, charrnn, tmp_path, name):
    assert charrnn("export", name, tmp_path / "hub", cwd=desks).returncode == 0
    card = (tmp_path / "hub" / "README.md").read_text()
    assert "\x1b" not in card
    assert "\u202e" not in card
    outside = re.sub(r"(`{3,})text\n.*?\n\1", "", card, flags=re.DOTALL)
    assert "<" not in outside.replace("\\<", "")


@pytest.mark.parametrize("name", ["verses", "asked"])
def test_a_graph_is_the_network(desks, charrnn, tmp_path, name):
    onnxruntime = pytest.importorskip("onnxruntime")
    done = charrnn("export", name, tmp_path / "model.onnx", cwd=desks)
    assert done.returncode == 0, done.stderr.decode()
    assert b"verified" in done.stderr
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    held = session.get_modelmeta().custom_metadata_map
    model = load(desks / "checkpoints" / name)
    listed = json.loads(held["vocabulary"])
    assert (
        Vocabulary(**listed | {"symbols": tuple(listed["symbols"]), "labels": tuple(listed["labels"])})
        == model.vocabulary
    )
    assert json.loads(held["config"])["hidden"] == 24
    network, ids = model.networks.numpy, np.array([0, 1, 2, 3])
    logits, _ = network.step(ids, network.initial_state(4))
    zeros = {each.name: np.zeros((4, 24), dtype=np.float32) for each in session.get_inputs()[1:]}
    assert np.abs(session.run(["logits"], {"ids": ids, **zeros})[0] - logits).max() < 1e-4


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (["verses", "page.pdf"], 2, "cannot be exported as 'page.pdf'"),
        (["verses", "model.onnx", "--weights", "int8"], 2, "--weights is how exact a page's are"),
        (["verses", "page.html", "--weights", "int4"], 2, "int4"),
        (["nothing", "page.html"], 66, "nothing"),
        (["verses", "/proc/nowhere/page.html"], 73, "/proc/nowhere"),
        ([], 2, "MODEL"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_line(desks, charrnn, line, code, said):
    done = charrnn("export", *line, cwd=desks)
    assert done.returncode == code, done.stderr.decode()
    assert said in done.stderr.decode()
    assert len(done.stderr.decode().strip().splitlines()) == 1


def test_without_its_text_a_page_says_what_is_not_known(desks, charrnn, tmp_path):
    content = (desks / "checkpoints" / "verses" / "best.safetensors").read_bytes()
    (tmp_path / "alone.safetensors").write_bytes(content)
    done = charrnn("export", "alone.safetensors", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert b"not known, as the model's text was not found" in done.stderr
