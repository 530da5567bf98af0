"""`charrnn sample --no-repeat N --novel N` as a whole command, and from Python."""

import json
import shutil

import pytest

from charrnn.errors import MissingInputError
from charrnn.language_model import load


def spans(text, size):
    return [text[at : at + size] for at in range(len(text) - size + 1)]


def samples(charrnn, folder, *arguments, **settings):
    line = ["sample", "verses", "--seed", "3", "--json", "-p", "Shall I", *arguments]
    done = charrnn(*line, cwd=folder, **settings)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().splitlines()], done.stderr.decode()


def test_no_span_is_written_twice_and_none_stands_in_the_training_text(charrnn, trained):
    free, _ = samples(charrnn, trained, "-n", "200", "--count", "6", "-t", "0.5")
    held, said = samples(charrnn, trained, "-n", "200", "--count", "6", "-t", "0.5", "--no-repeat", "5", "--novel", "8")
    text = (trained / "verses.txt").read_text()
    train = set(spans(text[: int(len(text) * 0.9)], 8))
    assert any(len(set(spans(each["text"], 5))) < len(spans(each["text"], 5)) for each in free)
    assert any(set(spans(each["text"], 8)) & train for each in free)
    for each in held:
        assert each["stop_reason"] == "length"
        assert len(set(spans(each["text"], 5))) == len(spans(each["text"], 5))
        assert set(spans(each["text"], 8)) & train <= set(spans("Shall I", 8))
    assert said == ""
    alone = load("verses", checkpoints=trained / "checkpoints")
    alone.checkpoint.config.corpus[:] = [str(trained / "verses.txt")]
    sample = alone.sample("Shall I", length=200, temperature=0.5, no_repeat=5, novel=8, seed=3 + 4)
    assert "Shall I" + sample.text == held[4]["text"]
    assert sample.log_probability == held[4]["log_probability"]


def test_a_sample_that_nothing_may_follow_ends_and_says_so(charrnn, trained):
    (each,), said = samples(charrnn, trained, "--no-repeat", "1", "-n", "500", "--no-echo")
    assert each["stop_reason"] == "exhausted"
    assert 0 < each["characters"] == len(set(each["text"])) < 60
    assert said == "sample 1 ended early: --no-repeat or --novel rules out every continuation\n"
    (each,), _ = samples(charrnn, trained, "--novel", "1")
    assert (each["text"], each["characters"], each["stop_reason"]) == ("Shall I", 0, "exhausted")


def test_a_text_that_is_gone_or_has_changed_is_refused_in_one_line(charrnn, trained, tmp_path):
    folder = tmp_path / "moved"
    shutil.copytree(trained, folder)
    run = folder / "checkpoints" / "verses"
    for name, change in (("gone", lambda path: path.unlink()), ("changed", lambda path: path.write_text("x" * 900))):
        place = tmp_path / f"{name}.txt"
        shutil.copy(trained / "verses.txt", place)
        model = load(run, corpus=str(place))
        assert model.sample("Shall I", length=5, novel=4, seed=1).characters == 5
        change(place)
        with pytest.raises((MissingInputError, Exception), match="`novel` needs the training text; ") as caught:
            model.sample("Shall I", length=5, novel=4, seed=1)
        assert "\n" not in str(caught.value)


def test_limits_are_numbers_of_symbols(charrnn, trained):
    for flag in ("--no-repeat", "--novel"):
        for wrong in ("0", "-1", "x"):
            assert charrnn("sample", "verses", flag, wrong, cwd=trained).returncode == 2
