"""`charrnn evaluate` and `charrnn info` as whole commands."""

import gzip
import itertools
import json
import math
import os
import re
import subprocess
import sys
import termios
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from charrnn.cli.pieces import lines
from charrnn.evaluation.score import Scored
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.text.vocabulary import Vocabulary

COMMAND = str(Path(sys.executable).with_name("charrnn"))
FLOAT32 = ["--precision", "float32"]
KEYS = {
    "nats_per_char",
    "bits_per_char",
    "bits_per_byte",
    "perplexity",
    "characters",
    "bytes",
    "unknown",
    "model",
    "text",
}


def score(charrnn, folder, *arguments, **settings):
    done = charrnn("evaluate", "verses", *arguments, "--json", cwd=folder, **settings)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_the_score_is_that_of_a_plain_loop_over_the_text(charrnn, trained):
    found = score(charrnn, trained)
    text = (trained / "verses.txt").read_text()
    held_out = text[int(len(text) * 0.9) :]
    checkpoint = read_checkpoint(trained / "checkpoints" / "verses" / "best.safetensors")
    network = NumpyNetwork(checkpoint.config, len(checkpoint.vocabulary), checkpoint.calibrated)
    ids = checkpoint.vocabulary.encode(held_out).astype(np.int64)
    state, nats = network.initial_state(1), math.log(len(checkpoint.vocabulary))
    for before, after in itertools.pairwise(ids):
        logits, state = network.step(np.array([before]), state)
        nats += float(np.log(np.exp(logits[0].astype(float)).sum()) - logits[0, after])
    assert set(found) == KEYS
    assert found["characters"] == len(held_out)
    assert found["nats_per_char"] == pytest.approx(nats / len(held_out), abs=1e-6)


def test_the_validation_part_scores_as_the_same_text_from_a_file_and_from_stdin(charrnn, trained, tmp_path):
    text = (trained / "verses.txt").read_text()
    held_out = text[int(len(text) * 0.9) :]
    (tmp_path / "held.txt").write_text(held_out)
    own = score(charrnn, trained)
    for other in (
        score(charrnn, trained, tmp_path / "held.txt"),
        score(charrnn, trained, "-", stdin=held_out.encode()),
    ):
        assert {key: other[key] for key in KEYS - {"text"}} == {key: own[key] for key in KEYS - {"text"}}


def test_units_of_the_score_agree(charrnn, trained):
    found = score(charrnn, trained, "--split", "train")
    assert found["bits_per_char"] == pytest.approx(found["nats_per_char"] / math.log(2))
    assert found["bits_per_byte"] == found["bits_per_char"]
    assert found["perplexity"] == pytest.approx(math.exp(found["nats_per_char"]))


def test_cold_windows_score_worse_than_a_carried_state(charrnn, trained):
    carried, cold = score(charrnn, trained), score(charrnn, trained, "--window", "8")
    assert cold["characters"] == carried["characters"]
    assert cold["nats_per_char"] > carried["nats_per_char"]


def test_unknown_characters_are_counted_and_left_out(charrnn, trained):
    with_unknown = score(charrnn, trained, "-", stdin="Shall ééé I".encode())
    without = score(charrnn, trained, "-", stdin=b"Shall  I")
    assert (with_unknown["unknown"], without["unknown"]) == (3, 0)
    assert with_unknown["nats_per_char"] == pytest.approx(without["nats_per_char"])
    refused = charrnn("evaluate", "verses", "-", "--unknown", "error", cwd=trained, stdin="é".encode())
    assert refused.returncode == 65


