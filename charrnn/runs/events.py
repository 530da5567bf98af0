"""The things that happen in a run, as plain data.

The loop tells; who listens (a progress bar, JSON lines, `metrics.jsonl`) is decided elsewhere.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


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
