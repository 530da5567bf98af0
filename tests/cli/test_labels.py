"""Words labelled by whole commands: two tasks in which words that were never seen are told by both of their sides."""

import json
from random import Random

import pytest

from charrnn.errors import DataError, SettingsError
from charrnn.language_model import load

NET = ["--records", "lines", "--target-after", "TAB", "--synced", "--hidden", "32", "--embedding", "12", "-q"]
NET += ["--batch-size", "16", "--seq-length", "64", "--precision", "float32", "--threads", "1", "--dropout", "0.1"]
NET += ["--learning-rate", "0.01"]
STEPS = {"speech": 120, "names": 140}
NOUNS = ["dog", "cat", "bird", "tree", "stone", "river", "king", "child", "garden"]
VERBS = ["see", "like", "find", "take", "follow", "hear"]
FIRST, THEN = "bcdfghjklmnpqrstvwxyz", "aeiouy"


def invented(generator):
    """A word that nobody has seen."""
    return "".join(generator.choice(FIRST) + generator.choice(THEN) for _ in range(generator.choice((2, 3))))


def speech(generator, *, new):
    """Parts of speech by ending and context: after `to` a verb, after `the` a noun, whatever the word is.

    `-ly` is an adverb. A word before `of` is a noun, before `the` a verb: that only the right side tells.
    """

    def word(known):
        return invented(generator) if new else generator.choice(known)

    forms = [
        [("the", "det"), (word(NOUNS), "noun"), ("will", "aux"), (word(VERBS), "verb"), (word(VERBS) + "ly", "adv")],
        [("they", "pron"), (word(VERBS), "verb"), ("the", "det"), (word(NOUNS), "noun")],
        [("they", "pron"), (word(NOUNS), "noun"), ("of", "prep"), ("a", "det"), (word(NOUNS), "noun")],
        [(word(VERBS), "verb"), ("the", "det"), (word(NOUNS), "noun"), ("of", "prep"), ("it", "pron")],
        [(word(NOUNS), "noun"), ("of", "prep"), ("the", "det"), (word(NOUNS), "noun")],
    ]
    return generator.choice(forms)


def names(generator, *, new):
    """Capitalised words in the middle: persons before `met` and after it, places after `in`, firms before `Inc`."""

    def name():
        return invented(generator).capitalize()

    person = [(name(), "B-PER")] + [(name(), "I-PER")] * generator.randrange(2)
    person = [person[0], *[(name(), "I-PER") for _ in person[1:]]]
    other = [(name(), "B-PER")]
    forms = [
        [("Yesterday,", "O"), *person, ("met", "O"), *other],
        [*person, ("lives", "O"), ("in", "O"), (name(), "B-LOC")],
        [(name(), "B-ORG"), ("Inc", "I-ORG"), ("sold", "O"), ("it", "O"), ("to", "O"), *other],
        [("In", "O"), (name(), "B-LOC"), ("nobody", "O"), ("knows", "O"), *person],
    ]
    return generator.choice(forms)


def lines(task, count, seed, *, new):
    generator = Random(seed)  # noqa: S311
    for _ in range(count):
        words, labels = zip(*task(generator, new=new), strict=True)
        yield f"{' '.join(words)}\t{' '.join(labels)}\n"


@pytest.fixture(scope="session")
def place(once, charrnn):
    """A folder with two tasks, each learnt both ways and one way, and new words to label."""

    def make(folder):
        for task in (speech, names):
            name = task.__name__
            # half of the words in training are invented too: what a word is, its letters seldom say
            known = [*lines(task, 250, 1, new=False), *lines(task, 250, 2, new=True)]
            Random(0).shuffle(known)  # noqa: S311
            (folder / f"{name}.tsv").write_text("".join(known))
            (folder / f"{name}-new.tsv").write_text("".join(lines(task, 100, 3, new=True)))
            for run, flags in {name: ["--bidirectional"], f"{name}-one": []}.items():
                line = ["train", f"{name}.tsv", *NET, *flags, "--steps", STEPS[name], "--name", run]
                done = charrnn(*line, cwd=folder)
                assert done.returncode == 0, done.stderr.decode()

    return once("labels", make)


