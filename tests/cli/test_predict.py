"""`charrnn predict` as a whole command."""

import json

import pytest

from tests.conftest import TINY


def predict(charrnn, folder, *arguments, **settings):
    done = charrnn("predict", "verses", *arguments, "--json", cwd=folder, **settings)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_the_distribution_of_the_next_character(charrnn, trained):
    found = predict(charrnn, trained, "-p", "Shall I compare the", "--top", "99")
    assert found.keys() == {"model", "prompt", "predictions"}
    assert found["prompt"] == "Shall I compare the"
    probabilities = [each["probability"] for each in found["predictions"]]
    assert sum(probabilities) == pytest.approx(1)
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(len(each["text"]) == 1 for each in found["predictions"])


def test_likeliest_continuations_by_several_characters(charrnn, trained):
    found = predict(charrnn, trained, "-p", "Shall I comp", "--steps", "3", "--top", "4")["predictions"]
    assert [len(each["text"]) for each in found] == [3] * 4
    assert found[0]["probability"] >= found[3]["probability"] > 0


def test_people_see_bars(charrnn, trained):
    lines = charrnn("predict", "-p", "Shall I compare the", "--top", "5", cwd=trained).stdout.decode().splitlines()
    found = predict(charrnn, trained, "-p", "Shall I compare the", "--top", "5")["predictions"]
    assert len(lines) == 5
    for line, each in zip(lines, found, strict=True):
        assert line.startswith(json.dumps(each["text"]))
        assert f"{each['probability']:.4f}" in line
        assert line.count("\u2588") == round(30 * each["probability"])


def test_the_text_comes_from_a_file_or_stdin(charrnn, trained, tmp_path):
    (tmp_path / "text").write_text("Rough win")
    expected = predict(charrnn, trained, "-p", "Rough win")
    assert predict(charrnn, trained, "--prompt-file", tmp_path / "text") == expected
    assert predict(charrnn, trained, "--prompt-file", "-", stdin=b"Rough win") == expected


def test_unknown_characters_are_refused_unless_asked_otherwise(charrnn, trained):
    assert charrnn("predict", "-p", "\u20ac", cwd=trained).returncode == 65
    skipped = predict(charrnn, trained, "-p", "Sh\u20aca", "--unknown", "skip")["predictions"]
    assert skipped == predict(charrnn, trained, "-p", "Sha")["predictions"]


@pytest.mark.parametrize("wrong", [["--steps", "0"], ["--top", "0"], ["--top", "x"]])
def test_wrong_flags_are_refused(charrnn, trained, wrong):
    assert charrnn("predict", "-p", "And", *wrong, cwd=trained).returncode == 2


def test_a_byte_model_shows_characters_or_bytes_as_they_are_written(charrnn, tmp_path):
    (tmp_path / "verses.txt").write_text("\u0431\u0443\u0440\u044f \u043c\u0433\u043b\u043e\u044e\n" * 60)
    line = ["train", "verses.txt", "--unit", "byte", *TINY, "--steps", "60", "--learning-rate", "0.02"]
    assert charrnn(*line, cwd=tmp_path).returncode == 0
    found = predict(charrnn, tmp_path, "-p", "\u0431\u0443", "--top", "40")["predictions"]
    assert found[0]["text"] == "\u0440"
    assert all(len(each["text"]) == 1 or each["text"].startswith("\\x") for each in found)
    assert "\ufffd" not in "".join(each["text"] for each in found)
    assert {text for text in (each["text"] for each in found) if text.startswith("\\x")}
    shown = charrnn("predict", "verses", "-p", "\u0431\u0443", "--top", "40", cwd=tmp_path).stdout.decode()
    assert '"\u0440"' in shown
    assert '"\\x' in shown
    assert '"\\\\x' not in shown
