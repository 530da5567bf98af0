"""Both ways by whole commands: trained, resumed, scored, filled, reported; and what such a model cannot do."""

import json
import re
import signal
import subprocess
import sys
from random import Random

import numpy as np
import pytest

from charrnn.errors import DataError
from charrnn.language_model import load
from charrnn.report.sides import read_passage, units_of
from charrnn.runs.checkpoint import read_checkpoint
from tests.conftest import VERSES

NET = ["--hidden", "24", "--embedding", "8", "--batch-size", "4", "--seq-length", "16", "--precision", "float32"]
NET += ["--threads", "1", "--learning-rate", "0.02", "--dropout", "0", "-q"]
PLACES = {"sky": "birds fly", "sea": "fish swim", "wood": "deer run", "hall": "kings eat"}
THINGS = ("clouds", "boats", "trees", "lamps")


def sentences(count, seed):
    """What is in a place is said by what follows, and by nothing that stands before."""
    generator = Random(seed)  # noqa: S311
    places = list(PLACES)
    for _ in range(count):
        place = generator.choice(places)
        yield f"the {generator.choice(THINGS)} are in the {place}, where {PLACES[place]}.\n"


@pytest.fixture(scope="session")
def place(once, charrnn):
    """A folder with runs: `both` and `one` on verses, `lines` on records, `words` and `words-both` on sentences."""

    def make(folder):
        (folder / "verses.txt").write_text(VERSES * 12)
        (folder / "sentences.txt").write_text("".join(sentences(300, 0)))
        runs = {
            "both": ["verses.txt", "--bidirectional", "--steps", "100"],
            "one": ["verses.txt", "--steps", "100"],
            "lines": ["sentences.txt", "--bidirectional", "--records", "lines", "--steps", "60"],
            "words": ["sentences.txt", "--unit", "word", "--steps", "80"],
            "words-both": ["sentences.txt", "--unit", "word", "--bidirectional", "--steps", "80"],
        }
        for name, line in runs.items():
            done = charrnn("train", *line, *NET, "--name", name, cwd=folder)
            assert done.returncode == 0, done.stderr.decode()

    return once("both-ways", make)


def filled(charrnn, place, *line, stdin=b""):
    done = charrnn("fill", *line, cwd=place, stdin=stdin)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.parametrize("name", ["both", "one"])
def test_what_is_missing_is_written_and_nothing_else(place, charrnn, name):
    text = "Shall I comp___ thee to a sum___'s day?"
    assert filled(charrnn, place, name, text) == "Shall I compare thee to a summer's day?\n"
    given = b"Rough w##ds do shake\nthe darling b#ds of May,\n"
    restored = "Rough winds do shake\nthe darling buds of May,\n"
    assert filled(charrnn, place, name, "-", "--gap", "#", stdin=given) == restored
    (place / f"{name}.txt").write_bytes(given)
    assert filled(charrnn, place, name, "--file", f"{name}.txt", "--gap", "#") == restored
    assert filled(charrnn, place, name, stdin=b"no gap here") == "no gap here"


@pytest.mark.parametrize("name", ["both", "one"])
def test_every_gap_is_listed_with_its_place_and_what_else_was_likely(place, charrnn, name):
    text = "Shall I comp___ thee to a [...]'s day?"
    found = json.loads(filled(charrnn, place, name, text, "--gap-text", "[...]", "--most", "9", "--json", "--top", "2"))
    assert found["text"] == "Shall I compare thee to a summer's day?"
    assert [(gap["place"], gap["text"]) for gap in found["gaps"]] == [(12, "are"), (26, "summer")]
    for gap in found["gaps"]:
        assert 1 <= len(gap["likeliest"]) <= 2
        assert gap["likeliest"][0] == {"text": gap["text"], "probability": gap["probability"]}
        assert 0.5 < gap["probability"] <= 1
    drawn = [filled(charrnn, place, name, "Sh___ I", "-t", "3", "--seed", str(seed)) for seed in (*range(6), 0)]
    assert drawn[0] == drawn[-1]
    assert len(set(drawn)) > 1