def score(charrnn, place, name, text):
    done = charrnn("evaluate", name, text, "--json", cwd=place)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def commonest(place, task):
    """How often the commonest label of each word is right, of unknown words that of all."""
    known, new = (
        [line.split("\t") for line in (place / f"{task}{end}.tsv").read_text().splitlines()] for end in ("", "-new")
    )
    seen, every = {}, {}
    for words, labels in known:
        for word, label in zip(words.split(), labels.split(), strict=True):
            for of in (seen.setdefault(word, {}), every):
                of[label] = of.get(label, 0) + 1
    right = total = 0
    for words, labels in new:
        for word, label in zip(words.split(), labels.split(), strict=True):
            of = seen.get(word, every)
            right, total = right + (max(of, key=of.get) == label), total + 1
    return right / total


@pytest.mark.parametrize(("task", "floor"), [("speech", 0.98), ("names", 0.98)])
def test_new_words_are_labelled_by_both_of_their_sides(place, charrnn, task, floor):
    both, one = (score(charrnn, place, name, f"{task}-new.tsv") for name in (task, f"{task}-one"))
    assert both["label_accuracy"] >= floor
    assert one["label_accuracy"] < floor
    assert commonest(place, task) < floor
    assert both["sentence_accuracy"] > one["sentence_accuracy"]
    assert sum(sum(row.values()) for row in both["confusion"].values()) == both["words"]
    right = sum(row.get(label, 0) for label, row in both["confusion"].items())
    assert right / both["words"] == pytest.approx(both["label_accuracy"])
    assert ("span_f1" in both) == (task == "names")
    if task == "names":
        assert both["span_f1"] > max(0.9, one["span_f1"])


def test_yesterday_harry_potter_met_hermione_granger(place, charrnn):
    said = charrnn("sample", "names", "-p", "Yesterday, Harry Potter met Hermione", cwd=place)
    assert said.stdout.decode() == "Yesterday, Harry Potter met Hermione\tO B-PER I-PER O B-PER\n"
    model = load(place / "checkpoints" / "names")
    assert model.label(["Yesterday,", "Harry", "Potter", "met", "Hermione"]) == ["O", "B-PER", "I-PER", "O", "B-PER"]
    assert model.label("") == []
    (found,) = model.labels(["Yesterday, Ärger met Hermione"])
    assert (found.words, len(found.said)) == (["Yesterday,", "Ärger", "met", "Hermione"], 4)
    with pytest.raises(SettingsError, match="no blanks"):
        model.label(["Harry Potter", "met"])


@pytest.mark.parametrize("odd", ["\ufdd2", "\ufdd4", "\U000f0000", "\0"])
def test_what_stands_for_a_label_in_a_text_is_no_label_of_it(place, charrnn, odd):
    """It would be read as one, and counted."""
    words = f"the zo{odd}g"
    for line, given in ((["evaluate", "speech", "--", "-"], f"{words}\tdet noun\n"), (["sample", "speech"], words)):
        more = ["--prompts", "-"] if line[0] == "sample" else []
        done = charrnn(*line, *more, cwd=place, stdin=given.encode())
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (65, b"", 1), done.stderr
        assert b" holds U+" in done.stderr or odd == "\0"
    with pytest.raises(DataError, match=r"holds U\+"):
        load(place / "checkpoints" / "speech").label(words)


