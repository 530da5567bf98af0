"""A record has one JSON line per event, and reads after a resume as if the run had never stopped."""

import json

import pytest

from charrnn.errors import OutputError
from charrnn.runs.events import Evaluated, Finished, Notice, Planned, Sampled, Saved, Started, Trained
from charrnn.runs.record import Reached, RunRecord

AWKWARD = 'line\nbreak\r\n"quote" back\\slash \x00\x1b[0m \x85\u2028\u2029 🙂 \ufffd --- step 3 ---'
EVENTS = [
    Started(0, "poem", parameters=123, steps=6, resumed=False),
    Notice(0, "kept the weights of 3 symbols"),
    Trained(1, epoch=1 / 3, loss=0.1 + 0.2, gradient_norm=1e-17, learning_rate=5e-3, symbols_per_second=1e6, seconds=1),
    Sampled(2, text=AWKWARD, nats_per_char=None),
    Evaluated(3, nats_per_char=2.5, bits_per_char=3.6067376022224087, temperature=1.0, best=True, epoch=1.0),
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
    events = [
        Sampled(2, "one", None),
        EVENTS[0],
        Sampled(10, "two", 2.5, epoch=0.5),
        Sampled(1200, "3", 0.7, epoch=12.0),
    ]
    assert record_of(tmp_path, events).samples.read_text().split("\n\n") == [
        "--- step         2 ---\none",
        "--- step        10   epoch    0.50   3.6067 bits = 2.5000 nats per character ---\ntwo",
        "--- step     1,200   epoch   12.00   1.0099 bits = 0.7000 nats per character ---\n3",
        "",
    ]


def test_samples_can_be_shown_on_a_terminal(tmp_path):
    """What could steer it is written out; long lines, tabs and any script stay as they are."""
    hostile, harmless = "\x1b[31m \r \x00 \x85 \u202e \u2028 \ud800", "\ta\n" + "w" * 500 + "\n你好 é 🙂"
    record = record_of(tmp_path, [Sampled(1, hostile, None), Sampled(2, harmless, None)])
    first, second = record.samples.read_text().split("--- step         2 ---\n")
    assert first == "--- step         1 ---\n\\x1b[31m \\x0d \\x00 \\x85 \\u202e \\u2028 \\ud800\n\n"
    assert second == harmless + "\n\n"
    assert [event["text"] for event in record.read()] == [hostile, harmless]


def test_a_record_of_before_samples_had_epochs_is_wound_back(tmp_path):
    record = RunRecord(tmp_path)
    record.metrics.write_text('{"event": "sampled", "step": 3, "text": "old", "nats_per_char": 2.5}\n')
    record.wind_back(Reached(3, 3, 3))
    assert record.samples.read_text() == "--- step         3   3.6067 bits = 2.5000 nats per character ---\nold\n\n"


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