@pytest.mark.parametrize("name", ["words", "words-both"])
@pytest.mark.parametrize("gap", [["the clouds are in the ( ), where {}.", "--gap-text", "( )", "--most", "1"],
                                 ["the clouds are in the _, where {}."]])  # fmt: skip
def test_the_clouds_are_in_the_sky_where_what_follows_says_so(place, charrnn, name, gap):
    for where, follows in PLACES.items():
        text, *flags = gap
        found = filled(charrnn, place, name, text.format(follows), *flags)
        assert found == f"the clouds are in the {where}, where {follows}.\n"


def test_each_record_is_filled_by_itself(place, charrnn):
    """Together they are what each is alone."""
    erased = ["the boats are in the ___, where birds fly.\n", "th_ _rees are in the wood, where d__r run.\n"]
    found = filled(charrnn, place, "lines", "-", stdin="".join(erased).encode())
    assert found == "".join(filled(charrnn, place, "lines", "-", stdin=line.encode()) for line in erased)
    assert found.endswith("the trees are in the wood, where deer run.\n")


@pytest.mark.parametrize("line", [["evaluate", "both", "-"], ["evaluate", "lines", "--", "-"], ["fill", "both", "-"]])
def test_what_stands_for_a_gap_in_a_text_is_no_gap_of_it(place, charrnn, line):
    """It would be read as one, and counted."""
    done = charrnn(*line, cwd=place, stdin="Shall I com\ufdd2are th__?\n".encode())
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (65, b"", 1)
    assert b" holds " in done.stderr
    with pytest.raises(DataError, match=r"U\+FDD2"):
        load(place / "checkpoints" / "both").score("Shall I com\ufdd2are")


def test_scores_given_both_sides_have_names_of_their_own(place, charrnn):
    found = json.loads(charrnn("evaluate", "both", "--json", cwd=place).stdout)
    one = json.loads(charrnn("evaluate", "one", "--json", cwd=place).stdout)
    assert "bits_per_char" in one
    assert not {"bits_per_char", "nats_per_char", "bits_per_byte", "perplexity"} & found.keys()
    assert found["two_sided_bits_per_char"] < one["bits_per_char"]
    parts = [json.loads(line) for line in charrnn("evaluate", "both", "--per-char", cwd=place).stdout.splitlines()]
    total = sum(part["two_sided_bits"] for part in parts)
    assert total / len(parts) == pytest.approx(found["two_sided_bits_per_char"], abs=1e-6)
    lines = [json.loads(line) for line in charrnn("evaluate", "both", "--per-line", cwd=place).stdout.splitlines()]
    assert sum(line["two_sided_bits"] for line in lines) == pytest.approx(total, abs=1e-6)
    wrong = VERSES.replace("temperate", "temphrate", 1)
    shown = charrnn("evaluate", "both", "-", "--per-char", "--threshold", "9", cwd=place, stdin=wrong.encode())
    assert any(json.loads(line)["text"] == "h" for line in shown.stdout.splitlines())
    assert b"given both sides" in charrnn("evaluate", "both", cwd=place).stdout
    assert charrnn("evaluate", "both", "--heatmap", cwd=place).returncode == 0
    assert b"given both sides" in charrnn("info", "both", cwd=place).stdout
    assert "nats per character given both sides ---" in (place / "checkpoints" / "both" / "samples.txt").read_text()
    drawn = charrnn("plot", "both", cwd=place).stdout.decode()
    assert drawn.startswith("Loss: bits: training per character, validation per character given both sides\n")
    assert charrnn("plot", "one", cwd=place).stdout.startswith(b"Loss: bits per character\n")