def test_lines_and_characters_add_up_to_the_whole(charrnn, trained):
    text = b"Shall I compare\nthee to a day?\n\nlast"
    found = score(charrnn, trained, "-", stdin=text)
    lines = charrnn("evaluate", "verses", "-", "--per-line", cwd=trained, stdin=text).stdout.splitlines()
    symbols = charrnn("evaluate", "verses", "-", "--per-char", cwd=trained, stdin=text).stdout.splitlines()
    whole = found["bits_per_char"] * found["characters"]
    assert [json.loads(line)["text"] for line in lines] == ["Shall I compare", "thee to a day?", "", "last"]
    assert sum(json.loads(line)["bits"] for line in lines) == pytest.approx(whole)
    assert sum(json.loads(symbol)["bits"] for symbol in symbols) == pytest.approx(whole)
    assert "".join(json.loads(symbol)["text"] for symbol in symbols).encode() == text


def test_only_what_surprises_is_shown(charrnn, trained):
    text = b"Thou art more lovely\nqzx!vvv jjj\nAnd summer's lease\n"
    every = charrnn("evaluate", "verses", "-", "--per-line", cwd=trained, stdin=text).stdout.splitlines()
    bits = sorted(json.loads(line)["bits_per_char"] for line in every)
    strange = charrnn("evaluate", "verses", "-", "--threshold", str(bits[1]), cwd=trained, stdin=text).stdout
    assert [json.loads(line)["line"] for line in strange.splitlines()] == [2]
    symbols = charrnn("evaluate", "verses", "-", "--per-char", "--threshold", "7", cwd=trained, stdin=text).stdout
    found = [json.loads(line) for line in symbols.splitlines()]
    assert found
    assert all(symbol["bits"] > 7 for symbol in found)


def test_what_was_passed_over_is_said(charrnn, trained, tmp_path):
    (tmp_path / "a.txt").write_text("Shall I compare")
    (tmp_path / "b.bin").write_bytes(b"\0\1")
    done = charrnn("evaluate", "verses", tmp_path, cwd=trained)
    assert done.returncode == 0
    assert b"passed over 1 file" in done.stderr


def test_several_models_score_one_text(charrnn, trained, tmp_path):
    flags = ["--hidden", "8", "--embedding", "4", "--batch-size", "2", "--seq-length", "8", "--steps", "9", *FLOAT32]
    other = tmp_path / "other"
    done = charrnn("train", trained / "verses.txt", *flags, "--checkpoints", other, cwd=trained)
    assert done.returncode == 0
    models = ["verses", other / "verses"]
    text = b"Rough winds do shake the darling buds of May"
    alone = [json.loads(charrnn("evaluate", model, "-", "--json", cwd=trained, stdin=text).stdout) for model in models]
    together = charrnn("evaluate", *models, "--json", "--", "-", cwd=trained, stdin=text)
    found = [json.loads(line) for line in together.stdout.splitlines()]
    assert [each.pop("difference_bits_per_char") for each in found] == [None, None], "a single block"
    assert found == alone
    table = charrnn("evaluate", *models[::-1], "--", "-", cwd=trained, stdin=text).stdout.decode().splitlines()
    assert table[0].split()[-1] == "model"
    better, worse = sorted(alone, key=lambda found: found["bits_per_byte"])
    assert [line.split()[-1] for line in table[1:]] == [better["model"], worse["model"]]
    assert f"{better['bits_per_byte']:.4f}" in table[1]


def test_baselines_stand_beside_the_score_of_the_held_out_part(charrnn, trained):
    found = score(charrnn, trained, "--baselines")
    assert {key: found[key] for key in KEYS} == score(charrnn, trained)
    assert set(found["baselines"]) - {"ppmd"} == {"unigram", "3-gram", "6-gram", "gzip", "bzip2", "xz"}
    assert found["baselines"]["6-gram"] < found["baselines"]["3-gram"] < found["baselines"]["unigram"]
    assert found["baselines"]["gzip"] < 1 < found["baselines"]["bzip2"], "the verses stand in the training part"
    table = charrnn("evaluate", "verses", "--baselines", cwd=trained).stdout.decode()
    for name, bits in found["baselines"].items():
        assert f"{bits:.4f} bits per character" in next(line for line in table.splitlines() if line.startswith(name))


