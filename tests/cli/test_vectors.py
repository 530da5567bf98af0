"""Numbers in, text out, by whole commands: trained, resumed, sampled, scored, reported; and what is refused."""

import json
import signal
import time

import numpy as np
import pytest

from charrnn.generation.sample import Sampling
from charrnn.language_model import load
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.text.vectors import of_array

WORDS = ("red", "green", "blue", "white")
NET = ["--hidden", "24", "--embedding", "12", "--batch-size", "8", "--seq-length", "12", "--precision", "float32"]
NET += ["--threads", "1", "--dropout", "0.1", "--learning-rate", "0.02", "--records", "lines"]
COUNT = 240


def made(count, steps, seed):
    """Noisy signs of four words, and the words."""
    generator = np.random.default_rng(seed)
    which = generator.integers(4, size=count)
    clean = np.repeat(np.eye(4)[which][:, None], steps, axis=1) * 3
    return clean + generator.normal(size=clean.shape) * 0.4, which


@pytest.fixture(scope="session")
def place(once, charrnn):
    """A folder with runs on one vector a record (`one`), three (`three`), and questions about them (`asked`)."""

    def make(folder):
        for name, steps in (("one", 1), ("three", 3), ("asked", 2)):
            vectors, which = made(COUNT, steps, seed=steps)
            np.save(folder / f"{name}.npy", (vectors[:, 0] if steps == 1 else vectors).astype(np.float32))
            lines = [f"it is {WORDS[k]}\n" for k in which]
            if name == "asked":
                lines = [
                    f"what?\t{WORDS[k]}\n" if n % 2 else f"how long?\t{len(WORDS[k])}\n" for n, k in enumerate(which)
                ]
            (folder / f"{name}.txt").write_text("".join(lines))
            more = ["--target-after", "TAB"] if name == "asked" else []
            line = ["train", f"{name}.txt", "--vectors", f"{name}.npy", *NET, *more, "--steps", "200", "-q"]
            done = charrnn(*line, cwd=folder)
            assert done.returncode == 0, done.stderr.decode()
        new, which = made(12, 3, seed=9)
        np.save(folder / "new1.npy", new[:, 0])
        np.save(folder / "new.npy", new)
        (folder / "new.txt").write_text("".join(f"it is {WORDS[k]}\n" for k in which))

    return once("vectors", make)


@pytest.mark.parametrize(("name", "new"), [("one", "new1.npy"), ("three", "new.npy")])
def test_each_record_is_described_as_it_is(place, charrnn, name, new):
    found = charrnn("sample", name, "--vectors", new, "-t", "0", "--seed", "1", "--separator", "\\n", cwd=place)
    assert found.returncode == 0, found.stderr.decode()
    written = found.stdout.decode().splitlines()
    expected = (place / "new.txt").read_text().splitlines()
    assert len(written) == 12
    assert sum(one == other for one, other in zip(written, expected, strict=True)) >= 11


@pytest.mark.parametrize("name", ["one", "three", "asked"])
def test_held_out_records_are_scored_and_answered(place, charrnn, name):
    found = json.loads(charrnn("evaluate", name, "--json", cwd=place).stdout)
    assert found["exact_match"] > 0.85
    assert found["nats_per_char"] < 0.3
    parts = sum(
        json.loads(line)["bits"] for line in charrnn("evaluate", name, "--per-char", cwd=place).stdout.splitlines()
    )
    assert parts / found["characters"] == pytest.approx(found["bits_per_char"], abs=1e-5)
    adapting = json.loads(charrnn("evaluate", name, "--json", "--adapt", cwd=place).stdout)
    assert adapting["adapted_nats_per_char"] < 0.5


def test_a_text_of_ones_own_is_scored_with_its_vectors(place, charrnn):
    found = json.loads(charrnn("evaluate", "three", "new.txt", "--vectors", "new.npy", "--json", cwd=place).stdout)
    assert found["exact_match"] > 0.9
    wrong = (place / "new.txt").read_text().splitlines(keepends=True)
    done = charrnn(
        "evaluate", "three", "-", "--vectors", "new.npy", "--json", cwd=place, stdin="".join(wrong[::-1]).encode()
    )
    assert json.loads(done.stdout)["exact_match"] < found["exact_match"]


