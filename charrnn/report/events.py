"""The things that happen in a run, as plain data, and the run's own record of them.

The loop tells; who listens (a progress bar, JSON lines, `metrics.jsonl`) is decided elsewhere. A record is appended to
as things happen; on resuming it is wound back to the checkpoint, so that it reads as if the run had never stopped.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from charrnn.errors import OutputError, StorageError
from charrnn.files import append_line, write_whole


@dataclass(frozen=True)
class Event:
    """Something that happened at a step (the number of steps done)."""

    step: int

    def as_json(self) -> dict[str, Any]:
        """The event as one JSON object."""
        return {"event": type(self).__name__.lower(), **asdict(self)}


@dataclass(frozen=True)
class Notice(Event):
    """Something a user should know: what was chosen, shrunk, dropped or repaired."""

    text: str


@dataclass(frozen=True)
class Started(Event):
    """A run begins, or continues at `step`."""

    run: str
    parameters: int
    steps: int
    resumed: bool


@dataclass(frozen=True)
class Planned(Event):
    """How many steps the run has, and how long they will take."""

    steps: int
    expected_seconds: float


@dataclass(frozen=True)
class Trained(Event):
    """Some steps were made; `loss` is their mean, in nats per symbol."""

    epoch: float
    loss: float
    gradient_norm: float
    learning_rate: float
    symbols_per_second: float
    seconds: float


@dataclass(frozen=True)
class RolledBack(Event):
    """The loss stopped being a number at `diverged_step`; the run goes on from `step` with a smaller learning rate."""

    diverged_step: int
    learning_rate: float
    why: str


@dataclass(frozen=True)
class Evaluated(Event):
    """The validation part was scored."""

    nats_per_char: float
    bits_per_char: float
    best: bool
    epoch: float


@dataclass(frozen=True)
class Sampled(Event):
    """A short text with a fixed seed, so that its growth shows."""

    text: str
    nats_per_char: float | None


@dataclass(frozen=True)
class Saved(Event):
    """A checkpoint is whole."""

    path: str


@dataclass(frozen=True)
class Finished(Event):
    """The last step is made, evaluated and saved."""

    run: str
    seconds: float
    epoch: float
    nats_per_char: float | None
    best_nats_per_char: float | None
    best_step: int | None


Listener = Callable[[Event], None]
METRICS, SAMPLES = "metrics.jsonl", "samples.txt"


class RunRecord:
    """`metrics.jsonl` and `samples.txt` in a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.metrics, self.samples = folder / METRICS, folder / SAMPLES
        self.unwritten: list[tuple[Path, str]] = []

    def __call__(self, event: Event) -> None:
        """Append `event`; what a full disk refuses is kept and appended later.

        Raises:
            OutputError, StorageError: the run is finished, and its record cannot be written.
        """
        try:
            if isinstance(event, RolledBack):
                self.wind_back(event.step)
            self.unwritten.append((self.metrics, json.dumps(event.as_json(), ensure_ascii=False) + "\n"))
            if isinstance(event, Sampled):
                self.unwritten.append((self.samples, _rung(event.step, event.nats_per_char, event.text)))
            while self.unwritten:
                path, text = self.unwritten[0]
                append_line(path, text.encode("utf-8", "surrogateescape"))
                del self.unwritten[0]
        except (OutputError, StorageError):
            if isinstance(event, Finished):
                raise

    def wind_back(self, step: int) -> None:
        """Forget what a lost part of the run recorded after `step`."""
        events = [event for event in self.read() if event["step"] <= step]
        lines = (json.dumps(event, ensure_ascii=False) + "\n" for event in events)
        write_whole(self.metrics, "".join(lines).encode("utf-8", "surrogateescape"))
        rungs = (_rung(e["step"], e["nats_per_char"], e["text"]) for e in events if e["event"] == "sampled")
        write_whole(self.samples, "".join(rungs).encode("utf-8", "surrogateescape"))

    def read(self) -> list[dict[str, Any]]:
        """Every event so far; a last line that was cut short is left out."""
        if not self.metrics.exists():
            return []
        events = []
        for line in self.metrics.read_text("utf-8", "surrogateescape").split("\n"):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("step"), int):
                events.append(event)
        return events


def _rung(step: int, nats: float | None, text: str) -> str:
    score = "" if nats is None else f", {nats:.4f} nats per character"
    return f"--- step {step}{score} ---\n{text}\n\n"