def test_training_ends_with_its_score_beside_the_same_baselines(charrnn, trained):
    again = charrnn("train", "verses.txt", "--name", "verses", "--steps", "60", "--resume", cwd=trained)
    shown = again.stderr.decode().partition("verses: complete\n")[2].splitlines()
    rows = {
        name: float(bits) for name, bits in re.findall(r"(?m)^(\S+) +([\d.]+) bits per character", "\n".join(shown))
    }
    found = score(charrnn, trained, "--baselines")
    expected = {"validation": found["bits_per_char"], **found["baselines"]}
    assert list(rows) == list(expected), "ours first, the others in the order of `evaluate --baselines`"
    assert rows == pytest.approx(expected, abs=6e-5)
    nats = float(re.search(r"= ([\d.]+) nats", shown[1])[1])
    assert nats == pytest.approx(found["nats_per_char"], abs=6e-5)
    assert len({line.index(" bits per character") for line in shown if " bits per character" in line}) == 1


@pytest.mark.parametrize(
    "line", [["verses.txt"], ["--split", "train"], ["--per-line"], ["verses", "--"]], ids=lambda line: line[0]
)
def test_baselines_are_for_what_one_model_held_out(charrnn, trained, line):
    done = charrnn("evaluate", "verses", "--baselines", *line, cwd=trained)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1


def test_adapting_stands_beside_the_static_score(charrnn, trained):
    text = b"Hath summer a lease, hath May a date? " * 20
    plain, found = (score(charrnn, trained, "-", *flags, stdin=text) for flags in ([], ["--adapt"]))
    assert {key: found.pop(key) for key in KEYS} == plain
    assert set(found) == {"adapted_nats_per_char", "adapted_bits_per_char"}
    assert found["adapted_bits_per_char"] == pytest.approx(found["adapted_nats_per_char"] / math.log(2))
    assert found["adapted_bits_per_char"] < plain["bits_per_char"] - 0.05
    table = charrnn("evaluate", "verses", "-", "--adapt", cwd=trained, stdin=text).stdout.decode()
    assert f"adapting            {found['adapted_nats_per_char']:.4f} nats" in table
    several = charrnn("evaluate", "verses", "verses", "--adapt", "--", "-", cwd=trained, stdin=text).stdout.decode()
    assert "adapted bits per character" in several
    assert several.count(f"{found['adapted_bits_per_char']:.4f}") == 2


@pytest.mark.parametrize("terminal", ["xterm", "dumb"])
def test_adapting_shows_on_a_terminal_how_far_it_is(trained, terminal):
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    line, env = [COMMAND, "evaluate", "verses", "-", "--adapt", "--json"], os.environ | {"TERM": terminal}
    text = b"Hath summer a lease, hath May a date? " * 20
    done = subprocess.run(line, input=text, stdout=subprocess.PIPE, stderr=theirs, cwd=trained, env=env, check=True)
    known = json.loads(done.stdout)["characters"]
    os.write(theirs, b".")  # so that there is something to read
    shown = os.read(ours, 10_000)
    os.close(theirs)
    os.close(ours)
    assert (f"/{known} [".encode() in shown) == (terminal == "xterm")


@pytest.mark.parametrize("line", [["--window", "8"], ["--per-line"], ["--threshold", "3"]], ids=lambda line: line[0])
def test_adapting_is_for_whole_texts(charrnn, trained, line):
    done = charrnn("evaluate", "verses", "--adapt", *line, cwd=trained)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"Sh\xff\n", 65, "charrnn: error: standard input, line 1: byte 0xff"),
        (gzip.compress(b"Shall I compare thee" * 99)[:40], 65, "charrnn: error: cannot decompress standard input;"),
        ("\ufeffShall I".encode("utf-16-le"), 0, "read standard input as utf-16"),
    ],
    ids=["undecodable", "cut", "utf-16"],
)
@pytest.mark.parametrize("more", [[], ["verses"]], ids=["one model", "two"])
def test_standard_input_is_called_so_also_where_it_is_kept_for_several(charrnn, trained, content, code, said, more):
    done = charrnn("evaluate", "verses", *more, "--", "-", cwd=trained, stdin=content)
    assert (done.returncode, done.stderr.decode().startswith(said)) == (code, True), done.stderr
    assert b"stdin" not in done.stderr


