"""`evaluate a b --together`: several models as one, at each place the mean of their probabilities."""

import json
import math

import numpy as np
import pytest

import charrnn as package
from charrnn.errors import SettingsError
from charrnn.together import Together
from tests.conftest import TINY, VERSES

LINE = ["train", "verses.txt", *TINY, "--learning-rate", "0.01", "--steps", "40", "-q"]


@pytest.fixture(scope="module")
def members(charrnn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    (folder / "verses.txt").write_text(VERSES * 12)
    (folder / "long.txt").write_text(VERSES * 80)  # read in lanes
    (folder / "lines.txt").write_text("ab\nabc\nb\n" * 90)
    for seed in ("1", "2", "3"):
        assert charrnn(*LINE, "--seed", seed, "--name", f"m{seed}", cwd=folder).returncode == 0
    lines = ["--records", "lines"]
    others = {"lines": lines, "answers": [*lines, "--target-after", "b"], "both": ["--bidirectional"]}
    for name, more in others.items():
        line = ["train", "lines.txt", *TINY, "--steps", "9", "-q", "--name", name, *more]
        assert charrnn(*line, cwd=folder).returncode == 0, name
    return folder


def scores(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("text", ["verses.txt", "long.txt"])
def test_the_score_is_that_of_the_mean_of_probabilities_at_each_place(charrnn, members, text):
    names = ["m1", "m2", "m3"]
    each = [scores(charrnn("evaluate", name, text, "--per-char", cwd=members)) for name in names]
    bits = np.array([[place["bits"] for place in one if place["bits"] is not None] for one in each])
    expected = -np.log2(np.exp2(-bits).mean(axis=0)).mean()
    (found,) = scores(charrnn("evaluate", *names, "--together", "--json", "--", text, cwd=members))
    assert found["bits_per_char"] == pytest.approx(expected, abs=1e-6)
    alone = [scores(charrnn("evaluate", name, text, "--json", cwd=members))[0] for name in names]
    assert found["bits_per_char"] < np.mean([one["bits_per_char"] for one in alone])
    assert found["model"].count(" + ") == 2
    assert (found["characters"], found["bytes"]) == (alone[0]["characters"], alone[0]["bytes"])


def test_without_a_text_it_is_their_own_held_out_part(charrnn, members):
    (found,) = scores(charrnn("evaluate", "m1", "m2", "--together", "--json", cwd=members))
    (alone,) = scores(charrnn("evaluate", "m1", "--json", cwd=members))
    assert found["characters"] == alone["characters"]
    assert found["text"] == alone["text"]


def test_of_a_model_and_itself_it_is_that_model(charrnn, members):
    for more in ([], ["--window", "20"], ["--adapt"]):
        line = ["--json", *more]
        (found,) = scores(charrnn("evaluate", "m1", "m1", "--together", *line, "--", "verses.txt", cwd=members))
        (alone,) = scores(charrnn("evaluate", "m1", "verses.txt", *line, cwd=members))
        keys = [key for key in alone if key.endswith(("per_char", "perplexity"))]
        assert [found[key] for key in keys] == pytest.approx([alone[key] for key in keys])


def test_it_shows_what_one_model_shows(charrnn, members):
    line = ["evaluate", "m1", "m2", "--together", "--", "verses.txt"]
    for more in (["--per-line"], ["--per-char"], ["--heatmap"], ["--threshold", "2"]):
        assert charrnn(*line[:4], *more, *line[4:], cwd=members).returncode == 0
    (own,) = scores(charrnn("evaluate", "lines", "lines", "--together", "--json", "--", "lines.txt", cwd=members))
    assert own["characters"] > 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["m1"], b"only one model is named"),
        (["m1", "lines"], b"their symbols differ"),
        (["lines", "both"], b"some of them read both ways"),
        (["answers", "answers"], b"models that answer cannot be put together"),
        (["m1", "m2", "--choices", "a,b"], b"--choices"),
    ],
)
def test_what_cannot_be_put_together_is_refused_in_one_line(charrnn, members, line, says):
    done = charrnn("evaluate", *line, "--together", cwd=members)
    assert (done.returncode, says in done.stderr, done.stdout) == (2, True, b""), done.stderr


def test_from_python(members):
    one, two = (package.load(name, checkpoints=members / "checkpoints") for name in ("m1", "m2"))
    both = Together([one, two]).score("Shall I compare thee")
    separate = [np.concatenate([part.nats for part in each.scored(["Shall I compare thee"])]) for each in (one, two)]
    assert both.nats == pytest.approx(-np.log(np.exp(-np.array(separate)).mean(axis=0)).sum())
    assert math.isfinite(both.bits_per_char)
    with pytest.raises(SettingsError):
        Together([one])
