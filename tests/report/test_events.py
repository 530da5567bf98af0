"""A record has one JSON line per event, and reads after a resume as if the run had never stopped."""

import json

import pytest

from charrnn.errors import OutputError
from charrnn.report.events import (
    Evaluated,
    Finished,
    Notice,
    Planned,
    Reached,
    RunRecord,
    Sampled,
    Saved,
    Started,
    Trained,
)

AWKWARD = 'line\nbreak\r\n"quote" back\\slash \x00\x1b[0m \x85\u2028\u2029 🙂 \ufffd --- step 3 ---'
EVENTS = [
    Started(0, "poem", parameters=123, steps=6, resumed=False),
    Notice(0, "kept the weights of 3 symbols"),
    Trained(1, epoch=1 / 3, loss=0.1 + 0.2, gradient_norm=1e-17, learning_rate=5e-3, symbols_per_second=1e6, seconds=1),
    Sampled(2, text=AWKWARD, nats_per_char=None),
    Evaluated(3, nats_per_char=2.5, bits_per_char=3.6067376022224087, best=True, epoch=1.0),
    Sampled(3, text="", nats_per_char=2.5),
    Saved(3, "checkpoints/poem/step-00000003.safetensors"),
    Planned(4, steps=7, expected_seconds=0.3),
    Sampled(5, text="\n\n", nats_per_char=2.25),
    Finished(6, "poem", seconds=9.0, epoch=2.0, nats_per_char=2.25, best_nats_per_char=2.25, best_step=5),
]  # fmt: skip


def record_of(folder, events):
    folder.mkdir(exist_ok=True)
    record = RunRecord(folder)
    for event in events:
        record(event)
    return record


def contents(record):
    return record.metrics.read_bytes(), record.samples.read_bytes()


def test_each_event_is_one_json_line(tmp_path):
    lines = record_of(tmp_path, EVENTS).metrics.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line) for line in lines] == [event.as_json() for event in EVENTS]


def test_an_event_says_what_happened_and_when():
    assert Saved(3, "a").as_json() == {"event": "saved", "step": 3, "path": "a"}
    assert Planned(4, steps=7, expected_seconds=0.5).as_json() == {
        "event": "planned", "step": 4, "steps": 7, "expected_seconds": 0.5,
    }  # fmt: skip


def test_samples_stand_under_their_step_and_score(tmp_path):
    samples = record_of(tmp_path, [Sampled(2, "one", None), EVENTS[0], Sampled(3, "two", 2.5)]).samples
    assert samples.read_text() == "--- step 2 ---\none\n\n--- step 3, 2.5000 nats per character ---\ntwo\n\n"


def test_what_was_recorded_is_read_back(tmp_path):
    assert record_of(tmp_path, EVENTS).read() == [event.as_json() for event in EVENTS]


def test_a_run_without_a_record_has_no_events(tmp_path):
    assert RunRecord(tmp_path).read() == []


@pytest.mark.parametrize(
    "cut", [b"", b"{", b'{"event": "trained", "step": 4, "loss": 0.', b'{"text": "\xf0\x9f', b"[1]\n"]
)
@pytest.mark.parametrize("step", range(7))
def test_a_record_wound_back_and_continued_equals_an_unbroken_one(tmp_path, step, cut):
    unbroken = record_of(tmp_path / "unbroken", EVENTS)
    broken = record_of(tmp_path / "broken", EVENTS)  # all of them happened, and what came after `step` was lost
    with broken.metrics.open("ab") as file:
        file.write(cut)
    with broken.samples.open("ab") as file:
        file.write(cut)
    broken.wind_back(Reached(step, step, step, 9))
    for event in EVENTS:
        if event.step > step:
            broken(event)
    assert contents(broken) == contents(unbroken)


@pytest.mark.parametrize("step", range(7))
def test_winding_back_forgets_exactly_what_came_later(tmp_path, step):
    early = record_of(tmp_path / "early", [event for event in EVENTS if event.step <= step])
    early.samples.touch()
    wound = record_of(tmp_path / "wound", EVENTS)
    wound.wind_back(Reached(step, step, step, 9))
    assert contents(wound) == contents(early)


def test_a_last_line_without_its_newline_is_kept_whole(tmp_path):
    record = record_of(tmp_path, EVENTS)
    before = record.metrics.read_bytes()
    record.metrics.write_bytes(before.removesuffix(b"\n"))
    record.wind_back(Reached(6, 6, 6))
    assert record.metrics.read_bytes() == before


def test_what_a_record_could_not_write_is_written_later(tmp_path):
    """A full or lost disk holds nobody up; only a finished run must have its record."""
    record = RunRecord(tmp_path / "absent")
    record(EVENTS[0])
    with pytest.raises(OutputError):
        record(Finished(9, "r", 1.0, 1.0, None, None, None))
    (tmp_path / "absent").mkdir()
    record(EVENTS[1])
    assert [event["step"] for event in record.read()] == [EVENTS[0].step, 9, EVENTS[1].step]
