"""The things that happen in a run, as plain data, and the run's own record of them.

The loop tells; who listens (a progress bar, JSON lines, `metrics.jsonl`) is decided elsewhere. A record is appended to
as things happen; on resuming it is wound back to the checkpoint, so that it reads as if the run had never stopped.
`metrics.jsonl` has everything, to the last digit and character; `samples.txt` is made of it for people, who show it on
terminals: there control characters are written out.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from charrnn.errors import OutputError, StorageError, unreadable
from charrnn.files import append_line, write_whole
from charrnn.report.visible import visible


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
    evaluated_step: int | None
    sampled_step: int | None
    rollbacks: int  # this one included

    @property
    def reached(self) -> "Reached":
        """What the record keeps; this event itself is appended afterwards."""
        return Reached(self.step, self.evaluated_step, self.sampled_step, self.rollbacks - 1)


@dataclass(frozen=True)
class Evaluated(Event):
    """The validation part was scored."""

    nats_per_char: float
    bits_per_char: float
    temperature: float  # what logits are divided by; more than 1 where the network is too sure of itself
    best: bool
    epoch: float


@dataclass(frozen=True)
class Sampled(Event):
    """A short text with a fixed seed, so that its growth shows."""

    text: str
    nats_per_char: float | None  # as last scored
    epoch: float | None = None  # there are older records without


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


@dataclass(frozen=True)
class Reached:
    """How far a run is, as far as its record is concerned."""

    step: int
    evaluated_step: int | None = None
    sampled_step: int | None = None
    rollbacks: int = 0

    def keeps(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of `events` that had happened by then."""
        limits = {"evaluated": self.evaluated_step or -1, "sampled": self.sampled_step or -1}
        kept, rollbacks = [], 0
        for event in events:
            kind = event["event"]
            rollbacks += kind == "rolledback"
            undone = kind == "rolledback" and rollbacks > self.rollbacks
            if event["step"] <= limits.get(kind, self.step) and not undone:
                kept.append(event)
        return kept


class RunRecord:
    """`metrics.jsonl` and `samples.txt` in a run's folder.

    What a full disk refuses is kept in memory and written later; `warn` is told once.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] = lambda text: None) -> None:
        self.metrics, self.samples, self.warn = folder / METRICS, folder / SAMPLES, warn
        self.unwritten: list[dict[str, Any]] = []
        self.winding: Reached | None = None

    def __call__(self, event: Event) -> None:
        """Append `event`.

        Raises:
            OutputError, StorageError: the run is finished, and its record cannot be written.
        """
        if isinstance(event, RolledBack):
            self.winding = event.reached
            self.unwritten = self.winding.keeps(self.unwritten)
        waiting = bool(self.unwritten or (self.winding and not isinstance(event, RolledBack)))
        self.unwritten.append(event.as_json())
        try:
            if self.winding:
                self.wind_back(self.winding)
                self.winding = None
            while self.unwritten:
                self._append(self.unwritten[0])
                del self.unwritten[0]
        except (OutputError, StorageError) as error:
            if isinstance(event, Finished):
                raise
            if not waiting:
                self.warn(f"warning: {error}; training goes on, and its record is written later")

    def _append(self, event: dict[str, Any]) -> None:
        append_line(self.metrics, _line(event))
        if event["event"] == "sampled":
            append_line(self.samples, _rung(event))

    def wind_back(self, reached: Reached) -> None:
        """Forget what a lost part of the run recorded."""
        events = reached.keeps(self.read())
        write_whole(self.metrics, b"".join(map(_line, events)))
        write_whole(self.samples, b"".join(_rung(event) for event in events if event["event"] == "sampled"))

    def read(self) -> list[dict[str, Any]]:
        """Every event so far; a last line that was cut short is left out.

        Raises:
            MissingInputError: there is a record, but it cannot be read.
        """
        try:
            lines = self.metrics.read_text("utf-8", "surrogateescape").split("\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            unreadable(error)
        events = []
        for line in lines:
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict) and isinstance(event.get("step"), int) and isinstance(event.get("event"), str):
                events.append(event)
        return events


def _line(event: dict[str, Any]) -> bytes:
    return (json.dumps(event) + "\n").encode()


def _rung(event: dict[str, Any]) -> bytes:
    """A sample under its step, epoch and score, in columns: the headings alone are a table of how the run went."""
    epoch, nats = event.get("epoch"), event.get("nats_per_char")
    read = f"   epoch {epoch:>7.2f}" if isinstance(epoch, float) else ""
    score = f"   {nats / math.log(2):.4f} bits = {nats:.4f} nats per character" if isinstance(nats, float) else ""
    return f"--- step {event['step']:>9,}{read}{score} ---\n{visible(str(event.get('text', '')))}\n\n".encode()
