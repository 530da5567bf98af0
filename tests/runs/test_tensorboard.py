"""TensorBoard's curves are those of `metrics.jsonl`, however often a run stopped, went back or could not write."""

import builtins
import sys

import numpy as np
import pytest

from charrnn.errors import SettingsError, StorageError
from charrnn.runs import tensorboard
from charrnn.runs.events import Evaluated, Finished, RolledBack, Sampled, Saved, Started, Trained
from charrnn.runs.record import Reached, RunRecord
from charrnn.runs.tensorboard import SCALARS, TensorBoard

pytest.importorskip("tensorboard", reason="an extra: 60 MB that nothing else needs")
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator  # what its pages read with


def trained(step):
    return Trained(step, step / 3, 0.1 + 1 / (step + 1), 1e-17 * step, 5e-3 / (step + 1), 1e6 + step, float(step))


EVENTS = [
    Started(0, "poem", parameters=123, steps=6, resumed=False),
    trained(1),
    trained(2),
    Sampled(2, "\x1b[31m<script>alert(1)</script>\n# \u202e\n```", None),
    trained(3),
    Evaluated(3, nats_per_char=2.5, bits_per_char=3.6067376022224087, temperature=1.0, best=True, epoch=1.0),
    Sampled(3, "two", nats_per_char=2.5),
    Saved(3, "step-00000003.safetensors"),
    trained(5),
    Evaluated(6, nats_per_char=2.25, bits_per_char=3.246063842, temperature=1.0, best=True, epoch=1.0),
    Finished(6, "poem", 9.0, 2.0, 2.25, 2.25, 5),
]


class Session:
    """What listens in one session of a run, with a record that is wound back to what it has `reached`."""

    def __init__(self, folder, reached=None, curves=True):
        folder.mkdir(exist_ok=True)
        self.record, self.warnings, reached = RunRecord(folder), [], reached or Reached(-1)
        self.record.wind_back(reached)
        self.curves = TensorBoard(self.record, reached, self.warnings.append) if curves else lambda event: None

    def hear(self, events):
        for event in events:
            self.record(event)
            self.curves(event)
        return self


def curves(folder):
    """Every scalar by tag, and the samples, as TensorBoard reads them."""
    found = EventAccumulator(str(folder / tensorboard.FOLDER), size_guidance={"tensors": 0})
    found.Reload()
    scalars = {tag: [] for tags in SCALARS.values() for tag in tags.values()}
    for tag in found.Tags()["tensors"]:
        if tag != tensorboard.SAMPLE:
            scalars[tag] += [(each.step, each.tensor_proto.float_val[0]) for each in found.Tensors(tag)]
    samples = found.Tensors(tensorboard.SAMPLE) if tensorboard.SAMPLE in found.Tags()["tensors"] else []
    return scalars, [(each.step, each.tensor_proto.string_val[0].decode()) for each in samples]


def recorded(folder):
    """The same, as `metrics.jsonl` has it, to the precision of TensorBoard's numbers."""
    events = RunRecord(folder).read()
    scalars = {
        tag: [(event["step"], float(np.float32(event[key]))) for event in events if event["event"] == kind]
        for kind, tags in SCALARS.items()
        for key, tag in tags.items()
    }
    return scalars, [event["step"] for event in events if event["event"] == "sampled"]


def assert_same(folder):
    scalars, samples = curves(folder)
    assert (scalars, [step for step, _ in samples]) == recorded(folder)
    return scalars, samples


def test_every_number_is_that_of_the_record(tmp_path):
    Session(tmp_path).hear(EVENTS)
    scalars, _ = assert_same(tmp_path)
    assert [len(each) for each in scalars.values()] == [4, 4, 4, 4, 2, 2]


def test_samples_are_shown_as_they_are(tmp_path):
    """As a block of Markdown, in which nothing has a meaning; what could steer a terminal is written out."""
    Session(tmp_path).hear(EVENTS)
    assert curves(tmp_path)[1] == [
        (2, "    \\x1b[31m<script>alert(1)</script>\n    # \\u202e\n    ```"),
        (3, "    two"),
    ]


@pytest.mark.parametrize("watched", [0, 1])
@pytest.mark.parametrize("step", range(-1, 7))
def test_a_resumed_run_has_the_curves_of_an_unbroken_one(tmp_path, step, watched):
    """Also where a checkpoint was written before the evaluation at its step."""
    unbroken = Session(tmp_path / "unbroken").hear(EVENTS)
    reached = Reached(step, step - watched, step - watched)
    Session(tmp_path / "broken").hear(EVENTS)
    again = Session(tmp_path / "broken", reached)
    assert_same(tmp_path / "broken")
    kept = reached.keeps(unbroken.record.read())
    again.hear(event for event in EVENTS if event.as_json() not in kept)
    assert_same(tmp_path / "broken")
    assert curves(tmp_path / "broken") == curves(tmp_path / "unbroken")


@pytest.mark.parametrize("step", range(7))
def test_a_session_without_curves_leaves_no_gap(tmp_path, step):
    """Neither the first, nor one between two others."""
    sessions = [(-1, 2, True), (2, 4, False), (4, 7, True)] if step > 2 else [(-1, step, False), (step, 7, True)]
    for start, end, drawn in sessions:
        session = Session(tmp_path, Reached(start, start, start), curves=drawn)
        session.hear(event for event in EVENTS if start < event.step <= end)
    assert_same(tmp_path)


@pytest.mark.parametrize("cut", [1, 20, 400, 10_000])
def test_what_a_killed_process_left_of_its_last_event_is_written_again(tmp_path, cut):
    Session(tmp_path).hear(EVENTS[:6])
    (file,) = (tmp_path / tensorboard.FOLDER).iterdir()
    file.write_bytes(file.read_bytes()[:-cut])
    Session(tmp_path, Reached(3, 3, 3)).hear(EVENTS[6:])
    assert_same(tmp_path)


def test_a_run_that_goes_back_takes_its_curves_with_it(tmp_path):
    session = Session(tmp_path).hear(EVENTS[:-1])
    session.hear([RolledBack(3, 6, 1e-3, "loss nan", None, 2, 1)])
    scalars, samples = assert_same(tmp_path)
    assert [step for step, _ in scalars["training/loss"]] == [1, 2, 3]
    assert [step for step, _ in samples] == [2]
    session.hear([trained(4), Evaluated(4, 1.0, 1.4426950408889634, 1.0, True, 1.0)])
    assert_same(tmp_path)


def test_a_full_disk_ends_nothing_and_is_told_once(tmp_path, monkeypatch):
    session, write = Session(tmp_path), tensorboard.append_line

    def full(path, line):
        raise StorageError(f"cannot write {path}", "no space left on device")

    session.hear(EVENTS[:2])
    monkeypatch.setattr(tensorboard, "append_line", full)
    session.hear(EVENTS[2:-1])
    assert len(session.warnings) == 1
    assert "no space left on device; training goes on" in session.warnings[0]
    monkeypatch.setattr(tensorboard, "append_line", write)
    session.hear(EVENTS[-1:])
    assert_same(tmp_path)


def test_a_folder_that_cannot_be_made_ends_nothing(tmp_path):
    (tmp_path / tensorboard.FOLDER).write_text("in the way")
    session = Session(tmp_path).hear(EVENTS)
    assert len(session.warnings) == 1
    assert "cannot create" in session.warnings[0]


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    tensorboard.check()
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("tensorboard"):
            raise ModuleNotFoundError("No module named 'tensorboard'")
        return real(name, *rest)

    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        SettingsError, match="needs the package tensorboard; no module named 'tensorboard'; pip install"
    ):
        tensorboard.check()