def test_the_likeliest_of_a_few_answers_is_found(place, charrnn):
    offered = ",".join(f"it is {word}" for word in WORDS)
    found = json.loads(charrnn("evaluate", "one", "--choices", offered, "--json", cwd=place).stdout)
    assert found["choice_accuracy"] > 0.9
    rows = charrnn("evaluate", "one", "--choices", offered, "--per-line", cwd=place).stdout.splitlines()
    assert {json.loads(row)["choice"] for row in rows} == {f"it is {word}" for word in WORDS}


def test_a_question_is_asked_about_vectors(place, charrnn):
    vectors, which = made(6, 2, seed=5)
    np.save(place / "six.npy", vectors)
    (place / "six.txt").write_text("what?\nhow long?\n" * 3)
    line = ["sample", "asked", "--vectors", "six.npy", "--prompts", "six.txt", "-t", "0", "--seed", "1", "--no-echo"]
    written = charrnn(*line, "--separator", "\\n", cwd=place).stdout.decode().splitlines()
    expected = [WORDS[k] if n % 2 == 0 else str(len(WORDS[k])) for n, k in enumerate(which)]
    assert sum(one == other for one, other in zip(written, expected, strict=True)) >= 5
    few = ["sample", "asked", "--vectors", "six.npy", "--prompts", "-", "-t", "0", "--seed", "1"]
    done = charrnn(*few, cwd=place, stdin=b"what?\n")
    assert done.stderr == b"5 of 6 records of vectors had no prompt, and were left out\n"
    done = charrnn(*few, cwd=place, stdin=b"what?\n" * 7)
    assert done.returncode == 2
    assert b"vectors for 6 records" in done.stderr


def test_several_samples_of_each_and_what_comes_next(place, charrnn):
    line = ["sample", "one", "--vectors", "new1.npy", "--count", "3", "--seed", "1", "--json"]
    assert len(charrnn(*line, cwd=place).stdout.splitlines()) == 36
    found = json.loads(charrnn("predict", "one", "--vectors", "new1.npy", "-p", "it is ", "--json", cwd=place).stdout)
    first = (place / "new.txt").read_text().splitlines()[0][6]
    assert found["predictions"][0]["text"] == first
    assert found["predictions"][0]["probability"] > 0.5


@pytest.mark.parametrize("unit", ["char", "word"])
def test_a_run_that_is_killed_goes_on_bit_for_bit(place, charrnn, start, tmp_path, unit):
    for name in ("three.txt", "three.npy"):
        (tmp_path / name).write_bytes((place / name).read_bytes())
    line = ["train", "three.txt", "--vectors", "three.npy", *NET, "--unit", unit, "--steps", "60", "--save-every", "7"]
    line += ["--shuffle-records", "--eval-every", "20", "-q", "--resume"]
    assert charrnn(*line, "--name", "whole", cwd=tmp_path).returncode == 0
    for _ in range(2):
        saved = set(tmp_path.glob("checkpoints/cut/step-*"))
        job = start(*line, "--name", "cut", cwd=tmp_path)
        while set(tmp_path.glob("checkpoints/cut/step-*")) <= saved:
            assert job.poll() is None
            time.sleep(0.01)
        job.send_signal(signal.SIGKILL)
        job.finished()
    assert charrnn(*line, "--name", "cut", cwd=tmp_path).returncode == 0
    one, two = (
        read_checkpoint(tmp_path / "checkpoints" / name / "step-00000060.safetensors", training=True)
        for name in ("whole", "cut")
    )
    for ours, theirs in ((one.weights, two.weights), (one.training, two.training)):
        assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


def test_numbers_are_read_by_how_far_they_are_from_what_they_are_on_the_whole(place):
    """Of the training set; scaled and shifted vectors make the same model."""
    checkpoint = load(place / "checkpoints" / "one").checkpoint
    array = np.load(place / "one.npy")[: round(COUNT * 0.9)]
    assert checkpoint.weights["vectors.mean"] == pytest.approx(array.mean(axis=0), abs=0.05)
    assert checkpoint.weights["vectors.deviation"] == pytest.approx(array.std(axis=0), abs=0.05)