def test_the_difference_of_two_models_has_an_interval(charrnn, trained, tmp_path):
    """A model of bytes and one of characters on the verses, some of which only one of them knows by heart."""
    flags = ["--hidden", "16", "--embedding", "4", "--batch-size", "2", "--seq-length", "8", "--steps", "40", *FLOAT32]
    (tmp_path / "other.txt").write_text("May is a day, and a day is May.\n" * 60)
    done = charrnn("train", tmp_path / "other.txt", "--unit", "byte", *flags, cwd=tmp_path)
    assert done.returncode == 0
    text = (trained / "verses.txt").read_text()[:1500] + "May is a day, and a day is May.\n" * 100
    (tmp_path / "mixed.txt").write_text(text)
    line = ["evaluate", "verses", tmp_path / "checkpoints" / "other"]
    lines = charrnn(*line, "--json", "--", tmp_path / "mixed.txt", cwd=trained).stdout.splitlines()
    better, worse = sorted(map(json.loads, lines), key=lambda found: found["bits_per_char"])
    assert better["difference_bits_per_char"] == {"mean": 0, "low": 0, "high": 0}
    found = worse["difference_bits_per_char"]
    assert found["mean"] == pytest.approx(worse["bits_per_char"] - better["bits_per_char"])
    assert found["low"] < found["mean"] < found["high"]
    table = charrnn(*line, "--", tmp_path / "mixed.txt", cwd=trained).stdout.decode().splitlines()
    assert f"{found['mean']:.4f} ({found['low']:.4f} to {found['high']:.4f})" in table[2]
    assert "differ most" in table[4]
    starts = [int(row.split()[0].replace(",", "")) for row in table[5:]]
    assert len(starts) == 3
    for start, row in zip(starts, table[5:], strict=True):
        assert json.dumps(text[start : start + 60]) in row
    part = charrnn(*line, "--", "-", cwd=trained, stdin=b"May is" + b"*" * 3000).stdout.decode()
    assert "differ most" not in part, "of what one of them left out the other has a cost"


def test_after_two_dashes_every_name_is_a_text(charrnn, trained, tmp_path):
    (tmp_path / "-odd").write_text("Shall I")
    (tmp_path / "more").write_text(" compare")
    model = trained / "checkpoints" / "verses"
    done = charrnn("evaluate", model, "--json", "--", "-odd", "more", cwd=tmp_path)
    assert json.loads(done.stdout)["characters"] == 15
    assert json.loads(charrnn("evaluate", "--json", "--", tmp_path / "more", cwd=trained).stdout)["characters"] == 8


def test_pieces_of_several_models_are_refused(charrnn, trained):
    done = charrnn("evaluate", "verses", "verses", "--per-line", "--", "-", cwd=trained, stdin=b"And")
    assert done.returncode == 2


def test_a_long_text_is_scored_in_lanes_and_lines_still_add_up(charrnn, trained, tmp_path):
    text = (trained / "verses.txt").read_text() * 9
    (tmp_path / "long.txt").write_text(text)
    found = score(charrnn, trained, tmp_path / "long.txt")
    lines = charrnn("evaluate", "verses", tmp_path / "long.txt", "--per-line", cwd=trained).stdout.splitlines()
    assert found["characters"] == len(text) > 10_000
    assert len(lines) == text.count("\n")
    total = sum(json.loads(line)["bits"] for line in lines)
    assert total == pytest.approx(found["bits_per_char"] * len(text))
    shown = charrnn("evaluate", "verses", tmp_path / "long.txt", cwd=trained).stdout.decode()
    assert "run-up of 512" in shown


