"""A run's own record of what happened: `metrics.jsonl` and `samples.txt`.

It is appended to as things happen; on resuming it is wound back to the checkpoint, so that it reads as if the run had
never stopped. `metrics.jsonl` has everything, to the last digit and character; `samples.txt` is made of it for people,
who show it on terminals: there control characters are written out.
"""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charrnn.errors import MissingInputError, OutputError, StorageError, unreadable
from charrnn.files import append_line, write_whole
from charrnn.runs.events import Event, Finished, RolledBack
from charrnn.text.visible import visible

METRICS, SAMPLES = "metrics.jsonl", "samples.txt"


@dataclass(frozen=True)
class Reached:
    """How far a run is, as far as its record is concerned."""

    step: int
    evaluated_step: int | None = None
    sampled_step: int | None = None
    rollbacks: int = 0

    @classmethod
    def after(cls, event: RolledBack) -> "Reached":
        """What the record keeps when a run is rolled back; `event` itself is appended afterwards."""
        return cls(event.step, event.evaluated_step, event.sampled_step, event.rollbacks - 1)

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

    What a full disk refuses is kept in memory and written later; `warn` is told once. `per` is what the run's scores
    are counted by.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] = lambda text: None, per: str = "character") -> None:
        self.metrics, self.samples, self.warn, self.per = folder / METRICS, folder / SAMPLES, warn, per
        self.unwritten: list[dict[str, Any]] = []
        self.winding: Reached | None = None

    def __call__(self, event: Event) -> None:
        """Append `event`.

        Raises:
            OutputError, StorageError: the run is finished, and its record cannot be written.
        """
        if isinstance(event, RolledBack):
            self.winding = Reached.after(event)
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
            append_line(self.samples, _rung(event, self.per))

    def wind_back(self, reached: Reached) -> None:
        """Forget what a lost part of the run recorded."""
        events = reached.keeps(self.read())
        write_whole(self.metrics, b"".join(map(_line, events)))
        sampled = [event for event in events if event["event"] == "sampled"]
        write_whole(self.samples, b"".join(_rung(event, self.per) for event in sampled))

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


def find_run(run: str | None, checkpoints: Path) -> Path:
    """The folder that a run's folder, its name or a file inside it stands for; by default the one recorded last.

    Raises:
        MissingInputError: there is none, or it has no record.
    """
    try:
        if run is None:
            records = [path for path in checkpoints.glob(f"*/{METRICS}") if path.is_file()]
            if not records:
                what, remedy = f"no run in {checkpoints} has recorded anything", "train one: charrnn train corpus.txt"
                raise MissingInputError(what, "", remedy)
            return max(records, key=os.path.getmtime).parent
        places = [place for place in (Path(run), checkpoints / run) if os.path.lexists(place)]
        folders = [place if place.is_dir() else place.parent for place in places]
        found = next((folder for folder in folders if (folder / METRICS).is_file()), None)
    except OSError as error:
        unreadable(error)
    if found is None:
        what, why = (f"{run} has no record", f"no {METRICS} is there") if places else (f"no run is called {run}", "")
        raise MissingInputError(what, why, f"name a run's folder, or a run in {checkpoints}")
    return found


def _line(event: dict[str, Any]) -> bytes:
    return (json.dumps(event) + "\n").encode()


def _rung(event: dict[str, Any], per: str) -> bytes:
    """A sample under its step, epoch and score, in columns: the headings alone are a table of how the run went."""
    epoch, nats = event.get("epoch"), event.get("nats_per_char")
    read = f"   epoch {epoch:>7.2f}" if isinstance(epoch, float) else ""
    score = f"   {nats / math.log(2):.4f} bits = {nats:.4f} nats per {per}" if isinstance(nats, float) else ""
    return f"--- step {event['step']:>9,}{read}{score} ---\n{visible(str(event.get('text', '')))}\n\n".encode()