def test_a_model_is_fine_tuned_on_other_vectors_of_the_same_width(place, charrnn, tmp_path):
    vectors, which = made(60, 1, seed=3)
    np.save(tmp_path / "more.npy", vectors[:, 0] * 10 + 5)
    (tmp_path / "more.txt").write_text("".join(f"it is {WORDS[k]}\n" for k in which))
    source = place / "checkpoints" / "one" / "best.safetensors"
    line = [
        "train",
        "more.txt",
        "--vectors",
        "more.npy",
        "--init-from",
        source,
        "--records",
        "lines",
        "--steps",
        "3",
        "-q",
    ]
    assert charrnn(*line, cwd=tmp_path).returncode == 0
    found = json.loads(charrnn("evaluate", "more", "--json", cwd=tmp_path).stdout)
    assert found["exact_match"] > 0.8, "standardised anew, it knows what it knew"
    np.save(tmp_path / "more.npy", vectors[:, 0, :3])
    done = charrnn(*line, "--name", "narrow", cwd=tmp_path)
    assert done.returncode == 2
    assert b"vectors of 4 numbers" in done.stderr


def test_vectors_that_have_moved_are_found_by_name_or_where_they_are_said_to_be(place, charrnn, tmp_path):
    for name in ("one.txt", "one.npy"):
        (tmp_path / name).write_bytes((place / name).read_bytes())
    model = tmp_path / "one.safetensors"
    model.write_bytes((place / "checkpoints" / "one" / "best.safetensors").read_bytes())
    expected = json.loads(charrnn("evaluate", "one", "--json", cwd=place).stdout)["nats_per_char"]
    found = json.loads(charrnn("evaluate", model, "--json", cwd=tmp_path).stdout)
    assert found["nats_per_char"] == expected
    (tmp_path / "one.npy").rename(tmp_path / "other.npy")
    assert charrnn("evaluate", model, cwd=tmp_path).returncode == 66
    told = ["--corpus", "one.txt", "--corpus", "other.npy"]
    found = json.loads(charrnn("evaluate", model, "--json", *told, cwd=tmp_path).stdout)
    assert found["nats_per_char"] == expected
    np.save(tmp_path / "other.npy", np.load(tmp_path / "other.npy") + 1)
    assert charrnn("evaluate", model, *told, cwd=tmp_path).returncode == 65


def test_a_report_shows_what_was_asked_written_and_expected(place, charrnn):
    page = charrnn("report", "one", "-o", "-", "--vectors-shape", "2x2", cwd=place).stdout.decode()
    assert "<h3>Answers</h3>" in page
    assert page.count("data:image/png;base64,") == 12
    plain = charrnn("report", "three", "-o", "-", cwd=place).stdout.decode()
    assert "3 vectors" in plain
    assert "data:image/png" not in plain
    assert "what?" in charrnn("report", "asked", "-o", "-", cwd=place).stdout.decode()
    for shape in ("2by2", "3x3"):
        refused = charrnn("report", "one", "--vectors-shape", shape, cwd=place)
        assert refused.returncode == 2
        assert b"--vectors-shape" in refused.stderr


def test_from_python_arrays_go_in(place):
    model = load(place / "checkpoints" / "three")
    array, which = made(5, 3, seed=9)
    one = model.sample(vectors=array[0], temperature=0, length=30).text
    several = [
        each.text
        for each in model.samples([""] * 5, Sampling(length=30, temperature=0, records=True), seed=0, vectors=array)
    ]
    assert several[0] == one.split("\n")[0]
    expected = [f"it is {WORDS[k]}" for k in which]
    assert sum(ours == theirs for ours, theirs in zip(several, expected, strict=True)) >= 4
    assert model.given(of_array(array)).score("\n".join(expected)).exact_match >= 0.8


def test_a_configuration_that_names_another_size_is_refused(place, charrnn, tmp_path):
    (tmp_path / "c.yaml").write_text("vector_size: 7\n")
    line = ["train", "one.txt", "--records", "lines", "--config", tmp_path / "c.yaml", "--name", "never"]
    for more, has in ((["--vectors", "one.npy"], "4"), ([], "0")):
        done = charrnn(*line, *more, cwd=place)
        assert done.returncode == 2, done.stderr.decode()
        assert f"vectors of 7 numbers, those of the text have {has}" in done.stderr.decode()
    assert not (place / "checkpoints" / "never").exists()