@pytest.mark.parametrize(
    "line",
    [
        ["sample", "both"], ["sample", "both", "--adapt-to", "verses.txt"], ["predict", "both", "-p", "a"],
        ["evaluate", "both", "--adapt"], ["evaluate", "both", "--baselines"],
        ["evaluate", "both", "one", "--", "verses.txt"],
        ["evaluate", "both", "one", "--together"], ["export", "both", "desk.html"], ["export", "both", "net.onnx"],
        ["train", "verses.txt", "--distill-from", "both", "--steps", "1"],
        ["train", "verses.txt", "--bidirectional", "--distill-from", "one", "--steps", "1"],
        ["train", "verses.txt", "--bidirectional", "--unit", "byte", "--steps", "1"],
        ["train", "verses.txt", "--init-from", "both", "--one-direction", "--steps", "1"],
        ["fill", "both", "a_", "--gap", "ab"], ["fill", "both", "a_", "--file", "verses.txt"],
        ["fill", "both", "a_", "--encoding", "latin-1"],
        ["fill", "both", "a_", "-t", "-1"], ["fill", "both", "a_", "--gap-text", ""],
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused_in_one_line(place, charrnn, line):
    done = charrnn(*line, cwd=place)
    assert done.returncode == 2
    assert done.stdout == b""
    (said,) = [each for each in done.stderr.decode().splitlines() if each.startswith("charrnn: error")]
    assert "bug" not in said


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_as_if_nothing_had_happened(tmp_path, corpus, charrnn):
    """Weights bit for bit, whatever the backward stack was not shown."""
    line = [corpus.name, "--bidirectional", *NET[:-1], "--steps", "60", "--save-every", "10", "--dropout", "0.3"]
    whole = charrnn("train", *line, "--name", "whole", "-q", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr.decode()
    started = [sys.executable, "-m", "charrnn", "train", *line, "--name", "broken", "--json"]
    with subprocess.Popen(started, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        for event in process.stdout:
            if json.loads(event).get("step", 0) >= 25:
                process.send_signal(signal.SIGKILL)
                break
    assert charrnn("train", *line, "--name", "broken", "--resume", "-q", cwd=tmp_path).returncode == 0
    one, two = (read_checkpoint(tmp_path / "checkpoints" / name / "best.safetensors") for name in ("whole", "broken"))
    assert {k: v.tobytes() for k, v in one.weights.items()} == {k: v.tobytes() for k, v in two.weights.items()}


def test_from_python_and_started_from_another_model(place, tmp_path, charrnn):
    model = load(place / "checkpoints" / "both")
    assert model.fill("Shall I comp___ thee").text == "Shall I compare thee"
    done = charrnn("train", place / "verses.txt", "--init-from", place / "checkpoints" / "both", "--steps", "2",
                   "--threads", "1", "-q", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert load(tmp_path / "checkpoints" / "verses").checkpoint.config.bidirectional


def test_the_report_shows_both_sides_and_the_left_one(place, charrnn):
    done = charrnn("report", "both", cwd=place)
    assert done.returncode == 0, done.stderr.decode()
    page = (place / "checkpoints" / "both" / "report.html").read_text()
    for words in ("Surprise, given both sides", "Surprise, given the left side", "read the text from its end"):
        assert words in page
    assert "Novelty" not in page
    assert charrnn("report", "both", "one", "-o", "two.html", cwd=place).returncode == 0
    rows = re.findall(r"<tr><th>(both|one)</th><td[^>]*>[\d.]+</td><td>([^<]+)</td>", (place / "two.html").read_text())
    assert rows == [("one", "character"), ("both", "character given both sides")], "the better, but of what counts more"


def test_what_the_report_says_of_both_sides_and_of_the_left_one(place):
    """From the left a symbol costs the same whatever stands behind it; a backward unit has read what stands there."""
    model = load(place / "checkpoints" / "both")
    ids = model.ids(VERSES)[:120]
    other = ids.copy()
    other[60:] = other[60:][::-1]
    for left in (True, False):
        one, two = ([each.nats for each in read_passage(model, of, 20, 60, 3, left=left)] for of in (ids, other))
        assert (one == pytest.approx(two, abs=1e-5)) is left
    found, hidden = units_of(model, ids, 20, 60), model.checkpoint.config.hidden
    stack = model.networks.numpy.backward
    state = stack.initial_state(1)
    for t in range(59, 19, -1):
        state = stack.advance(np.array([int(ids[t])]), state)
        np.testing.assert_allclose(found[t - 20, hidden:], np.tanh(state[0][1][0]), atol=1e-6)