def test_a_changed_or_missing_corpus_is_noticed(charrnn, corpus):
    flags = ["--hidden", "8", "--embedding", "4", "--batch-size", "2", "--seq-length", "8", "--steps", "2", *FLOAT32]
    assert charrnn("train", corpus, *flags, cwd=corpus.parent).returncode == 0
    corpus.write_text(corpus.read_text() + "!")
    changed = charrnn("evaluate", cwd=corpus.parent)
    corpus.unlink()
    missing = charrnn("evaluate", cwd=corpus.parent)
    assert (changed.returncode, missing.returncode) == (65, 66)
    assert b"has changed" in changed.stderr


def test_what_is_to_be_said_of_a_text_is_said_once_however_many_models_read_it(charrnn, trained):
    done = charrnn("evaluate", "verses", "verses", "--adapt", "--", "-", cwd=trained, stdin="\ufeffAnd".encode())
    assert (done.returncode, done.stderr.count(b"byte order mark")) == (0, 1)


def test_info_says_what_the_file_is(charrnn, trained):
    found = json.loads(charrnn("info", "--json", cwd=trained).stdout)
    assert found["config"]["hidden"] == 24
    assert found["vocabulary"]["symbols"] == "".join(sorted(set((trained / "verses.txt").read_text())))
    assert found["progress"]["step"] == 60
    assert found["resumable"] is False
    run = json.loads(charrnn("info", "checkpoints/verses/step-00000060.safetensors", "--json", cwd=trained).stdout)
    assert run["resumable"] is True
    text = charrnn("info", cwd=trained).stdout.decode()
    temperature = f"logits divided by {found['progress']['temperature']:.2f}"
    for part in ("1 x 24 lstm", f"{found['parameters']:,} parameters", found["corpus"]["fingerprint"], temperature):
        assert part in text


def test_a_model_moves_without_its_corpus_and_its_folder(charrnn, trained, tmp_path):
    (tmp_path / "model.safetensors").write_bytes((trained / "checkpoints/verses/best.safetensors").read_bytes())
    done = charrnn("sample", "model.safetensors", "-n", "10", "--seed", "1", cwd=tmp_path)
    assert (done.returncode, len(done.stdout)) == (0, 10)


def test_a_large_corpus_is_found_again_in_the_cache_that_is_named(charrnn, tmp_path):
    """33 million characters: encoded once by `train`, which is told by a flag, mapped by `evaluate`, told otherwise."""
    (tmp_path / "large.txt").write_text("abcdefgh" * (33 << 17))
    shape = ["--hidden", "4", "--embedding", "2", "--batch-size", "2", "--seq-length", "8", "--steps", "1", *FLOAT32]
    line, env = ["train", "large.txt", *shape, "--validation-fraction", "0.0001"], {"XDG_CACHE_HOME": "other"}
    assert charrnn(*line, "--cache", "kept", cwd=tmp_path, env=env).returncode == 0
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob("*.ids")}
    done = charrnn("evaluate", "--json", cwd=tmp_path, env=env | {"CHARRNN_CACHE": "kept"})
    assert json.loads(done.stdout)["characters"] == 3461
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob("*.ids")} == kept != {}
    assert not (tmp_path / "other").exists()


def test_a_line_of_millions_of_symbols_takes_little_memory():
    """Less than 24 bytes for each symbol of a line, its text included, as blocks of it come."""
    vocabulary, symbols = Vocabulary.of("ab\n"), 1 << 20

    def parts():
        for _ in range(4):
            ids = np.full(symbols, 1, dtype=np.uint8)
            yield Scored(ids, np.full(symbols, math.log(2)), 0, np.zeros(symbols, dtype=bool))

    tracemalloc.start()
    try:
        found = list(lines(vocabulary, parts()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [(each["line"], each["characters"], each["bits_per_char"]) for each in found] == [(1, 4 * symbols, 1.0)]
    assert peak < 24 * 4 * symbols