REFUSED = [
    (["sample", "one"], 2, "this model reads vectors of 4 numbers"),
    (["sample", "one", "--vectors", "new.npy", "--vectors-key", "a"], 65, "has no columns"),
    (["sample", "one", "--vectors", "nowhere.npy"], 66, "nowhere.npy"),
    (["sample", "one", "--vectors", "one.txt"], 65, "is not known to hold vectors"),
    (["sample", "one", "--vectors-key", "a"], 2, "give --vectors"),
    (["predict", "one", "-p", "it"], 2, "reads vectors"),
    (["evaluate", "one", "one.txt"], 2, "reads vectors"),
    (["evaluate", "one", "new.txt", "--vectors", "one.npy"], 65, "vectors for 240 records; the text has 12"),
    (["evaluate", "one", "--baselines"], 2, "--baselines know no answers"),
    (["sample", "plain", "--vectors", "new.npy"], 2, "this model reads no vectors"),
    (["report", "plain", "--vectors-shape", "2x2"], 2, "--vectors-shape needs a model that reads vectors"),
    (["export", "one", "page.html"], 2, "it reads vectors"),
    (["train", "one.txt", "--vectors", "one.npy"], 2, "--vectors are for records"),
    (
        ["train", "one.txt", "--records", "lines", "--vectors", "new.npy"],
        65,
        "vectors for 12 records; the text has 240",
    ),
    (
        ["train", "one.txt", "--records", "lines", "--vectors", "one.npy", "--validation", "new.txt"],
        2,
        "those of one text",
    ),
    (["train", "one.txt", "--records", "lines", "--vectors", "one.npy", "--distill-from", "one"], 2, "--distill-from"),
]


@pytest.mark.parametrize(("line", "code", "said"), REFUSED, ids=[" ".join(line) for line, _, _ in REFUSED])
def test_what_cannot_be_is_refused_in_a_line(place, charrnn, tmp_path, line, code, said):
    if "plain" in line:
        (tmp_path / "plain.txt").write_text("some text of no great length\n" * 9)
        assert charrnn("train", "plain.txt", "--steps", "1", "--hidden", "8", "-q", cwd=tmp_path).returncode == 0
        line = [line[0], tmp_path / "checkpoints" / "plain", *line[2:]]
    done = charrnn(*line, cwd=place)
    assert done.returncode == code, done.stderr.decode()
    last = done.stderr.decode().strip().splitlines()[-1]
    assert last.startswith("charrnn: error: ")
    assert said in last


def test_a_dry_run_says_what_it_is_about(place, charrnn):
    done = charrnn(
        "train", "three.txt", "--vectors", "three.npy", *NET, "--steps", "3", "--dry-run", "--json", cwd=place
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["text"]["characters"] == len((place / "three.txt").read_text())
    assert "vectors of 4 numbers" in charrnn("info", "three", cwd=place).stdout.decode()


def test_models_together_read_the_same_vectors(place, charrnn):
    alone = json.loads(charrnn("evaluate", "one", "--json", cwd=place).stdout)["nats_per_char"]
    both = charrnn("evaluate", "one", "one", "--together", "--json", cwd=place)
    assert json.loads(both.stdout)["nats_per_char"] == pytest.approx(alone)


def test_a_large_text_of_records_keeps_its_vectors_in_the_cache(place, charrnn, tmp_path, monkeypatch):
    """Encoded piece by piece, each vector has the number of its row."""
    from charrnn.text import corpus, survey

    monkeypatch.setattr(survey, "SMALL", 100)
    monkeypatch.setattr("charrnn.text.reading.PIECE", 64)
    values = {"corpus": [str(place / "three.txt")], "records": "lines", "vectors": str(place / "three.npy")}
    whole = corpus.read_corpus(corpus.source_of(values), corpus.split_of(values))[0]
    mapped = corpus.read_corpus(corpus.source_of(values), corpus.split_of(values), cache=tmp_path)[0]
    assert isinstance(mapped.train, np.memmap)
    np.testing.assert_array_equal(mapped.train, whole.train)
    np.testing.assert_array_equal(mapped.validation, whole.validation)
