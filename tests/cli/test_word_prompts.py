"""A model of words continues a prompt that is cut anywhere as its text goes on."""

import json

import pytest

from charrnn.generation.sample import Sampling
from charrnn.language_model import load
from tests.conftest import TINY

SENTENCES = ["cash flow is high", "rain falls on the plain", "the clouds are in the sky", "x rays pass through"]


@pytest.fixture(scope="module")
def words(charrnn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    text = "".join(sentence + "\n" for sentence in SENTENCES) * 40 + "seldom heard\n"
    (folder / "words.txt").write_text(text)
    line = ["train", "words.txt", "--unit", "word", *TINY, "--steps", "300", "--learning-rate", "0.02"]
    assert charrnn(*line, cwd=folder).returncode == 0
    return folder


def test_a_prompt_that_is_cut_anywhere_is_continued_as_the_text_goes_on(words):
    model = load("words", checkpoints=words / "checkpoints")
    cuts = [(sentence, place) for sentence in SENTENCES for place in range(1, len(sentence))]
    sampling = Sampling(length=40, temperature=0, stops=(b"\n",))
    written = list(model.samples(["\n" + sentence[:place] for sentence, place in cuts], sampling, seed=1))
    assert [each.text for each in written] == [sentence[place:] for sentence, place in cuts]
    assert all(-5 < each.log_probability <= 0 for each in written)
    for prompt in ("\nx", "\ncash"):  # with only one word that begins so, the rest costs nothing
        sample = model.sample(prompt, length=40, temperature=0, stops="\n", seed=1)
        added = model.score(prompt + sample.text + "\n").nats - model.score(prompt).nats
        assert -sample.log_probability == pytest.approx(added, abs=1e-3)


def test_prompts_from_files_are_taken_back_too(charrnn, words):
    line = ["sample", "words", "--prompts", "-", "-t", "0", "-n", "9", "--stop", "\\n", "--json", "--seed", "1"]
    cuts = [sentence[: place + 1] for sentence in SENTENCES[:1] for place in range(len(sentence) - 1)]
    done = charrnn(*line, cwd=words, stdin="\n".join(cuts).encode())
    written = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [each["text"] for each in written] == [SENTENCES[0][: len(cut) + 9] for cut in cuts]
    assert [each["prompt"] for each in written] == cuts
    assert all(-5 < each["log_probability"] <= 0 for each in written)


def test_what_comes_next_is_the_same_with_a_space_behind_the_prompt(charrnn, words):
    def first(prompt, *more):
        done = charrnn("predict", "words", "-p", prompt, "--json", *more, cwd=words)
        return json.loads(done.stdout)["predictions"][0]

    assert first("cash flow is")["text"] == " high"
    assert first("cash flow is ")["text"] == "high"
    assert first("cash flow is hi")["text"] == "gh"
    assert first("cash flow is ", "--steps", "2")["text"] == "high\n"
    assert first("cash flow is ")["probability"] > 0.9


def test_a_word_that_is_no_symbol_is_spelled_on(charrnn, words):
    """ "seldom" stands there once, so it is spelled in its characters."""
    done = charrnn("predict", "words", "-p", "\nseld", "--json", "--top", "99", cwd=words)
    found = [each["text"] for each in json.loads(done.stdout)["predictions"]]
    assert "o" in found