def test_prompts_are_answered_with_a_label_for_each_word(place, charrnn):
    questions = "the zog will bavo kilily\nthey mido of a ruti\n"
    done = charrnn("sample", "speech", "--prompts", "-", "--no-echo", cwd=place, stdin=questions.encode())
    assert done.stdout.decode() == "det noun aux verb adv\npron noun prep det noun\n"
    done = charrnn("sample", "speech", "--prompts", "-", "--json", cwd=place, stdin=questions.encode())
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["labels"] for each in found] == [
        ["det", "noun", "aux", "verb", "adv"],
        ["pron", "noun", "prep", "det", "noun"],
    ]
    assert found[0]["words"] == ["the", "zog", "will", "bavo", "kilily"]
    assert all(0 < share <= 1 for each in found for share in each["probabilities"])


def test_a_long_text_is_labelled_in_blocks_as_it_is_at_once(place, monkeypatch):
    model = load(place / "checkpoints" / "speech")
    text = (place / "speech.tsv").read_text()
    whole = list(model.labelled(model._read(text, "the text")))
    monkeypatch.setattr("charrnn.filling_model.SHORT", 100)
    monkeypatch.setattr("charrnn.filling_model.HELD", 100)
    parts = list(model.labelled(model._read(text, "the text")))
    assert [(each.words, each.labels, each.said) for each in parts] == [
        (each.words, each.labels, each.said) for each in whole
    ]
    assert len(whole) == text.count("\n")


def test_sentences_tables_and_the_report(place, charrnn):
    table = charrnn("evaluate", "speech", "speech-new.tsv", cwd=place).stdout.decode()
    assert "taken for" in table
    assert "right in every word" in table
    done = charrnn("evaluate", "speech", "speech-new.tsv", "--per-line", cwd=place)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    expected = [line.split("\t") for line in (place / "speech-new.tsv").read_text().splitlines()]
    assert [" ".join(each["words"]) for each in found] == [words for words, _ in expected]
    assert [" ".join(each["expected"]) for each in found] == [labels for _, labels in expected]
    assert "labels" in charrnn("info", "speech", cwd=place).stdout.decode()
    assert json.loads(charrnn("info", "speech", "--json", cwd=place).stdout)["vocabulary"]["labels"][0] == "adv"
    assert charrnn("report", "speech", cwd=place).returncode == 0
    page = (place / "checkpoints" / "speech" / "report.html").read_text()
    assert "of the held-out words have the right label" in page
    assert "nats per label given both sides ---" in (place / "checkpoints" / "speech" / "samples.txt").read_text()
    assert charrnn("plot", "speech-one", cwd=place).stdout.startswith(b"Loss: bits per label\n")


@pytest.mark.parametrize(
    "line",
    [
        ["sample", "speech", "-p", "the dog", "--top-k", "3"], ["sample", "speech", "-p", "a", "-t", "0.5"],
        ["sample", "speech", "-p", "a", "--count", "2"], ["predict", "speech", "-p", "a"], ["fill", "speech", "a_"],
        ["evaluate", "speech", "--per-char"], ["evaluate", "speech", "--heatmap"], ["evaluate", "speech", "--adapt"],
        ["evaluate", "speech", "--baselines"], ["evaluate", "speech", "names", "--together"],
        ["export", "speech", "a.html"],
        ["train", "speech.tsv", *NET[:5], "--unit", "byte", "--steps", "1"],
        ["train", "speech.tsv", "--records", "lines", "--synced", "--steps", "1"],
        ["evaluate", "speech", "short.tsv"],
    ],
)  # fmt: skip
def test_what_labels_cannot_do_is_refused_in_one_line(place, charrnn, line):
    (place / "short.tsv").write_text("the dog\tdet noun\nthey see\tpron\n")
    done = charrnn(*line, cwd=place)
    assert done.returncode in (2, 65)
    assert done.stdout == b""
    (said,) = [each for each in done.stderr.decode().splitlines() if each.startswith("charrnn: error")]
    assert "bug" not in said
    if line[-1] == "short.tsv":
        assert "record 2 of short.tsv has 2 words and 1 label" in said
