"""`charrnn.train` is the command without the door; and what a model in hand shows of itself."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
from html.parser import HTMLParser

import numpy as np
import pytest

import charrnn
from charrnn.errors import CharrnnError, MissingInputError, OutputError, SettingsError, StoppedError
from charrnn.evaluation.units import activations
from charrnn.runs.checkpoint import read_checkpoint

TEXT = "Shall I compare thee to a summer's day?\nThou art more lovely & <more> temperate:\n" * 20
TINY = {
    "hidden": 12,
    "embedding": 6,
    "batch_size": 4,
    "seq_length": 12,
    "precision": "float32",
    "threads": 1,
    "seed": 3,
}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "verses.txt").write_text(TEXT)
    return tmp_path


@pytest.fixture(name="command")
def command_line(request):
    return request.getfixturevalue("charrnn")


def trained(place, **more):
    return charrnn.train(place / "verses.txt", checkpoints=place / "checkpoints", **{**TINY, "steps": 12, **more})


def weights(path):
    return {name: array.tobytes() for name, array in read_checkpoint(path).weights.items()}


def test_it_makes_the_run_that_the_command_makes(place, command):
    model = trained(place, name="called")
    flags = [part for key, value in TINY.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    line = ["train", "verses.txt", "--name", "typed", "--steps", "12", "-q", *flags]
    assert command(*line, cwd=place).returncode == 0
    folders = [place / "checkpoints" / name for name in ("called", "typed")]
    assert model.path == folders[0] / "best.safetensors"
    assert weights(model.path) == weights(folders[1] / "best.safetensors")
    assert {path.name for path in folders[0].iterdir()} == {path.name for path in folders[1].iterdir()}
    configs = [(folder / "config.yaml").read_text().replace(str(place) + "/", "") for folder in folders]
    assert configs[0] == configs[1]


def test_every_event_is_told(place):
    seen = []
    trained(place, progress=seen.append)
    kinds = [type(event).__name__ for event in seen]
    assert kinds[0] == "Started"
    assert kinds[-1] == "Finished"
    assert {"Notice", "Trained", "Evaluated", "Sampled", "Saved"} <= set(kinds)
    assert [event.as_json() for event in seen] == charrnn.Run("verses", checkpoints=place / "checkpoints").metrics()


def test_a_bar_is_shown_where_it_is_asked_for(place, capsys):
    trained(place, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "12/12" in captured.err
    assert "loss" in captured.err
    trained(place, name="silent")
    assert capsys.readouterr() == ("", "")


def test_an_interrupt_saves_and_the_same_call_goes_on(place):
    """As in a notebook whose cell is interrupted."""
    whole = trained(place, name="whole", steps=400)

    def interrupt(event):
        if type(event).__name__ == "Trained" and event.step >= 100:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(StoppedError):
        trained(place, name="cut", steps=400, progress=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert len(charrnn.Run("cut", checkpoints=place / "checkpoints").metrics("finished")) == 0
    again = trained(place, name="cut", steps=400, resume=True)
    assert weights(again.path) == weights(whole.path)


def test_it_trains_in_a_thread(place):
    found = []
    thread = threading.Thread(target=lambda: found.append(trained(place, steps=2)))
    thread.start()
    thread.join()
    assert len(found[0].sample(length=5, seed=1).text) == 5


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"hiden": 3}, SettingsError, "did you mean hidden?"),
        ({"hidden": "x"}, SettingsError, "hidden cannot be 'x'"),
        ({"steps": 3, "epochs": 2}, SettingsError, "cannot be used together"),
        ({"progress": 3}, SettingsError, "`progress` cannot be 3"),
        ({"name": "taken"}, OutputError, "taken"),
        ({"init_from": "nothing"}, MissingInputError, "nothing"),
        ({"validation": "nowhere.txt"}, MissingInputError, "nowhere.txt"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(place, settings, kind, said):
    (place / "checkpoints" / "taken").mkdir(parents=True)
    (place / "checkpoints" / "taken" / "mine.txt").touch()
    with pytest.raises(kind, match=r"^[^\n]*$") as refused:
        trained(place, **settings)
    assert said in str(refused.value)
    assert [path.name for path in (place / "checkpoints").iterdir()] == ["taken"]


def test_a_text_that_is_not_there_or_no_place_is_refused(place):
    for corpus in ("nowhere.txt", [], [place / "verses.txt", 3]):
        with pytest.raises(CharrnnError):
            charrnn.train(corpus, checkpoints=place / "checkpoints")
    assert not (place / "checkpoints").exists()


def test_a_run_that_is_not_there_is_refused(tmp_path):
    for name in (None, "nothing"):
        with pytest.raises(MissingInputError):
            charrnn.Run(name, checkpoints=tmp_path)


# A model in hand -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("in hand")
    (folder / "verses.txt").write_text(TEXT)
    return trained(folder, layers=2)


class Marks(HTMLParser):
    def __init__(self, content):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def test_a_surprise_is_that_of_the_score(model):
    text = "Shall I <script> & \x1b[31m\nday?"
    found = model.surprisal(text)
    assert "".join(found.texts) == "".join(c for c in text if c in model.vocabulary)
    score = model.score(text)
    assert math.fsum(found.bits) / score.characters == pytest.approx(score.bits_per_char)
    assert f"{len(found)} symbols" in repr(found)
    shown = Marks(found._repr_html_())
    assert {"&lt;", "&gt;", "&amp;"} <= set(re.findall(r"&\w+;", found._repr_html_()))
    assert set(shown.tags) == {"pre", "span"}
    assert shown.text.replace("\u21b5", "") == "".join(found.texts)


def test_states_are_those_of_the_network(model):
    text = "Shall I compare"
    found = model.states(text)
    assert {name: part.shape for name, part in found.items()} == {"h": (15, 2, 12), "c": (15, 2, 12)}
    shown = activations(model.networks.numpy, model.ids(text))
    np.testing.assert_allclose(np.tanh(found["c"]).reshape(15, 24), shown, atol=1e-6)
    assert model.states("")["h"].shape == (0, 2, 12)


def test_a_report_and_an_export_are_written_where_they_are_asked_for(model, tmp_path):
    page = model.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == page == model.report()
    assert model.export(tmp_path / "desk.html", weights="float16")[0].startswith("float16 weights: ")
    assert (tmp_path / "desk.html").read_text().startswith("<!doctype html>")
    with pytest.raises(SettingsError):
        model.export(tmp_path / "model.bin")
    with pytest.raises(SettingsError, match="`weights` cannot be 'int4'"):
        model.export(tmp_path / "desk.html", weights="int4")


def test_a_run_gives_its_record_and_its_model(model):
    run = charrnn.Run(model.path.parent)
    assert "evaluations" in repr(run)
    assert json.dumps(run.metrics("trained"))
    assert run.model().sample(length=9, seed=1) == model.sample(length=9, seed=1)


def test_nothing_heavy_is_loaded_before_it_is_asked_for(tmp_path):
    program = (
        "import sys, charrnn; heavy = lambda: {'torch', 'numpy', 'onnx', 'tqdm'} & set(sys.modules);"
        "assert not heavy();"
        "charrnn.train; charrnn.Run; charrnn.load; assert heavy() <= {'numpy'}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr.decode()
