"""Whole commands on names, questions with answers, words and rare characters: learn, write, score."""

import itertools
import json

import pytest

from charrnn.text.words import words

SHAPE = ["--hidden", "32", "--embedding", "8", "--batch-size", "8", "--seq-length", "16", "--device", "cpu"]
SHAPE += ["--precision", "float32"]
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
RIGHT = 0.9


def ran(charrnn, *line, cwd, **options):
    done = charrnn(*line, cwd=cwd, **options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def names(charrnn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    lines = ["".join(word) for word in itertools.product("BDM", "aeo", "lnr", "ia")]
    (folder / "names.txt").write_text("\n".join(lines) + "\n")
    split = ["--shuffle-records", "--test-fraction", "0.1", "--validation-fraction", "0.1"]
    ran(charrnn, "train", "names.txt", "--records", "lines", *split, "--steps", "120", *SHAPE, cwd=folder)
    return folder


def test_a_sample_of_records_is_one_record(charrnn, names):
    line = ["sample", "names", "--count", "50", "--seed", "0"]
    found = ran(charrnn, *line, "--records", cwd=names).splitlines()
    assert len(found) == 50
    known = (names / "names.txt").read_text().split()
    assert sum(name in known for name in found) > 40
    shown = [json.loads(text) for text in ran(charrnn, *line, "--records", "--json", cwd=names).splitlines()]
    assert [each["text"] for each in shown] == found
    assert {each["stop_reason"] for each in shown} == {"record"}


def test_without_asking_records_follow_each_other(charrnn, names):
    text = ran(charrnn, "sample", "names", "-n", "100", "--seed", "0", cwd=names)
    assert len(text) == 100
    assert text.count("\n") > 10


def test_the_score_of_records_does_not_depend_on_their_order(charrnn, names):
    lines = (names / "names.txt").read_text().split()
    scores = []
    for name, order in (("one", lines), ("other", lines[::-1])):
        (names / name).write_text("\n".join(order))
        scores.append(json.loads(ran(charrnn, "evaluate", "names", name, "--json", cwd=names)) | {"text": ""})
    assert scores[0] == scores[1]
    assert scores[0]["characters"] == len(lines) * 5
    each = ran(charrnn, "evaluate", "names", "one", "--per-line", cwd=names).splitlines()
    assert [json.loads(line)["text"] for line in each] == lines


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_each_part_of_shuffled_records_is_found_again(charrnn, names, split):
    found = json.loads(ran(charrnn, "evaluate", "names", "--split", split, "--json", cwd=names))
    facts = json.loads(ran(charrnn, "info", "names", "--json", cwd=names))["corpus"]
    assert found["characters"] == facts[f"{split}_symbols"] - 1, "the end before the first record belongs to none"


def test_windows_in_records_are_refused(charrnn, names):
    done = charrnn("evaluate", "names", "--window", "8", cwd=names)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_model_of_records_adapts_to_records(charrnn, names, tmp_path):
    """What comes again and again becomes cheap, and is written more."""
    (tmp_path / "again.txt").write_text("ooaoo\n" * 600)
    again = json.loads(ran(charrnn, "evaluate", "names", tmp_path / "again.txt", "--adapt", "--json", cwd=names))
    assert again["adapted_bits_per_char"] < 0.8 * again["bits_per_char"]
    line = ["sample", "names", "--count", "50", "--records", "--seed", "1"]
    before = ran(charrnn, *line, cwd=names).count("o")
    after = ran(charrnn, *line, "--adapt-to", tmp_path / "again.txt", cwd=names).count("o")
    assert after > before + 10


def test_records_have_baselines(charrnn, names):
    found = json.loads(ran(charrnn, "evaluate", "names", "--baselines", "--json", cwd=names))
    assert found["baselines"]["6-gram"] < found["baselines"]["unigram"] < found["baselines"]["bzip2"]


# Questions and answers: each task has a floor that no model without a memory of the question reaches


def learnt(charrnn, folder, lines, *flags):
    """A model of `lines`, the last tenth of them held out; returns its figures on that tenth."""
    (folder / "task.tsv").write_text("".join(f"{question}\t{answer}\n" for question, answer in lines))
    shape = ["--hidden", "64", "--embedding", "16", "--batch-size", "16", "--seq-length", "32", "--dropout", "0"]
    shape += ["--precision", "float32"]
    ran(charrnn, "train", "task.tsv", "--target-after", "TAB", *shape, "--shuffle-records", *flags, cwd=folder)
    return json.loads(ran(charrnn, "evaluate", "--json", cwd=folder))


def held_out(charrnn, folder):
    """The first five records of the validation part."""
    return [json.loads(line) for line in ran(charrnn, "evaluate", "--per-line", cwd=folder).splitlines()[:5]]


def test_number_words_become_digits(charrnn, tmp_path):
    """Many to many: three words in, three digits out; a guess of each digit is right once in a thousand times."""
    lines = [(" ".join(DIGITS[int(d)] for d in f"{n:03}"), f"{n:03}") for n in range(1000)]
    found = learnt(charrnn, tmp_path, lines, "--epochs", "12")
    assert found["exact_match"] >= RIGHT
    assert found["accuracy"] >= found["exact_match"]
    shown = (tmp_path / "checkpoints/task/samples.txt").read_text().splitlines()[-6:-1]
    assert [line.split("\t")[0] for line in shown] == [
        line["text"].split("\t")[0] for line in held_out(charrnn, tmp_path)
    ]
    answers = ran(charrnn, "sample", "--prompts", "-", "-t", "0", cwd=tmp_path, stdin=b"four two one\nnine zero nine\n")
    assert answers == "four two one\t421\nnine zero nine\t909\n"
    only = ran(charrnn, "sample", "--prompt", "one one one\t", "-t", "0", "--no-echo", cwd=tmp_path)
    assert only == "111"
    refused = charrnn("sample", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"nothing was asked" in refused.stderr
    uncounted = charrnn("evaluate", "task", "--baselines", cwd=tmp_path)
    assert (uncounted.returncode, uncounted.stdout, uncounted.stderr.count(b"\n")) == (2, b"", 1)


@pytest.mark.slow
def test_digits_become_number_words(charrnn, tmp_path):
    lines = [(f"{n:03}", " ".join(DIGITS[int(d)] for d in f"{n:03}")) for n in range(1000)]
    assert learnt(charrnn, tmp_path, lines, "--epochs", "20")["exact_match"] >= RIGHT


@pytest.mark.slow
def test_phrases_become_sentiments(charrnn, tmp_path):
    """Many to one: a "not" at the beginning turns everything round, so no single word decides."""
    good, bad = ["good", "great", "lovely", "fine", "superb"], ["bad", "awful", "dull", "poor", "dreadful"]
    what, who = ["plot", "cast", "music", "scene", "ending", "story"], ["the", "this", "that", "her", "his"]
    phrases = itertools.product(("", "not "), good + bad, who, what)
    lines = [(f"{no}{how}, {whose} {thing}", ("negative", "positive")[(how in good) ^ bool(no)])
             for no, how, whose, thing in phrases]  # fmt: skip
    found = learnt(charrnn, tmp_path, lines, "--epochs", "20")
    assert found["exact_match"] >= RIGHT
    line = ["evaluate", "--choices", "positive,negative"]
    assert json.loads(ran(charrnn, *line, "--json", cwd=tmp_path))["choice_accuracy"] >= RIGHT
    each = [json.loads(text) for text in ran(charrnn, *line, "--per-line", cwd=tmp_path).splitlines()]
    assert 55 <= len(each) <= 65
    assert sum(one["choice"] == one["answer"] for one in each) >= RIGHT * len(each)


@pytest.mark.slow
def test_sentences_become_parts_of_speech(charrnn, tmp_path):
    """Many to many: "light" is a verb after a pronoun and a noun after an adjective."""
    tags = {"pron": ["I", "we", "you"], "verb": ["like", "light", "see"], "adj": ["red", "old"]}
    tags |= {"noun": ["apples", "light", "fires"]}
    shapes = [("pron", "verb", "adj", "noun"), ("pron", "verb", "noun"), ("adj", "noun", "verb", "noun")]
    lines = [(" ".join(sentence), " ".join(shape))
             for shape in shapes for sentence in itertools.product(*(tags[tag] for tag in shape))]  # fmt: skip
    assert learnt(charrnn, tmp_path, lines, "--epochs", "60")["exact_match"] >= RIGHT


@pytest.mark.slow
def test_labels_become_texts(charrnn, tmp_path):
    """One to many: the label chooses the text, and the text is written out from it alone."""
    texts = {"dog": "it barks at night", "cat": "it sleeps all day", "cow": "it gives us milk", "hen": "it lays an egg"}
    learnt(charrnn, tmp_path, [*texts.items()] * 40, "--epochs", "20")
    asked = "".join(f"{label}\n" for label in texts).encode()
    answers = ran(charrnn, "sample", "--prompts", "-", "-t", "0", "--no-echo", cwd=tmp_path, stdin=asked)
    assert answers.splitlines() == [*texts.values()]


def test_a_line_without_an_answer_is_refused(charrnn, tmp_path):
    (tmp_path / "task.tsv").write_text("a\tb\nc\n")
    done = charrnn("train", "task.tsv", "--target-after", "TAB", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (65, 1)
    assert b"record 2 of task.tsv has no '\\t'" in done.stderr


# Units and rare symbols


@pytest.mark.parametrize(
    ("flags", "text", "said"),
    [
        (["--records", "lines", "--target-after", "TAB"], "a b\n", "record 1 of standard input has no"),
        (
            ["--records", "lines", "--target-after", "TAB", "--synced"],
            "a b\tx\n",
            "record 1 of standard input has 2 words",
        ),
        (["--records", "lines"], "a\ufdd0b\n", "standard input holds U+FDD0"),
        (["--field", "c"], "a,b\n1,2\n", "standard input has no 'c'"),
    ],
    ids=["answer", "labels", "mark", "field"],
)
def test_records_on_standard_input_are_called_so_where_they_are_refused(charrnn, tmp_path, flags, text, said):
    done = charrnn("train", "-", *flags, cwd=tmp_path, stdin=text.encode())
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (65, b"", 1)
    assert done.stderr.decode().startswith(f"charrnn: error: {said}")


def test_a_model_of_words_writes_and_scores_words(charrnn, tmp_path):
    text = "the cat sat on the mat, and the dog sat on the cat.\n" * 60
    (tmp_path / "text.txt").write_text(text)
    ran(charrnn, "train", "text.txt", "--unit", "word", "--steps", "60", *SHAPE, cwd=tmp_path)
    facts = json.loads(ran(charrnn, "info", "--json", cwd=tmp_path))
    assert {" the", " cat", "\n"} <= set(facts["vocabulary"]["symbols"])
    assert facts["config"]["min_count"] == 2
    written = ran(charrnn, "sample", "-n", "300", "--seed", "1", "-t", "0.5", cwd=tmp_path)
    assert len(written) == 300
    assert " the cat" in written
    score = json.loads(ran(charrnn, "evaluate", "--json", cwd=tmp_path))
    assert score["characters"] == len(text) - len("".join(words(text)[: facts["corpus"]["train_symbols"]]))
    assert score["bits_per_char"] < 1
    other = json.loads(
        ran(charrnn, "evaluate", facts["model"], "-", "--json", cwd=tmp_path, stdin=b"the mat sat on a tad")
    )
    assert (other["characters"], other["unknown"]) == (20, 0), "what is no word is spelled"


def test_rare_characters_are_one_symbol_that_is_never_written(charrnn, tmp_path):
    (tmp_path / "text.txt").write_text("ab" * 400 + "xyz" + "ab" * 400)
    ran(charrnn, "train", "text.txt", "--min-count", "2", "--steps", "5", *SHAPE, cwd=tmp_path)
    facts = json.loads(ran(charrnn, "info", "--json", cwd=tmp_path))
    assert (facts["vocabulary"]["symbols"], facts["vocabulary"]["size"]) == ("ab", 3)
    assert facts["config"]["min_count"] == 2
    assert set(ran(charrnn, "sample", "-n", "500", "-t", "5", "--seed", "0", cwd=tmp_path)) == {"a", "b"}
    score = json.loads(ran(charrnn, "evaluate", facts["model"], "-", "--json", cwd=tmp_path, stdin="abéab".encode()))
    assert (score["characters"], score["unknown"]) == (5, 1)
    assert score["nats_per_char"] * 5 > 13.9, "which of all characters it is costs ln 1,112,062"


def test_a_separator_that_does_not_occur_is_said(charrnn, tmp_path):
    """Once, of all files; not where one of them has it, nor of the kinds that every text has."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("the quick brown fox\n" * 9)
    (tmp_path / "c.txt").write_text("one|two|three\n" * 9)
    short = ["--hidden", "4", "--embedding", "2", "--batch-size", "2", "--seq-length", "8", "--precision", "float32"]
    line = ["train", "a.txt", "b.txt", *short, "--steps", "1"]
    for more, said in (
        (["--record-separator", "|"], b"separator '|' does not occur: each of 2 files is one record"),
        (["--records", "blank-line"], b"does not occur"),
        (["--records", "lines"], None),
        (["--records", "files"], None),
        (["c.txt", "--record-separator", "|"], None),
    ):
        done = charrnn(*line, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (said or b"does not occur") in done.stderr if said else b"does not occur" not in done.stderr
